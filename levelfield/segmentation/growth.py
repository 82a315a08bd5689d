"""Thresholding, and objects that grow from other objects, as cells from nuclei.

Every object keeps the number of its parent. An object that is removed leaves a gap.
"""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Image, Labels, Mask, Plane
from levelfield.labels import objects
from levelfield.segmentation.options import GrowthOptions, ThresholdOptions
from levelfield.segmentation.result import Segmentation, single_channel
from levelfield.segmentation.threshold import Threshold, find_threshold


def smooth(plane: Plane, smoothing: float) -> Plane:
    """Return an image (Y, X) behind a Gaussian of so many px; 0: as it is."""
    return ndimage.gaussian_filter(plane, smoothing) if smoothing else plane


def thresholded(
    image: Image, method: str, smoothing: float, threshold: ThresholdOptions
) -> tuple[Plane, Threshold, Mask]:
    """Return an image (1, Y, X) smoothed, its threshold, and the foreground, each (Y, X)."""
    plane = single_channel(image, method)
    smoothed = smooth(plane, smoothing)
    found = find_threshold(plane, smoothed, threshold)
    return smoothed, found, smoothed > found.level


def foreground_near(
    image: Image, method: str, options: GrowthOptions, parent: Labels
) -> tuple[Plane, Threshold, Mask]:
    """Return what `thresholded` does, the foreground only where parents may reach."""
    smoothed, found, foreground = thresholded(image, method, options.smoothing, options.threshold)
    if options.maximum_distance is not None:
        foreground &= objects.expand(parent, options.maximum_distance) > 0
    return smoothed, found, foreground


def surrounded(inside: Mask) -> Mask:
    """Return the pixels whose eight neighbours are all inside; none at the border of the image."""
    result = np.zeros(inside.shape, bool)
    rows = inside[:-2] & inside[1:-1] & inside[2:]
    result[1:-1, 1:-1] = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    return result


def grown(labels: Labels, fill_holes: bool, border: str, found: Threshold | None) -> Segmentation:
    """Fill holes, keep or discard what touches the border, and put the facts together."""
    if fill_holes:
        labels = objects.fill_object_holes(labels)
    touching = objects.touches_border(labels)
    record = {"TouchingBorder": float(touching.sum())}
    if border == "discard":
        labels = objects.keep_objects(labels, ~touching)
    return Segmentation(labels, record if found is None else found.record() | record)
