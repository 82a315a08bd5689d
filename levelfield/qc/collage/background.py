"""The background of a field with its objects taken out: how bright it is, and its noise."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from levelfield.arrays import Image, Mask, Plane
from levelfield.images.smoothing import gaussian

_REACHES = (0.35, 0.2, 0.1, 0.0)
"""How far from objects background begins, in diameters: farther where there is enough of it."""
_ENOUGH = 0.05
"""Share of a field that must be left as background."""
_ROUNDS = 60  # of copying noise; what is still empty then has none


class Emptied(NamedTuple):
    """A field (C, Y, X) without its objects: smooth background, and the noise upon it."""

    smooth: Image
    noise: Image


def empty_field(image: Image, occupied: Mask, diameter: float, random_seed: int = 0) -> Emptied:
    """Take the objects out of a field.

    The background under them is interpolated from around them, and its noise copied from elsewhere
    in the field in patches, so that its texture stays. Where the field is empty, the sum of both
    is the image itself.

    Parameters
    ----------
    image : (C, Y, X) float32
    occupied : (Y, X) bool
        All that stands out of the background.
    diameter : float
        Of a typical object, px.
    """
    keep = _background(occupied, diameter)
    weight = gaussian(keep.astype(np.float32), diameter)
    smooth = np.stack([_interpolated(plane, keep, weight, diameter) for plane in image])
    noise = _copied(np.where(keep, image - smooth, np.float32(0)), keep, random_seed)
    return Emptied(smooth, noise)


def _background(occupied: Mask, diameter: float) -> Mask:
    for reach in _REACHES:
        keep = ~ndimage.binary_dilation(occupied, iterations=max(1, round(reach * diameter)))
        if keep.mean() > _ENOUGH:
            break
    return np.asarray(keep)


def _interpolated(plane: Plane, keep: Mask, weight: Plane, diameter: float) -> Plane:
    level = np.float32(np.median(plane[keep]) if keep.any() else plane.min())
    total = gaussian(np.where(keep, plane - level, np.float32(0)), diameter)
    # The level takes over where no background is near.
    return np.asarray(level + total / (weight + np.float32(0.02)), np.float32)


def _copied(noise: Image, known: Mask, random_seed: int) -> Image:
    """Fill what is not known with pieces of the field that are, mirrored and moved at random."""
    random, filled, noise = np.random.default_rng(random_seed), known.copy(), noise.copy()
    for _ in range(_ROUNDS):
        if filled.all() or not known.any():
            break
        shift = tuple(int(random.integers(0, length)) for length in known.shape)
        flip = tuple(slice(None, None, int(random.choice([-1, 1]))) for _ in known.shape)
        new = np.roll(known[flip], shift, (0, 1)) & ~filled
        noise[:, new] = np.roll(noise[:, *flip], shift, (1, 2))[:, new]
        filled |= new
    return noise
