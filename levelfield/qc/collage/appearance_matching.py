"""Make images look like those of another class, their labels held fixed.

What fixed labels are in truth cannot change when their image is blurred or noisy: what the evidence
then reads differently is its error by appearance. Only what takes something away can be matched:
smaller, less sharp, noisier. Texture cannot.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from levelfield.arrays import Image, Labels
from levelfield.images.smoothing import gaussian
from levelfield.labels.labelwise import median_diameter
from levelfield.labels.objects import renumber
from levelfield.qc.evidence.features import field_features

SIZE_TOLERANCE, SHARPNESS_TOLERANCE, CONTRAST_TOLERANCE = 0.04, 1.08, 1.15
"""Differences (of size as a logarithm, else as a factor) that are not worth a change."""
_LARGEST_BLUR = 0.25  # diameters
_ROUNDS = 5


@dataclass(frozen=True)
class Appearance:
    """How the objects of a class look: medians over them.

    ``area_px``; ``sharpness``: gradient at the edge times diameter over the median intensity;
    ``contrast``: intensity over the noise of the background.
    """

    area_px: float
    sharpness: float
    contrast: float


@dataclass(frozen=True)
class Change:
    """What makes one class look like another: a zoom, a blur, and noise.

    ``factor`` of length; ``blur_px``, after zooming; ``noise``, the standard deviation that is
    added.
    """

    factor: float = 1.0
    blur_px: float = 0.0
    noise: float = 0.0

    @property
    def is_none(self) -> bool:
        """Whether it leaves images as they are."""
        return self == Change()

    def of(self, image: Image, labels: Labels, random: np.random.Generator) -> tuple[Image, Labels]:
        """Change a plane (Y, X) and its labels (Y, X)."""
        if self.factor != 1.0:
            # As much blur as keeps what is too fine for the new pixels out of them.
            smooth = max(0.0, 0.4 / self.factor - 0.4)
            image = ndimage.zoom(ndimage.gaussian_filter(image, smooth), self.factor, order=1)
            labels = renumber(ndimage.zoom(labels, self.factor, order=0))
        if self.blur_px > 0:
            image = gaussian(image, self.blur_px)
        if self.noise > 0:
            image = image + random.normal(0, self.noise, image.shape).astype(np.float32)
        return image, labels


def appearance_of(image: Image, labels: Labels) -> Appearance:
    """Measure how the objects of a plane (Y, X) look; NaN without any."""
    objects = field_features(labels, image).objects
    names = ("area_px", "edge_sharpness", "contrast_to_noise")
    return Appearance(*(float(objects[name].median()) for name in names))


def matching_change(
    image: Image, labels: Labels, target: Appearance, random: np.random.Generator
) -> Change:
    """Find the change that makes a field look like another class, as far as it takes away.

    Size first, then sharpness, by bisection, then noise. An object that is larger, sharper or
    less noisy in the other class stays as it is in that respect.
    """
    own = appearance_of(image, labels)
    change = Change()
    factor = float(np.sqrt(target.area_px / own.area_px))
    if factor < 1 and abs(np.log(factor)) > SIZE_TOLERANCE:
        change = replace(change, factor=factor)
        own = appearance_of(*change.of(image, labels, random))
    if own.sharpness > SHARPNESS_TOLERANCE * target.sharpness:
        change = replace(change, blur_px=_blur(image, labels, target, change, random))
        own = appearance_of(*change.of(image, labels, random))
    if own.contrast > CONTRAST_TOLERANCE * target.contrast:
        changed, inside = change.of(image, labels, random)
        signal = float(np.median(changed[inside > 0]) - np.median(changed[inside == 0]))
        missing = (signal / target.contrast) ** 2 - (signal / own.contrast) ** 2
        change = replace(change, noise=float(np.sqrt(max(missing, 0.0))))
    return change


def _blur(
    image: Image, labels: Labels, target: Appearance, change: Change, random: np.random.Generator
) -> float:
    low, high = 0.0, _LARGEST_BLUR * change.factor * median_diameter(labels)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        seen = appearance_of(*replace(change, blur_px=middle).of(image, labels, random))
        low, high = (middle, high) if seen.sharpness > target.sharpness else (low, middle)
    return (low + high) / 2
