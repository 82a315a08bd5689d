"""The first and last pixel of every object on every row."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import Integers, Labels

_NO_ROW = np.iinfo(np.int32).max


@dataclass(frozen=True)
class RowExtents:
    """First and last pixel column of every label on every row that it spans.

    ``left[start[k] + r]`` and ``right[...]`` belong to label k + 1 and its row ``top[k] + r``;
    ``right`` is exclusive. Rows that a label skips hold the largest int32 in ``left``.
    """

    top: Integers
    height: Integers
    start: Integers
    left: Labels
    right: Labels

    def arrays(self) -> tuple[Integers, Integers, Integers, Labels, Labels]:
        """Return all of it in the order in which compiled functions take it."""
        return self.top, self.height, self.start, self.left, self.right


def row_extents(labels: Labels) -> RowExtents:
    """Collect the horizontal extent of every label, in one pass."""
    count = int(labels.max(initial=0))
    top = np.zeros(count, np.int64)
    height = np.zeros(count, np.int64)
    for index, box in enumerate(ndimage.find_objects(labels)):
        if box is not None:
            top[index], height[index] = box[0].start, box[0].stop - box[0].start
    start = np.concatenate([[0], np.cumsum(height)])
    left = np.full(start[-1], _NO_ROW, np.int32)
    right = np.full(start[-1], -1, np.int32)
    _fill_extents(np.require(labels, np.int32, ["C", "W"]), top, start, left, right)
    return RowExtents(top, height, start, left, right)


# numba: a scan over all pixels with one comparison each, for every label at once
@njit(cache=True)
def _fill_extents(
    labels: Labels, top: Integers, start: Integers, left: Labels, right: Labels
) -> None:
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                row = start[label - 1] + y - top[label - 1]
                left[row] = min(left[row], x)
                right[row] = max(right[row], x + 1)
