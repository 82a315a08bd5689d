"""What is done last with the objects of an image, as in Cellpose: on the CPU, without torch.

The package `cellpose` has the same, but loads torch with it, which takes seconds and half a
gigabyte in every process that only does this.
"""

from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.labels.filtering import filter_objects
from levelfield.labels.labelwise import areas
from levelfield.labels.objects import fill_mask_holes, keep_objects, renumber
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
    for number, place in enumerate(ndimage.find_objects(filled), 1):
        if place is not None:
            part = filled[place]
            part[fill_mask_holes(part == number)] = number
    return _without_small(filled, minimum_area)


def _without_small(labels: Labels, minimum_area: int) -> Labels:
    keep = areas(labels) >= max(minimum_area, 1)
    return renumber(keep_objects(labels, keep))
