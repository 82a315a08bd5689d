"""Objects that are other objects cut, merged, split or filtered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from levelfield.config.parameters import require_flag, require_number
from levelfield.labels import objects
from levelfield.labels.filtering import filter_objects
from levelfield.segmentation.result import Segmentation

Labels = NDArray[np.int32]


def masked(
    image: NDArray[np.float32], parent: Labels, within: Labels, *, minimum_fraction: float = 0.0
) -> Segmentation:
    """Cut objects to the area of other objects, e.g. speckles to nuclei; numbers stay.

    Parameters
    ----------
    image
        (C, Y, X), not used.
    parent, within
        (Y, X) int32: the objects, and those that bound them.
    minimum_fraction
        Objects of which a smaller share lies inside are removed; 0 keeps every rest.
    """
    require_number("minimum_fraction", minimum_fraction, 0, 1)
    labels = objects.within_mask(parent, within > 0, minimum_fraction)
    n_removed = len(objects.object_numbers(parent)) - len(objects.object_numbers(labels))
    return Segmentation(labels, {"Removed": float(n_removed)})


def edited(
    image: NDArray[np.float32],
    parent: Labels,
    *,
    split_parts: bool = False,
    merge_distance: float | None = None,
    minimum_diameter: float = 0.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Split, merge and filter objects by rule; the result is numbered again in raster order.

    Which new object came from which old one is in the table of `levelfield.labels.objects.relate`.

    Parameters
    ----------
    image
        (C, Y, X), not used.
    parent
        (Y, X) int32.
    split_parts
        Make every connected part of an object an object of its own.
    merge_distance
        Then merge objects that are at most so many px apart (touching ones: 1); none: do not merge.
    minimum_diameter, maximum_diameter, border
        Then filter as `levelfield.segmentation.methods.classical.classical` does.
    """
    require_flag("split_parts", split_parts)
    labels = objects.split_parts(parent) if split_parts else objects.renumber(parent)
    n_before = int(labels.max(initial=0))
    if merge_distance is not None:
        require_number("merge_distance", merge_distance, 0)
        labels = objects.merge_near(labels, merge_distance)
    record = {"Merged": float(n_before - labels.max(initial=0))}
    labels, removed = filter_objects(labels, minimum_diameter, maximum_diameter, border)
    return Segmentation(objects.renumber(labels), record | removed)
