"""Objects that come from other objects: cells from nuclei, cytoplasm from both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield import objects
from levelfield.parameters import call_with, require_choice, require_flag, require_number
from levelfield.segmentation.result import Segmentation, single_channel
from levelfield.segmentation.threshold import find_threshold

NOTHING: Mapping[str, Any] = {}
Labels = NDArray[np.int32]


def propagation(
    image: NDArray[np.float32],
    parent: Labels,
    *,
    smoothing: float = 1.0,
    threshold: Mapping[str, Any] = NOTHING,
    regularisation: float = 0.05,
    maximum_distance: float | None = None,
    fill_holes: bool = True,
    border: str = "keep",
) -> Segmentation:
    """Grow parents over the foreground, along least image change and distance.

    As CellProfiler's IdentifySecondaryObjects with the method Propagation. Each object keeps the
    number of its parent and covers at least that parent.

    Parameters
    ----------
    image
        (1, Y, X), intensity 0-1, e.g. of a cytoplasmic stain.
    parent
        (Y, X) int32, e.g. nuclei.
    smoothing
        Standard deviation in px of the Gaussian before thresholding; 0: none.
    threshold
        Parameters of `levelfield.segmentation.threshold.find_threshold`.
    regularisation
        Intensity per px: 0 follows the image alone, large values the distance alone.
    maximum_distance
        Objects reach at most so many px beyond their parents; none: as far as the foreground.
    fill_holes
        Fill holes of each object.
    border
        `keep` or `discard` objects that touch the border of the image; the others keep their
        numbers.

    Raises
    ------
    ValueError
        If a parameter is unknown or has a value that is not allowed.
    """
    require_number("smoothing", smoothing, 0)
    require_number("regularisation", regularisation, 0)
    require_flag("fill_holes", fill_holes)
    plane = single_channel(image, "propagation")
    smoothed = ndimage.gaussian_filter(plane, smoothing) if smoothing else plane
    found = call_with(
        find_threshold, plane, smoothed, parameters=threshold, where="propagation.threshold"
    )
    foreground = smoothed > found.level
    if maximum_distance is not None:
        require_number("maximum_distance", maximum_distance, 0)
        foreground &= objects.expand(parent, maximum_distance) > 0
    labels, _ = objects.propagate(smoothed, parent, foreground, regularisation)
    if fill_holes:
        labels = objects.fill_object_holes(labels)
    labels, record = _handle_border(labels, border)
    return Segmentation(labels, found.record() | record)


def expansion(
    image: NDArray[np.float32],
    parent: Labels,
    *,
    distance: float = 10.0,
    border: str = "keep",
) -> Segmentation:
    """Grow parents by a fixed distance (CellProfiler's Distance-N); no image is looked at.

    Parameters
    ----------
    image
        (C, Y, X), not used.
    parent
        (Y, X) int32, e.g. nuclei.
    distance
        How far to grow, in px.
    border
        `keep` or `discard` objects that touch the border of the image.
    """
    require_number("distance", distance, 0)
    labels, record = _handle_border(objects.expand(parent, distance), border)
    return Segmentation(labels, record)


def subtraction(
    image: NDArray[np.float32], parent: Labels, minus: Labels, *, shrink: int = 0
) -> Segmentation:
    """Subtract objects from the objects around them: cytoplasm = cells minus nuclei.

    Every object keeps the number of its parent; one that nothing is left of is recorded as empty.

    Parameters
    ----------
    image
        (C, Y, X), not used.
    parent, minus
        (Y, X) int32, e.g. cells and nuclei.
    shrink
        Erode the subtracted objects by so many px first.
    """
    require_number("shrink", shrink, 0)
    labels = objects.subtract(parent, minus, shrink)
    n_empty = len(objects.object_numbers(parent)) - len(objects.object_numbers(labels))
    return Segmentation(labels, {"Empty": float(n_empty)})


def _handle_border(labels: Labels, border: str) -> tuple[Labels, dict[str, float]]:
    require_choice("border", border, ("keep", "discard"))
    touching = objects.touches_border(labels)
    record = {"TouchingBorder": float(touching.sum())}
    if border == "discard":
        labels = objects.keep_objects(labels, ~touching)
    return labels, record
