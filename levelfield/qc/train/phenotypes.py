"""Phenotypes: images transformed together with their reference, as a treatment changes cells.

They come in families of changes that are alike: what is tested on a family was trained without it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

from levelfield.arrays import AnyFloats, Floats, Image, Labels, Mask
from levelfield.labels.boundaries import inner_distance
from levelfield.labels.labelwise import areas, median_diameter
from levelfield.labels.objects import renumber

Changed = tuple[AnyFloats, Labels]
Change = Callable[[Image, Labels, np.random.Generator], Changed]


def _background(image: Image) -> float:
    return float(np.percentile(image, 10))


def _resized(
    image: Image, labels: Labels, random: np.random.Generator, *, factors: tuple[float, float]
) -> Changed:
    """Zoom an image and its labels alike."""
    smooth = ndimage.gaussian_filter(image, [max(0.0, 0.4 / f - 0.4) for f in factors])
    return ndimage.zoom(smooth, factors, order=1), ndimage.zoom(labels, factors, order=0)


def _dim(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Leave 35 % of the contrast."""
    low = _background(image)
    return low + 0.35 * (image - low), labels


def _saturated(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Brighten until 40 % of the objects' pixels are clipped."""
    low = _background(image)
    high: Any = np.percentile(image[labels > 0], 60)
    return low + (image - low) * (1.0 - low) / max(high - low, 1e-3), labels


def _gradient(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Let the brightness fall to 40 % across the field."""
    low = _background(image)
    slope = np.linspace(1.0, 0.4, image.shape[1], dtype=np.float32)
    return low + (image - low) * slope, labels


def _blurred(image: Image, labels: Labels, random: np.random.Generator, *, share: float) -> Changed:
    """Blur by a share of the diameter."""
    return ndimage.gaussian_filter(image, share * median_diameter(labels)), labels


def _noisy(image: Image, labels: Labels, random: np.random.Generator, *, share: float) -> Changed:
    """Add white noise of a share of the contrast."""
    contrast = float(np.median(image[labels > 0]) - _background(image))
    return image + random.normal(0, share * contrast, image.shape), labels


def _speckled(
    image: Image, labels: Labels, random: np.random.Generator, *, strength: float
) -> Changed:
    """Multiply by a coarse texture."""
    grain = ndimage.gaussian_filter(random.normal(size=image.shape), 1.2)
    low = _background(image)
    return low + (image - low) * np.exp(strength * grain / grain.std()), labels


def _lined(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Draw a dark line through every nucleus."""
    line = np.zeros(image.shape)
    for place, inside, across, _, _ in _axes(labels, random):
        line[place] += inside * np.exp(-0.5 * (across / 1.2) ** 2)
    darker = image - 0.5 * line * (image - _background(image))
    return darker.astype(np.float32), labels


def _ring(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Darken the middle of every nucleus: the stain lies at its rim."""
    depth = inner_distance(labels)
    deepest = np.maximum(ndimage.maximum(depth, labels, np.arange(labels.max() + 1)), 1.0)
    middle = np.clip(depth / deepest[labels], 0, 1) ** 1.5
    return image - 0.6 * (labels > 0) * middle * (image - _background(image)), labels


def _lobed(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Cut a notch into both sides of every nucleus, out of image and reference alike."""
    notch = np.zeros(image.shape)
    for place, inside, across, along, size in _axes(labels, random):
        notch[place] += inside & (np.abs(along) - 0.22 * size - 1.2 * np.abs(across) > 0)
    soft = ndimage.gaussian_filter(notch, 0.8)
    kept = np.where(notch > 0.5, 0, labels).astype(np.int32)
    return image - soft * (image - _background(image)), _largest_pieces(kept)


def _dense(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Add the nuclei of the mirrored field wherever there is room, as in a monolayer."""
    # At most a tenth of a nucleus is hidden behind another; what lies over each other is
    # `_overlaid`.
    over, more = np.fliplr(labels), np.fliplr(image)
    sizes = np.maximum(np.bincount(over.ravel()), 1)
    hidden = np.bincount(over[labels > 0], minlength=len(sizes)) / sizes
    fits = (hidden <= 0.1) & (np.arange(len(sizes)) > 0)
    kept = np.where(fits[over], over, 0)
    # Each comes with its halo, where no other nucleus of either field is.
    reach = expand_labels(kept, 0.25 * median_diameter(labels))
    region = (reach > 0) & ((over == 0) | (kept > 0))
    image = np.where(region, np.maximum(image, more), image)
    return image, np.where((labels == 0) & (kept > 0), kept + labels.max(), labels)


def _overlaid(image: Image, labels: Labels, random: np.random.Generator) -> Changed:
    """Lay two mirrored copies of the field over it; what is hidden of their nuclei is cut off."""
    for flip in (np.fliplr, np.flipud):
        over = flip(labels)
        number = np.where((over > 0) & (labels == 0), over + labels.max(), 0)
        visible = np.bincount(number.ravel(), minlength=number.max() + 1)
        visible[0] = 0
        least = 0.15 * np.median(areas(labels))
        image = np.maximum(image, flip(image))
        labels = labels + np.where(visible[number] > least, number, 0)
    return image, labels


def _axes(
    labels: Labels, random: np.random.Generator
) -> Iterator[tuple[tuple[slice, ...], Mask, Floats, Floats, float]]:
    """Give each object's window, mask, px across and along a random axis, and diameter."""
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is None:
            continue
        y, x = np.indices(tuple(side.stop - side.start for side in place), float)
        inside = labels[place] == number
        y, x = y - y[inside].mean(), x - x[inside].mean()
        angle = random.uniform(0, np.pi)
        across = y * np.cos(angle) + x * np.sin(angle)
        along = -y * np.sin(angle) + x * np.cos(angle)
        yield place, inside, across, along, 2 * np.sqrt(inside.sum() / np.pi)


def _largest_pieces(labels: Labels) -> Labels:
    """Keep the largest piece of every object; pieces that touch at corners alone are apart."""
    kept = np.zeros_like(labels)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is not None:
            pieces, _ = ndimage.label(labels[place] == number)
            kept[place][pieces == 1 + int(np.argmax(areas(pieces)))] = number
    return kept


PHENOTYPES: dict[str, Change] = {
    "smaller": partial(_resized, factors=(0.7, 0.7)),
    "elongated": partial(_resized, factors=(1.3, 0.8)),
    "dim": _dim,
    "saturated": _saturated,
    "gradient": _gradient,
    "blurred": partial(_blurred, share=0.09),
    "noisy": partial(_noisy, share=0.15),
    "speckled": partial(_speckled, strength=0.25),
    "strongly_speckled": partial(_speckled, strength=0.7),
    "lined": _lined,
    "ring": _ring,
    "lobed": _lobed,
    "dense": _dense,
}
FAMILIES: dict[str, tuple[str, ...]] = {
    "size": ("smaller", "elongated"),
    "brightness": ("dim", "saturated", "gradient"),
    "focus": ("blurred",),
    "noise": ("noisy",),
    "texture": ("speckled", "strongly_speckled"),
    "structure": ("lined", "ring", "lobed"),
    "density": ("dense",),
}
FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}
EXTREME = ("strongly_speckled",)
"""Reported apart: there even people disagree about what is one object."""
DEGRADED: dict[str, Change] = {
    "blur 0.15": partial(_blurred, share=0.15),
    "blur 0.25": partial(_blurred, share=0.25),
    "noise 0.3": partial(_noisy, share=0.3),
    "noise 0.5": partial(_noisy, share=0.5),
    "crowd 3": _overlaid,
}
"""Changes that take an image outside of what the evidence is calibrated on."""


def with_change(name: str, image: Image, labels: Labels, seed: int) -> tuple[Image, Labels]:
    """Transform an image (0-1) and its reference, and read it out with 8 bits as a camera would.

    The change is one of `PHENOTYPES` or `DEGRADED`, or "none"; the seed is that of what is random
    in it.
    """
    if name == "none":
        return image, labels
    change = (PHENOTYPES | DEGRADED)[name]
    changed, labels = change(image, labels, np.random.default_rng(seed))
    digital = np.round(np.clip(changed, 0, 1) * 255) / 255
    return digital.astype(np.float32), renumber(labels.astype(np.int32))
