"""Where the pixels of every object are: computed once, shared by all channels and families.

The compiled kernels of this package are kept by numba in ``__pycache__`` beside the modules (or in
the folder named by ``NUMBA_CACHE_DIR``), so that only the first run on a machine compiles.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import AnyLabels, Floats, Image, Integers, Labels, Mask


@dataclass(frozen=True)
class ObjectPixels:
    """The pixels of the objects of one label image, grouped by object.

    Attributes
    ----------
    labels : (Y, X) int32
        Label image renumbered to 1..n without gaps, 0 = background.
    numbers : (n,) int32
        The label that each object has in the original image, ascending.
    starts : (n + 1,) int64
        Object `k` (0-based) owns `positions[starts[k]:starts[k + 1]]`.
    positions : (P,) int64
        Flat index (row * X + column) of every object pixel; raster order within an object.
    boxes : (n, 4) int64
        First row, end row, first column, end column of each object (ends exclusive).
    """

    labels: Labels
    numbers: NDArray[np.int32]
    starts: Integers
    positions: Integers
    boxes: Integers

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the image (rows, columns) in px."""
        return self.labels.shape

    @property
    def count(self) -> int:
        """Number of objects."""
        return self.numbers.size

    @property
    def areas(self) -> Integers:
        """Pixels per object."""
        return np.diff(self.starts)


def object_pixels(labels: AnyLabels) -> ObjectPixels:
    """Group the pixels of a label image by object.

    Parameters
    ----------
    labels : (Y, X) integer
        0 = background; gaps in the numbering are allowed.

    Raises
    ------
    ValueError
        If `labels` is not a two-dimensional integer image without negative values.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"A label image must be two-dimensional and integer, but this one has shape "
            f"{labels.shape} and dtype {labels.dtype}. Give one (Y, X) int32 image per object set."
        )
    if labels.size and labels.min() < 0:
        raise ValueError(
            f"The label image holds the negative value {labels.min()}, so its objects cannot be "
            f"numbered. Labels are 0 for background and 1, 2, … for objects."
        )
    numbers = _present_labels(labels)
    dense = _renumber(labels, numbers)
    starts, positions, boxes = _group(dense, numbers.size)
    return ObjectPixels(dense, numbers.astype(np.int32), starts, positions, boxes)


def _present_labels(labels: AnyLabels) -> Integers:
    highest = int(labels.max(initial=0))
    if highest > max(labels.size, 1):  # bincount would need memory in proportion to the label
        present = np.unique(labels)
    else:
        present = np.flatnonzero(np.bincount(labels.ravel(), minlength=1))
    return present[present > 0].astype(np.int64)


def _renumber(labels: AnyLabels, numbers: Integers) -> Labels:
    if numbers.size == 0 or numbers[-1] == numbers.size:
        return np.ascontiguousarray(labels, np.int32)
    if numbers[-1] <= labels.size:
        lookup = np.zeros(numbers[-1] + 1, np.int32)
        lookup[numbers] = np.arange(1, numbers.size + 1)
        return lookup[labels]
    return np.searchsorted(np.concatenate([[0], numbers]), labels).astype(np.int32)


@njit(cache=True)
def _group(labels: Labels, count: int) -> tuple[Integers, Integers, Integers]:
    """Sort the foreground by label: one pass to count, one to place."""
    rows, columns = labels.shape
    boxes = np.empty((count, 4), np.int64)
    boxes[:, 0] = rows
    boxes[:, 1] = 0
    boxes[:, 2] = columns
    boxes[:, 3] = 0
    starts = np.zeros(count + 1, np.int64)
    for row in range(rows):
        for column in range(columns):
            label = labels[row, column]
            if label > 0:
                starts[label] += 1
                box = boxes[label - 1]
                box[0] = min(box[0], row)
                box[1] = row + 1
                box[2] = min(box[2], column)
                box[3] = max(box[3], column + 1)
    for k in range(count):
        starts[k + 1] += starts[k]
    place = starts[:-1].copy()
    positions = np.empty(starts[count], np.int64)
    flat = labels.ravel()
    for position in range(flat.size):
        label = flat[position]
        if label > 0:
            positions[place[label - 1]] = position
            place[label - 1] += 1
    return starts, positions, boxes


@njit(cache=True)
def gather(image: Image, positions: Integers) -> Floats:
    """Return the (C, P) float64 values of a (C, Y, X) float32 image at flat positions."""
    values = np.empty((image.shape[0], positions.size))
    for channel in range(image.shape[0]):
        plane = image[channel].ravel()
        for i in range(positions.size):
            values[channel, i] = plane[positions[i]]
    return values


@njit(cache=True)
def weighted_centres(values: Floats, starts: Integers, positions: Integers, width: int) -> Floats:
    """Sum and centre of the intensity, and place of its first maximum, per channel and object.

    Returns
    -------
    (C, n, 5) float64
        Integrated intensity; row and column of the centre of mass (px; NaN if the sum is 0); row
        and column of the brightest pixel (px; the first in raster order).
    """
    count = starts.size - 1
    result = np.empty((values.shape[0], count, 5))
    for channel in range(values.shape[0]):
        for k in range(count):
            total, row_sum, column_sum = 0.0, 0.0, 0.0
            brightest, where = -np.inf, 0
            for i in range(starts[k], starts[k + 1]):
                value = values[channel, i]
                row = positions[i] // width
                column = positions[i] - row * width
                total += value
                row_sum += row * value
                column_sum += column * value
                if value > brightest:
                    brightest, where = value, positions[i]
            out = result[channel, k]
            out[0] = total
            out[1] = row_sum / total if total != 0 else np.nan
            out[2] = column_sum / total if total != 0 else np.nan
            out[3] = where // width
            out[4] = where % width
    return result


@njit(cache=True)
def edge_pixels(labels: Labels, positions: Integers) -> Mask:
    """Mark the object pixels that have a 4-neighbour of another label inside the image."""
    rows, columns = labels.shape
    edge = np.empty(positions.size, np.bool_)
    for i in range(positions.size):
        row, column = positions[i] // columns, positions[i] % columns
        label = labels[row, column]
        edge[i] = (
            (row > 0 and labels[row - 1, column] != label)
            or (row < rows - 1 and labels[row + 1, column] != label)
            or (column > 0 and labels[row, column - 1] != label)
            or (column < columns - 1 and labels[row, column + 1] != label)
        )
    return edge
