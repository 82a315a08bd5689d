"""Objects from a threshold, by the scale of the plate's typical object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from levelfield.arrays import Floats, Image, Labels, Mask, Plane
from levelfield.labels.labelwise import areas, largest_per_label
from levelfield.labels.objects import (
    equivalent_diameters,
    fill_mask_holes,
    fill_object_holes,
    keep_objects,
    largest_parts,
    touches_border,
)
from levelfield.segmentation.declump import EIGHT_NEIGHBOURS, declump, distance_to_background
from levelfield.segmentation.growth import thresholded
from levelfield.segmentation.local_background import background_beside
from levelfield.segmentation.methods.classical import FIRST_DIAMETER, SMOOTHING, ClassicalOptions
from levelfield.segmentation.outline import above_own_level, plateaus
from levelfield.segmentation.sizes import in_px
from levelfield.segmentation.threshold import Threshold
from levelfield.segmentation.typical import TypicalObject, weighted_median

BACKGROUND = 0.45  # of the typical diameter, where no radius is given
# The cores of objects, at this height, say where background may begin: outside of them, when they
# have grown by this share of the typical diameter. Where cytoplasm glows, the first outlines lie
# too far outside, and cores by the first background are better.
_CORE, _CLEAR, _ROUNDS = 0.6, 0.12, 2
_LARGE = 0.3  # of the typical diameter: certainly no specks
_WINDOW = 25.0  # typical diameters; objects enough for a median


@dataclass(frozen=True)
class Found:
    """Objects (Y, X) of an image, their height above the background, and facts for the record."""

    labels: Labels
    height: Plane
    record: dict[str, float]


def find_objects(image: Image, options: ClassicalOptions, diameter: float) -> Found:
    """Find objects of a typical diameter (px) in an image (1, Y, X)."""
    smoothing = in_px(options.smoothing, diameter, SMOOTHING)
    smoothed, threshold, above = thresholded(image, "classical", smoothing, options.threshold)
    height = smoothed - np.float32(threshold.background)

    def divided(foreground: Mask) -> tuple[Labels, dict[str, float]]:
        filled = fill_mask_holes(foreground) if options.fill_holes else foreground
        return declump(np.maximum(height, 0), filled, options.declump, diameter)

    labels, sizes = divided(above)
    if options.outline is None:
        return Found(labels, height, threshold.record() | sizes)
    for _ in range(_ROUNDS if labels.any() else 0):
        core = above & above_own_level(height, labels, 0, max(_CORE, options.outline))
        height = smoothed - _beside(smoothed, core, threshold, options, diameter)
    labels, sizes = divided(above & above_own_level(height, labels, 0, options.outline, core))
    # Better divided, the objects know their own brightness better.
    own = above & above_own_level(height, labels, 0, options.outline)
    labels = largest_parts(np.where(own, labels, 0))
    labels = fill_object_holes(labels) if options.fill_holes else labels
    return Found(labels, height, threshold.record() | sizes)


def _beside(
    smoothed: Plane, core: Mask, threshold: Threshold, options: ClassicalOptions, diameter: float
) -> Plane:
    grown = ndimage.maximum_filter(core.view(np.uint8), 2 * round(_CLEAR * diameter) + 1)
    radius = in_px(options.background_radius, diameter, BACKGROUND)
    return background_beside(smoothed, grown == 0, radius, threshold.background)


def without_debris(
    found: Found, options: ClassicalOptions, typical: TypicalObject
) -> tuple[Labels, float]:
    """Return the labels without what is too small and dim to be an object, and how many that were.

    A speck is small, haze is dim: what counts is the diameter times the contrast, each relative to
    the plate's typical object. Of an object at the border of the image only a part is seen.
    """
    labels = found.labels
    if not options.debris or not typical.contrast > 0 or not labels.any():
        return labels, 0.0
    prominence = equivalent_diameters(labels) / typical.diameter
    prominence *= plateaus(found.height, labels)[1:] / typical.contrast
    least = np.where(touches_border(labels), 0.5, 1.0) * options.debris
    debris = (areas(labels) > 0) & (prominence < least)
    return keep_objects(labels, ~debris), float(debris.sum())


def measure_typical(images: Sequence[Image], options: ClassicalOptions) -> TypicalObject:
    """Measure the typical object on images (1, Y, X), at first from the widths of what is bright.

    Two touching nuclei are hardly wider than one. At the scale that follows, the objects are found,
    and their median is the typical one.
    """
    diameter = options.diameter_px or _typical_width(images, options)
    if not diameter > 0:
        return TypicalObject(float("nan"))
    found = [_objects(_centre(image, diameter), options, diameter) for image in images]
    diameters, contrasts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not len(diameters):
        return TypicalObject(float("nan"))
    return TypicalObject(float(np.median(diameters)), float(np.median(contrasts)), len(diameters))


def _objects(
    image: Image, options: ClassicalOptions, diameter: float
) -> tuple[Floats, Floats]:
    """Return diameters and contrasts of the objects that are clearly no specks."""
    found = find_objects(image, options, diameter)
    diameters = equivalent_diameters(found.labels)
    large = diameters > _LARGE * diameter
    return diameters[large], plateaus(found.height, found.labels)[1:][large]


def _centre(image: Image, diameter: float) -> Image:
    side = round(_WINDOW * diameter)
    top, left = (max(0, (length - side) // 2) for length in image.shape[1:])
    return image[:, top : top + side, left : left + side]


def _typical_width(images: Sequence[Image], options: ClassicalOptions) -> float:
    """Return the width (px) of what is bright: by area, so that specks hardly count."""
    radii, weights = [np.zeros(0)], [np.zeros(0)]
    for image in images:
        _, _, above = thresholded(image, "classical", options.smoothing_px(), options.threshold)
        clumps, number = ndimage.label(fill_mask_holes(above), EIGHT_NEIGHBOURS)
        if number:
            depth = distance_to_background(clumps > 0)
            radii.append(largest_per_label(clumps, depth, number))
            weights.append(areas(clumps))
    return 2 * weighted_median(np.concatenate(radii), np.concatenate(weights))


def typical_for(image: Image, options: ClassicalOptions) -> TypicalObject:
    """Return the typical object of the options; what they leave open is measured on the image."""
    given, contrast = options.diameter_px, options.contrast
    if given and (contrast or not options.debris):
        return TypicalObject(given, contrast or float("nan"))
    measured = measure_typical([image], options)
    known = measured.diameter > 0
    diameter = given or (measured.diameter if known else FIRST_DIAMETER)
    return TypicalObject(diameter, contrast or measured.contrast, measured.n_objects)
