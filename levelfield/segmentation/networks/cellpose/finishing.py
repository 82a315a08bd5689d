"""What is done last with the objects of an image, as in Cellpose: on the CPU, without torch.

The package `cellpose` has the same, but loads torch with it, which takes seconds and half a
gigabyte in every process that only does this.
"""

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import Integers, Labels
from levelfield.labels.filtering import filter_objects
from levelfield.labels.labelwise import areas
from levelfield.labels.objects import keep_objects, renumber
from levelfield.segmentation.result import Segmentation


def finish(
    labels: Labels, minimum_area: int, limits: tuple[float, float | None, str]
) -> Segmentation:
    """Fill holes, remove small objects as Cellpose does, then those that the options leave out.

    Parameters
    ----------
    labels : (Y, X) int32
        Any numbers.
    minimum_area : int
        Objects of fewer px are removed.
    limits : (float, float or None, str)
        Smallest and largest diameter (px), and what becomes of objects at the border.
    """
    kept, removed = filter_objects(fill_holes(renumber(labels), minimum_area), *limits)
    return Segmentation(renumber(kept), removed)


def fill_holes(labels: Labels, minimum_area: int) -> Labels:
    """Fill the holes of labels (Y, X), 1..n, and remove small objects before and after.

    The same as `cellpose.utils.fill_holes_and_remove_small_masks`: an object inside of another one
    becomes part of it.
    """
    filled = _without_small(labels, minimum_area)
    places = ndimage.find_objects(filled)
    boxes = [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in places]
    if boxes:
        _fill(filled, np.array(boxes))
    return _without_small(filled, minimum_area)


# numba: a thousand objects, each in a box of its own, one after the other
@njit(cache=True, nogil=True)
def _fill(labels: Labels, boxes: Integers) -> None:
    """Give each object, 1..n in this order, what its box's border is not connected to."""
    for number in range(1, len(boxes) + 1):
        top, bottom, left, right = boxes[number - 1]
        height, width = bottom - top, right - left
        outside = np.zeros((height, width), np.bool_)
        waiting = np.empty(height * width, np.int32)
        n_waiting = 0
        for y in range(height):
            for x in range(width):
                at_border = y == 0 or x == 0 or y == height - 1 or x == width - 1
                if at_border and labels[top + y, left + x] != number:
                    outside[y, x] = True
                    waiting[n_waiting] = y * width + x
                    n_waiting += 1
        while n_waiting:
            n_waiting -= 1
            y, x = waiting[n_waiting] // width, waiting[n_waiting] % width
            for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                v, u = y + down, x + across
                if not (0 <= v < height and 0 <= u < width) or outside[v, u]:
                    continue
                if labels[top + v, left + u] != number:
                    outside[v, u] = True
                    waiting[n_waiting] = v * width + u
                    n_waiting += 1
        for y in range(height):
            for x in range(width):
                if not outside[y, x]:
                    labels[top + y, left + x] = number


def _without_small(labels: Labels, minimum_area: int) -> Labels:
    keep = areas(labels) >= max(minimum_area, 1)
    return renumber(keep_objects(labels, keep))
