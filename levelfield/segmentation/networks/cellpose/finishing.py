"""What is done last with the objects of an image, as in Cellpose: on the CPU, without torch."""

import numpy as np
from cellpose.utils import fill_holes_and_remove_small_masks

from levelfield.arrays import Labels
from levelfield.labels.filtering import filter_objects
from levelfield.labels.objects import renumber
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
    """Fill the holes of labels (Y, X) and remove small objects, as Cellpose does."""
    pixels = np.ascontiguousarray(labels.astype(np.uint32))
    return fill_holes_and_remove_small_masks(pixels, min_size=minimum_area).astype(np.int32)
