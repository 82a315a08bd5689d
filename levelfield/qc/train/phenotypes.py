"""Phenotypes: images transformed together with their reference, as a treatment changes cells.

They come in families of changes that are alike: what is tested on a family was trained without it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

from levelfield.arrays import AnyArray, AnyFloats, Floats, Image, Labels
from levelfield.labels.boundaries import inner_distance
from levelfield.labels.labelwise import median_diameter
from levelfield.labels.objects import renumber

Changed = tuple[AnyFloats, Labels]
Change = Callable[[Image, Labels, np.random.Generator], Changed]


def background_of(image: Image) -> float:
    """Return the 10th percentile."""
    return float(np.percentile(image, 10))


def contrast_of(image: Image, labels: Labels) -> float:
    """Return how far the objects' median lies above the background."""
    return float(np.median(image[labels > 0]) - background_of(image))


def resized(image: Image, labels: Labels, factors: tuple[float, float]) -> tuple[Image, Labels]:
    """Zoom an image and its labels alike."""
    smooth = ndimage.gaussian_filter(image, [max(0.0, 0.4 / f - 0.4) for f in factors])
    return ndimage.zoom(smooth, factors, order=1), ndimage.zoom(labels, factors, order=0)


def smaller(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Shrink everything to 70 %."""
    return resized(image, labels, (0.7, 0.7))


def elongated(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Stretch to 130 % along one axis and shrink to 80 % along the other."""
    return resized(image, labels, (1.3, 0.8))


def dim(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Leave 35 % of the contrast."""
    low = background_of(image)
    return low + 0.35 * (image - low), labels


def saturated(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Brighten until 40 % of the objects' pixels are clipped."""
    low = background_of(image)
    high: Any = np.percentile(image[labels > 0], 60)
    return low + (image - low) * (1.0 - low) / max(high - low, 1e-3), labels


def gradient(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Let the brightness fall to 40 % across the field."""
    low = background_of(image)
    slope = np.linspace(1.0, 0.4, image.shape[1], dtype=np.float32)
    return low + (image - low) * slope, labels


def blurred(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Blur by 9 % of the diameter."""
    return ndimage.gaussian_filter(image, 0.09 * median_diameter(labels)), labels


def noisy(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Add white noise of 15 % of the contrast."""
    return image + rng.normal(0, 0.15 * contrast_of(image, labels), image.shape), labels


def _speckles(image: Image, labels: Labels, rng: np.random.Generator, strength: float) -> Image:
    grain = ndimage.gaussian_filter(rng.normal(size=image.shape), 1.2)
    low = background_of(image)
    return low + (image - low) * np.exp(strength * grain / grain.std())


def speckled(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Multiply by a coarse texture of 25 %."""
    return _speckles(image, labels, rng, 0.25), labels


def strongly_speckled(
    image: Image, labels: Labels, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Multiply by a coarse texture of 70 %."""
    return _speckles(image, labels, rng, 0.7), labels


def lined(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Draw a dark line through every nucleus."""
    return _across(image, labels, rng, lambda away, along, size: np.exp(-0.5 * (away / 1.2) ** 2))


def ring(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Darken the middle of every nucleus: the stain lies at its rim."""
    depth = inner_distance(labels)
    deepest = np.maximum(ndimage.maximum(depth, labels, np.arange(labels.max() + 1)), 1.0)
    middle = np.clip(depth / deepest[labels], 0, 1) ** 1.5
    low = background_of(image)
    return image - 0.6 * (labels > 0) * middle * (image - low), labels


def lobed(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Cut a notch into both sides of every nucleus, out of image and reference alike."""

    def notch(away: Floats, along: Floats, size: float) -> Floats:
        open_at = np.abs(along) - 0.22 * size - 1.2 * np.abs(away)
        return (open_at > 0).astype(float)

    low = background_of(image)
    shape = np.zeros(image.shape)
    for number, place, away, along, size in _axes(labels, rng):
        shape[place] = np.maximum(
            shape[place], notch(away, along, size) * (labels[place] == number)
        )
    soft = ndimage.gaussian_filter(shape, 0.8)
    kept = np.where(shape > 0.5, 0, labels).astype(np.int32)
    return image - soft * (image - low), _largest_pieces(kept)


def dense(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
    """Add the nuclei of the mirrored field wherever there is room: side by side, as in a monolayer.

    At most a tenth of a nucleus is hidden behind another one. What nuclei look like that lie over
    each other is `overlaid`; what is hidden of them nobody could segment.
    """
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


def overlaid(image: Image, labels: Labels, copies: int) -> tuple[Image, Labels]:
    """Lay mirrored copies of the field over it; what is hidden of their nuclei is cut off."""
    for flip in (np.fliplr, np.flipud)[:copies]:
        over = flip(labels)
        number = np.where((over > 0) & (labels == 0), over + labels.max(), 0)
        visible = np.bincount(number.ravel(), minlength=number.max() + 1)
        visible[0] = 0
        least = 0.15 * np.median(np.bincount(labels.ravel())[1:])
        image = np.maximum(image, flip(image))
        labels = labels + np.where(visible[number] > least, number, 0)
    return image, labels


def _axes(
    labels: Labels, rng: np.random.Generator
) -> Iterator[tuple[int, tuple[slice, ...], Floats, Floats, float]]:
    """For every object: its number, window, and coordinates across and along a random axis."""
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is None:
            continue
        y, x = np.indices(tuple(side.stop - side.start for side in place), float)
        inside = labels[place] == number
        y, x = y - y[inside].mean(), x - x[inside].mean()
        angle = rng.uniform(0, np.pi)
        across = y * np.cos(angle) + x * np.sin(angle)
        along = -y * np.sin(angle) + x * np.cos(angle)
        yield number, place, across, along, 2 * np.sqrt(inside.sum() / np.pi)


def _across(
    image: Image, labels: Labels, rng: np.random.Generator, profile: Callable[..., AnyArray]
) -> tuple[Image, Labels]:
    low, result = background_of(image), image.copy()
    for number, place, away, along, size in _axes(labels, rng):
        line = (labels[place] == number) * profile(away, along, size)
        result[place] -= 0.5 * line * (result[place] - low)
    return result, labels


def _largest_pieces(labels: Labels) -> Labels:
    """Keep the largest piece of every object."""
    kept = np.zeros_like(labels)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is not None:
            pieces, _ = ndimage.label(labels[place] == number)
            sizes = np.bincount(pieces.ravel())[1:]
            kept[place][pieces == 1 + int(np.argmax(sizes))] = number
    return kept


PHENOTYPES: dict[str, Change] = {
    "smaller": smaller,
    "elongated": elongated,
    "dim": dim,
    "saturated": saturated,
    "gradient": gradient,
    "blurred": blurred,
    "noisy": noisy,
    "speckled": speckled,
    "strongly_speckled": strongly_speckled,
    "lined": lined,
    "ring": ring,
    "lobed": lobed,
    "dense": dense,
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


def _degraded(name: str, strength: float) -> Change:
    """Return a change that takes an image outside of what the evidence is calibrated on."""

    def blur(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
        return ndimage.gaussian_filter(image, strength * median_diameter(labels)), labels

    def noise(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
        sigma = strength * contrast_of(image, labels)
        return image + rng.normal(0, sigma, image.shape), labels

    def crowd(image: Image, labels: Labels, rng: np.random.Generator) -> Changed:
        return overlaid(image, labels, int(strength) - 1)

    return {"blur": blur, "noise": noise, "crowd": crowd}[name]


DEGRADED: dict[str, Change] = {
    **{f"blur {strength}": _degraded("blur", strength) for strength in (0.15, 0.25)},
    **{f"noise {strength}": _degraded("noise", strength) for strength in (0.3, 0.5)},
    "crowd 3": _degraded("crowd", 3),
}


def with_change(name: str, image: Image, labels: Labels, seed: int) -> tuple[Image, Labels]:
    """Transform an image and its reference, and read it out with 8 bits as a camera would.

    Parameters
    ----------
    name : str
        Of `PHENOTYPES` or `DEGRADED`, or "none".
    image : (Y, X) float32
        Intensity 0-1.
    labels : (Y, X) int32
        Its reference.
    seed : int
        Of what is random in the change.
    """
    if name == "none":
        return image, labels
    change = (PHENOTYPES | DEGRADED)[name]
    changed, labels = change(image, labels, np.random.default_rng(seed))
    digital = np.round(np.clip(changed, 0, 1) * 255) / 255
    return digital.astype(np.float32), renumber(labels.astype(np.int32))
