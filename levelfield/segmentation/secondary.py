"""Objects that come from other objects: cells from nuclei, cytoplasm from both.

Every object keeps the number of its parent. An object that is removed leaves a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed as flood

from levelfield.config.parameters import call_with, require_choice, require_flag, require_number
from levelfield.labels import objects
from levelfield.segmentation.propagate import propagate
from levelfield.segmentation.result import Segmentation, single_channel
from levelfield.segmentation.threshold import Threshold, find_threshold

Labels = NDArray[np.int32]
Plane = NDArray[np.float32]

# Cytoplasm is often far dimmer than the nucleus in the same channel.
DIM_CELLS = MappingProxyType({"log": True})


def propagation(
    image: NDArray[np.float32],
    parent: Labels,
    *,
    smoothing: float = 1.0,
    threshold: Mapping[str, Any] = DIM_CELLS,
    regularisation: float = 0.05,
    maximum_distance: float | None = None,
    fill_holes: bool = True,
    border: str = "keep",
) -> Segmentation:
    """Grow parents over the foreground, along least image change and distance.

    As CellProfiler's IdentifySecondaryObjects with the method Propagation. Each object covers at
    least its parent.

    Parameters
    ----------
    image
        (1, Y, X), intensity 0-1, e.g. of a cytoplasmic stain.
    parent
        (Y, X) int32, e.g. nuclei.
    smoothing
        Standard deviation in px of the Gaussian over the image; 0: none.
    threshold
        Parameters of `levelfield.segmentation.threshold.find_threshold`. What the configuration
        sets replaces the default as a whole.
    regularisation
        Intensity per px: 0 follows the image alone, large values the distance alone.
    maximum_distance
        Objects reach at most so many px beyond their parents; none: as far as the foreground.
    fill_holes
        Fill holes of each object.
    border
        `keep` or `discard` objects that touch the border of the image.

    Raises
    ------
    ValueError
        If a parameter is unknown or has a value that is not allowed.
    """
    require_number("regularisation", regularisation, 0)
    smoothed = _smooth(single_channel(image, "propagation"), smoothing)
    found, foreground = _foreground(image[0], smoothed, threshold, "propagation.threshold")
    foreground = _limit(foreground, parent, maximum_distance)
    labels, _ = propagate(smoothed, parent, foreground, regularisation)
    return _finish(labels, fill_holes, border, found)


def watershed(
    image: NDArray[np.float32],
    parent: Labels,
    *,
    surface: str = "gradient",
    smoothing: float = 1.0,
    threshold: Mapping[str, Any] = DIM_CELLS,
    maximum_distance: float | None = None,
    fill_holes: bool = True,
    border: str = "keep",
) -> Segmentation:
    """Grow parents over the foreground by a watershed that starts from them.

    As CellProfiler's IdentifySecondaryObjects with the methods Watershed - Image and - Gradient.

    Parameters
    ----------
    image
        (1, Y, X), intensity 0-1.
    parent
        (Y, X) int32, e.g. nuclei.
    surface
        Objects meet where the `image` is darkest between them, or where its `gradient` is steepest.
    smoothing, threshold, maximum_distance, fill_holes, border
        As in `propagation`.
    """
    require_choice("surface", surface, ("image", "gradient"))
    smoothed = _smooth(single_channel(image, "watershed"), smoothing)
    found, foreground = _foreground(image[0], smoothed, threshold, "watershed.threshold")
    foreground = _limit(foreground, parent, maximum_distance) | (parent > 0)
    if surface == "image":
        height = -smoothed
    else:  # separable, so faster than scikit-image's
        height = np.hypot(ndimage.sobel(smoothed, 0), ndimage.sobel(smoothed, 1))
    # Parents keep their pixels. The flood starts at their rims: it takes most of its time for the
    # pixels inside, which can reach nothing.
    outer = foreground & ~_surrounded(parent > 0)
    flooded = flood(height, parent, mask=outer, connectivity=2)
    labels = np.where(parent > 0, parent, flooded).astype(np.int32)
    return _finish(labels, fill_holes, border, found)


def expansion(
    image: NDArray[np.float32],
    parent: Labels,
    *,
    distance: float = 10.0,
    threshold: Mapping[str, Any] | None = None,
    smoothing: float = 1.0,
    border: str = "keep",
) -> Segmentation:
    """Grow parents by a fixed distance: CellProfiler's Distance-N, with a threshold Distance-B.

    Parameters
    ----------
    image
        (C, Y, X); without `threshold` it is not looked at.
    parent
        (Y, X) int32, e.g. nuclei.
    distance
        How far to grow, in px.
    threshold
        Grow only over the foreground, see `levelfield.segmentation.threshold.find_threshold`;
        none: everywhere.
    smoothing
        Standard deviation in px of the Gaussian before thresholding; 0: none.
    border
        `keep` or `discard` objects that touch the border of the image.
    """
    require_number("distance", distance, 0)
    labels, found = objects.expand(parent, distance), None
    if threshold is not None:
        smoothed = _smooth(single_channel(image, "expansion"), smoothing)
        found, foreground = _foreground(image[0], smoothed, threshold, "expansion.threshold")
        labels = np.where(foreground | (parent > 0), labels, 0)
    return _finish(labels, False, border, found)


def subtraction(
    image: NDArray[np.float32], parent: Labels, minus: Labels, *, shrink: float = 0.0
) -> Segmentation:
    """Subtract objects from the objects around them: cytoplasm = cells minus nuclei.

    Every object keeps the number of its parent; how many have nothing left is recorded.

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


def _smooth(plane: Plane, smoothing: float) -> Plane:
    require_number("smoothing", smoothing, 0)
    return ndimage.gaussian_filter(plane, smoothing) if smoothing else plane


def _foreground(
    plane: Plane, smoothed: Plane, threshold: Mapping[str, Any], where: str
) -> tuple[Threshold, NDArray[np.bool_]]:
    found = call_with(find_threshold, plane, smoothed, parameters=threshold, where=where)
    return found, smoothed > found.level


def _surrounded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels whose eight neighbours are all inside; none at the border of the image."""
    result = np.zeros(inside.shape, bool)
    rows = inside[:-2] & inside[1:-1] & inside[2:]
    result[1:-1, 1:-1] = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    return result


def _limit(
    foreground: NDArray[np.bool_], parent: Labels, maximum_distance: float | None
) -> NDArray[np.bool_]:
    if maximum_distance is None:
        return foreground
    require_number("maximum_distance", maximum_distance, 0)
    return foreground & (objects.expand(parent, maximum_distance) > 0)


def _finish(labels: Labels, fill_holes: bool, border: str, found: Threshold | None) -> Segmentation:
    require_flag("fill_holes", fill_holes)
    require_choice("border", border, ("keep", "discard"))
    if fill_holes:
        labels = objects.fill_object_holes(labels)
    touching = objects.touches_border(labels)
    record = {"TouchingBorder": float(touching.sum())}
    if border == "discard":
        labels = objects.keep_objects(labels, ~touching)
    return Segmentation(labels, record if found is None else found.record() | record)
