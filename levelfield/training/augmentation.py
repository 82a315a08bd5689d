"""What differs between screens, made up: focus, texture, shapes, debris, exposure, noise."""

import numpy as np
from scipy import ndimage

from levelfield.arrays import AnyFloats, Image, Labels

# How often a sample gets each; widths and lengths are in typical diameters of its objects.
_LOBED, _TEXTURED, _HAZY, _DEFOCUSED, _LITTERED, _FRAGMENTED = 0.15, 0.25, 0.15, 0.2, 0.15, 0.15
_SMALLEST_FRAGMENT = 4.0  # px


def disturb(
    image: Image, labels: Labels, diameter: float, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Give the objects of a sample the looks that other screens have.

    Lobed outlines, texture, micronuclei (labelled as objects of their own), light of objects in
    other planes, a wrong focus, specks and fibres. What is not labelled stays background, and -1
    unknown. The typical diameter (px) is nan if there are no objects.
    """
    if not diameter > 0:
        return image, labels
    if rng.random() < _LOBED:
        image, labels = _bend(image, labels, diameter, rng)
    if rng.random() < _TEXTURED:
        texture = blur(rng.normal(0, 1, image.shape), rng.uniform(0.03, 0.15) * diameter)
        image = image * (1 + rng.uniform(0.05, 0.35) * texture / texture.std())
    if rng.random() < _FRAGMENTED:
        for _ in range(rng.integers(1, 4)):
            image, labels = _add_micronucleus(image, labels, diameter, rng)
    if rng.random() < _HAZY:
        other = blur(image[::-1, ::-1], rng.uniform(0.15, 0.5) * diameter)
        image = image + rng.uniform(0.1, 0.5) * other
    if rng.random() < _DEFOCUSED:
        image = blur(image, rng.uniform(0.02, 0.12) * diameter)
    if rng.random() < _LITTERED:
        image = _add_debris(image, diameter, rng)
    return image.astype(np.float32), labels


def blur(image: AnyFloats, sigma: float) -> AnyFloats:
    """Smooth by a Gaussian, if it is wide by three means over squares that are as wide."""
    if sigma < 3:
        return ndimage.gaussian_filter(image, sigma)
    for _ in range(3):
        image = ndimage.uniform_filter(image, round(np.sqrt(4 * sigma**2 + 1)))
    return image


def _bend(
    image: Image, labels: Labels, diameter: float, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Shift pixels to and fro by about a tenth of a diameter."""
    spacing = max(rng.uniform(0.35, 0.6) * diameter, 4.0)
    grid = rng.normal(0, 0.2 * spacing, (2, *(int(n / spacing) + 4 for n in image.shape)))
    places = np.indices(image.shape, np.float32)
    shifts = [ndimage.map_coordinates(part, 1 + places / spacing, order=3) for part in grid]
    places += np.stack(shifts)
    bent = ndimage.map_coordinates(image, places, order=1, mode="reflect")
    return bent, ndimage.map_coordinates(labels, places, order=0, mode="constant", cval=-1)


def _add_micronucleus(
    image: Image, labels: Labels, diameter: float, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Put a small round object beside another, unless there is no room for it."""
    inside = np.flatnonzero(labels > 0)
    width = rng.uniform(0.1, 0.3) * diameter
    if not len(inside) or width < _SMALLEST_FRAGMENT:
        return image, labels
    owner = np.unravel_index(inside[rng.integers(len(inside))], labels.shape)
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.0) * diameter
    centre = owner[0] + away * np.sin(angle), owner[1] + away * np.cos(angle)
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    radii = np.hypot(y - centre[0], (x - centre[1]) * rng.uniform(0.7, 1.4)) / (width / 2)
    spot = radii < 1
    if not spot.any() or (labels[spot] != 0).any():
        return image, labels
    height = rng.uniform(0.4, 1.1) * image[owner]
    image = np.maximum(image, height * np.clip(1.5 - radii, 0, 1))
    return image, np.where(spot, labels.max() + 1, labels).astype(np.int32)


def _add_debris(image: Image, diameter: float, rng: np.random.Generator) -> Image:
    """Add specks that are much smaller than objects, and sometimes a fibre."""
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    for _ in range(rng.integers(1, 5)):
        centre, sigma = rng.uniform(0, image.shape), max(rng.uniform(0.02, 0.06) * diameter, 0.5)
        squared = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / sigma**2
        image = image + rng.uniform(0.2, 1.5) * np.exp(-squared / 2)
    if rng.random() < 0.3:
        angle, centre = rng.uniform(0, np.pi), rng.uniform(0, image.shape)
        across = (y - centre[0]) * np.cos(angle) + (x - centre[1]) * np.sin(angle)
        width = rng.uniform(0.02, 0.06) * diameter + 0.5
        image = image + rng.uniform(0.1, 0.6) * np.exp(-((across / width) ** 2) / 2)
    return image


def empty_image(side: int, rng: np.random.Generator) -> Image:
    """Return noise (side, side) on a background that may be uneven."""
    noise = rng.normal(0, 1, (side, side))
    noise = ndimage.gaussian_filter(noise, rng.uniform(0, 1.5))
    image = 0.2 + noise * rng.uniform(0.02, 0.12) / noise.std()
    return np.clip(image + _gradient(side, rng) * 0.3, 0, None).astype(np.float32)


def vary_intensity(image: AnyFloats, rng: np.random.Generator) -> Image:
    """Vary what differs between microscopes, stains and phenotypes."""
    side = len(image)
    if rng.random() < 0.3:
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.5))
    if rng.random() < 0.15:
        texture = ndimage.gaussian_filter(rng.normal(0, 1, image.shape), rng.uniform(0.7, 3))
        image = image * (1 + rng.uniform(0, 0.35) * texture / texture.std())
    if rng.random() < 0.7:
        image = np.clip(image, 0, None) ** np.exp(rng.uniform(-0.6, 0.6))
    if rng.random() < 0.3:
        image = image * (1 + rng.uniform(0, 0.6) * _gradient(side, rng))
    image = image * np.exp(rng.uniform(-0.6, 0.4)) + rng.uniform(-0.1, 0.15)
    if rng.random() < 0.6:
        image = image + rng.normal(0, rng.uniform(0, 0.12), image.shape)
    return image.astype(np.float32)


def _gradient(side: int, rng: np.random.Generator) -> Image:
    """Return a slope (side, side) in a random direction, from -0.5 to 0.5."""
    angle, steps = rng.uniform(0, 2 * np.pi), np.linspace(-0.5, 0.5, side)
    return (np.sin(angle) * steps[:, None] + np.cos(angle) * steps).astype(np.float32)
