"""Classical segmentation: smooth, threshold, fill, declump, filter (primary objects)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.config.parameters import call_with, require_flag, require_number
from levelfield.labels.filtering import filter_objects
from levelfield.labels.objects import (
    fill_mask_holes,
    fill_object_holes,
    largest_parts,
    renumber,
)
from levelfield.segmentation.declump import declump as divide
from levelfield.segmentation.outline import above_own_level
from levelfield.segmentation.result import Segmentation, single_channel
from levelfield.segmentation.threshold import find_threshold

NOTHING: Mapping[str, Any] = {}


def classical(
    image: NDArray[np.float32],
    *,
    smoothing: float = 1.0,
    threshold: Mapping[str, Any] = NOTHING,
    outline: float | None = 0.4,
    fill_holes: bool = True,
    declump: Mapping[str, Any] = NOTHING,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment bright objects on a darker background, as CellProfiler's IdentifyPrimaryObjects.

    With `outline` the threshold only finds the objects, so it should be low enough for dim ones,
    and each then gets an outline that fits its own brightness; without, the threshold is the
    outline, and a higher one such as `otsu` fits better.

    Parameters
    ----------
    image
        (1, Y, X), intensity 0-1.
    smoothing
        Standard deviation in px of the Gaussian before thresholding; 0: none.
    threshold
        Parameters of `levelfield.segmentation.threshold.find_threshold`.
    outline
        Where the outline of each object lies between the background (0) and the object's own
        brightness (1); larger makes smaller objects; none: at the threshold for all.
    fill_holes
        Fill holes of the foreground.
    declump
        Parameters of `levelfield.segmentation.declump.declump`.
    minimum_diameter, maximum_diameter
        Objects whose equivalent diameter in px lies outside are removed; no maximum: none.
    border
        `keep` or `discard` objects that touch the border of the image.

    Raises
    ------
    ValueError
        If a parameter is unknown or has a value that is not allowed.
    """
    _check_parameters(smoothing, outline, fill_holes)
    plane = single_channel(image, "classical")
    smoothed = ndimage.gaussian_filter(plane, smoothing) if smoothing else plane
    found = call_with(
        find_threshold, plane, smoothed, parameters=threshold, where="classical.threshold"
    )

    def divided(foreground: NDArray[np.bool_]) -> tuple[NDArray[np.int32], dict[str, float]]:
        filled = fill_mask_holes(foreground) if fill_holes else foreground
        where = "classical.declump"
        return call_with(divide, smoothed, filled, parameters=declump, where=where)

    above = smoothed > found.level
    labels, sizes = divided(above)
    if outline is not None:
        own = above & above_own_level(smoothed, labels, found.background, outline)
        labels, sizes = divided(own)
        # Better divided, the objects know their own brightness better.
        own = above & above_own_level(smoothed, labels, found.background, outline)
        labels = largest_parts(np.where(own, labels, 0))
        labels = fill_object_holes(labels) if fill_holes else labels
    labels, removed = filter_objects(labels, minimum_diameter, maximum_diameter, border)
    return Segmentation(renumber(labels), found.record() | sizes | removed)


def _check_parameters(smoothing: float, outline: float | None, fill_holes: bool) -> None:
    require_number("smoothing", smoothing, 0)
    require_flag("fill_holes", fill_holes)
    if outline is not None:
        require_number("outline", outline, 0.01, 0.99)
