"""Objects from a threshold, by the scale of the plate's typical object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from levelfield.arrays import Floats, Image, Labels, Mask, Plane
from levelfield.labels.distance import distance_to_background
from levelfield.labels.labelwise import areas, largest_per_label
from levelfield.labels.objects import (
    equivalent_diameters,
    fill_mask_holes,
    fill_object_holes,
    keep_objects,
    largest_parts,
    touches_border,
)
from levelfield.segmentation.declump import EIGHT_NEIGHBOURS, declump
from levelfield.segmentation.growth import thresholded
from levelfield.segmentation.local_background import background_beside
from levelfield.segmentation.methods.classical import FIRST_DIAMETER, SMOOTHING, ClassicalOptions
from levelfield.segmentation.outline import above_own_level, plateaus
from levelfield.segmentation.sizes import in_px
from levelfield.segmentation.typical import TypicalObject, weighted_median

BACKGROUND = 0.4  # of the typical diameter, where no radius is given
# The cores of objects, at this height, say where background may begin: outside of them, when they
# have grown by this share of the typical diameter. Where cytoplasm glows, the first outlines lie
# too far outside, and cores by the first background are better.
_CORE, _CLEAR = 0.6, 0.12
# Of what is wider than so many typical objects only the brightest part has a core.
_WIDEST = 3.0
# Background beside an object is subtracted in full where it is at least this share of the object's
# brightness, as where cytoplasm glows; less of it is the blur of the object itself.
_GLOW = 0.1
# What is left between objects is one if it is as deep (typical diameters) and as bright (typical
# contrasts) as this.
_WIDE, _DIM = 0.15, 0.4
_AT_BORDER = 0.5  # of an object at the border of the image only a part is seen
_LARGE = 0.3  # of the typical diameter: certainly no specks
_WINDOW = 25.0  # typical diameters; objects enough for a median


@dataclass(frozen=True)
class Found:
    """Objects (Y, X) of an image, their height above the background, and facts for the record."""

    labels: Labels
    height: Plane
    record: dict[str, float]


def find_objects(image: Image, options: ClassicalOptions, typical: TypicalObject) -> Found:
    """Find objects in an image (1, Y, X), given the diameter (px) of a typical one.

    Where its contrast is known too, dim objects beside brighter ones are looked for.
    """
    diameter = typical.diameter
    smoothing = in_px(options.smoothing, diameter, SMOOTHING)
    smoothed, threshold, above = thresholded(image, "classical", smoothing, options.threshold)
    height = smoothed - np.float32(threshold.background)

    def divided(foreground: Mask) -> tuple[Labels, dict[str, float]]:
        filled = fill_mask_holes(foreground) if options.fill_holes else foreground
        return declump(np.maximum(height, 0), filled, options.declump, diameter)

    labels, sizes = divided(above)
    record = threshold.record() | sizes
    if options.outline is None or not labels.any():
        return Found(labels, height, record)
    beside = _Beside(smoothed, above, threshold.background, options, typical)
    core, height = beside.seen(labels, height)
    labels = beside.with_overlooked(labels, core, height)
    core, height = beside.seen(labels, height)
    labels, _ = divided(above & above_own_level(height, labels, 0, options.outline, core))
    # Better divided, the objects know their own brightness better.
    own = above & above_own_level(height, labels, 0, options.outline)
    labels = largest_parts(np.where(own, labels, 0))
    return Found(fill_object_holes(labels) if options.fill_holes else labels, height, record)


@dataclass(frozen=True)
class _Beside:
    """An image (Y, X) whose objects are seen against the background beside them.

    `above` is the foreground, `background` the brightness of all that is not.
    """

    smoothed: Plane
    above: Mask
    background: float
    options: ClassicalOptions
    typical: TypicalObject

    def seen(self, labels: Labels, height: Plane) -> tuple[Mask, Plane]:
        """Return the cores of objects, and all heights above the background outside of these."""
        fraction = max(_CORE, self.options.outline or 0)
        area = _WIDEST * np.pi / 4 * self.typical.diameter**2
        core = self.above & above_own_level(height, labels, 0, fraction, area=area)
        outside = ~self._grown(core, _CLEAR)
        radius = in_px(self.options.background_radius, self.typical.diameter, BACKGROUND)
        beside = background_beside(self.smoothed, outside, radius, self.background)
        above = self.smoothed - np.float32(self.background)
        glow = beside - np.float32(self.background)
        cores = np.where(core, labels, 0)
        brightness = plateaus(above, cores)
        share = 1 - plateaus(above - glow, cores) / np.where(brightness > 0, brightness, np.nan)
        weights = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
        weights[: len(share)] = np.clip(np.nan_to_num(share) / _GLOW, 0, 1)
        return core, above - weights[labels] * glow

    def with_overlooked(self, labels: Labels, core: Mask, height: Plane) -> Labels:
        """Return the objects, and those that are dim and lie beside brighter ones.

        What is left of the foreground is one of these where it is wide and stands out.
        """
        if not self.typical.contrast > 0:
            return labels
        fraction = self.options.outline or 0
        own = self.above & above_own_level(height, labels, 0, fraction, core)
        left = self.above & ~self._grown(own, _CLEAR)
        parts, number = ndimage.label(left, EIGHT_NEIGHBOURS)
        wide = np.zeros(number + 1, bool)
        wide[parts[~self._grown(~left, _WIDE)]] = True
        wide[0] = False
        if not wide.any():
            return labels
        parts = np.where(wide[parts], parts, 0)
        rest = np.where(left, 0, labels)
        both = np.where(parts > 0, parts + int(labels.max()), rest)
        _, again = self.seen(both, self.smoothed - np.float32(self.background))
        contrast = plateaus(again, parts)
        clear = np.zeros(number + 1, bool)
        clear[: len(contrast)] = contrast > _DIM * self.typical.contrast
        return np.where(clear[parts], both, labels).astype(np.int32)

    def _grown(self, mask: Mask, share: float) -> Mask:
        size = 2 * round(share * self.typical.diameter) + 1
        return ndimage.maximum_filter(mask.view(np.uint8), size).view(bool)


def without_debris(
    found: Found, options: ClassicalOptions, typical: TypicalObject
) -> tuple[Labels, float]:
    """Return the labels without what is too small and dim to be an object, and how many that were.

    A speck is small, haze is dim: what counts is the diameter times the contrast, each relative to
    the plate's typical object.
    """
    labels = found.labels
    if not options.debris or not typical.contrast > 0 or not labels.any():
        return labels, 0.0
    prominence = equivalent_diameters(labels) / typical.diameter
    prominence *= plateaus(found.height, labels)[1:] / typical.contrast
    least = np.where(touches_border(labels), _AT_BORDER, 1.0) * options.debris
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


def _objects(image: Image, options: ClassicalOptions, diameter: float) -> tuple[Floats, Floats]:
    """Return diameters and contrasts of the objects that are clearly no specks."""
    found = find_objects(image, options, TypicalObject(diameter))
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
            weights.append(areas(clumps).astype(float))
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
