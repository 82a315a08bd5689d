"""Training samples: crops of annotated images, augmented; the n-th sample is always the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from levelfield.arrays import AnyFloats, Floats, Image, Integers, Labels
from levelfield.images.normalisation import normalise

_SCALES = (0.5, 2.0)
_DIAMETERS = (8.0, 70.0)  # px of the median object after scaling
_EMPTY_SHARE = 0.02  # samples of nothing but noise


@dataclass(frozen=True)
class TrainingImage:
    """An image and what is known of it.

    Attributes
    ----------
    name, group : str
        `group` is the acquisition; splits go by it.
    image : (Y, X) float32
        Normalised, see `levelfield.images.normalisation.normalise`.
    labels : (Y, X) int32
        0 background, -1 unknown.
    diameter : float
        Median equivalent diameter (px) of its objects; nan without any.
    focus : (n,) int64
        Pixels (flat indices) that most samples are drawn near: those of objects or, where only
        parts of the image are known, all known ones.
    """

    name: str
    group: str
    image: Image
    labels: Labels
    diameter: float
    focus: Integers


def training_image(name: str, group: str, image: Image, labels: Labels) -> TrainingImage:
    """Normalise an image (Y, X) and measure its objects; labels of -1 are unknown."""
    areas = np.bincount(labels[labels > 0])[1:]
    diameters = 2 * np.sqrt(areas[areas > 0] / np.pi)
    median = float(np.median(diameters)) if len(diameters) else float("nan")
    partly_known = (labels < 0).any()
    focus = np.flatnonzero(labels >= 0 if partly_known else labels > 0)
    return TrainingImage(name, group, normalise(image), labels.astype(np.int32), median, focus)


def sampling_weights(images: Sequence[TrainingImage]) -> Floats:
    """Return how often each image is drawn: rare sizes of objects and rare groups more often.

    The weight falls with the square root of the number of images of the same group, and with that
    of images whose objects are as large (half an octave).
    """
    groups = np.unique([image.group for image in images], return_inverse=True)[1]
    diameters = np.array([image.diameter for image in images])
    sizes = np.round(2 * np.log2(np.where(diameters > 0, diameters, 16))).astype(int)
    sizes -= sizes.min()
    weights = 1 / np.sqrt(np.bincount(groups)[groups] * np.bincount(sizes)[sizes].astype(float))
    return weights / weights.sum()


def draw_crop(
    images: Sequence[TrainingImage], weights: Floats, side: int, seed: int, number: int
) -> tuple[Image, Labels]:
    """Draw, crop and augment a sample.

    Targets are made from it afterwards: turned or stretched ones would not be those of the turned
    or stretched objects.

    Parameters
    ----------
    images : sequence of TrainingImage
        What to draw from.
    weights : numpy.ndarray
        Of the images, see `sampling_weights`.
    side : int
        Side of the sample in px, even.
    seed, number : int
        The same two always give the same sample, whoever draws it and when.

    Returns
    -------
    image, labels
        (side, side) each; -1 where nobody has said what is there.
    """
    rng = np.random.default_rng((seed, number))
    if rng.random() < _EMPTY_SHARE:
        return _empty_image(side, rng), np.zeros((side, side), np.int32)
    chosen = images[rng.choice(len(images), p=weights)]
    image, labels = _crop(chosen, side, rng)
    return _vary_intensity(image, rng), labels


def _empty_image(side: int, rng: np.random.Generator) -> Image:
    noise = rng.normal(0, 1, (side, side))
    noise = ndimage.gaussian_filter(noise, rng.uniform(0, 1.5))
    image = 0.2 + noise * rng.uniform(0.02, 0.12) / noise.std()
    return np.clip(image + _gradient(side, rng) * 0.3, 0, None).astype(np.float32)


def _crop(chosen: TrainingImage, side: int, rng: np.random.Generator) -> tuple[Image, Labels]:
    """Scale, turn and flip; where the crop leaves the image, its labels are unknown."""
    size = np.array(chosen.image.shape)
    scale = _draw_scale(chosen, side, rng)
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.4 else rng.integers(4) * np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = np.diag([1.0, rng.choice([-1.0, 1.0])])
    matrix = turn @ flip / scale
    reach = np.abs(matrix) @ np.full(2, side / 2)
    centre = _draw_centre(chosen, reach, rng)
    offset = centre - matrix @ np.full(2, (side - 1) / 2)
    # Only the part of the image that is seen is smoothed and interpolated.
    first = np.clip(np.floor(centre - reach).astype(int) - 4, 0, size)
    last = np.clip(np.ceil(centre + reach).astype(int) + 4, 0, size)
    part = (slice(first[0], last[0]), slice(first[1], last[1]))
    source = chosen.image[part]
    if scale < 0.8:  # or fine detail would turn into noise
        source = ndimage.gaussian_filter(source, 0.4 / scale)
    shape, start = (side, side), offset - first
    image = ndimage.affine_transform(source, matrix, start, shape, order=1, mode="reflect")
    labels = ndimage.affine_transform(
        chosen.labels[part], matrix, start, shape, order=0, mode="constant", cval=-1
    )
    return image, labels


def _draw_scale(chosen: TrainingImage, side: int, rng: np.random.Generator) -> float:
    scale = np.exp(rng.uniform(*np.log(_SCALES)))
    if chosen.diameter > 0:
        smallest, largest = _DIAMETERS
        scale = np.clip(scale, smallest / chosen.diameter, largest / chosen.diameter)
    return float(max(scale, side / min(chosen.image.shape)))


def _draw_centre(chosen: TrainingImage, reach: Floats, rng: np.random.Generator) -> Floats:
    """Mostly near an object, so that sparse images teach as much as full ones."""
    size = np.array(chosen.image.shape)
    centre = rng.uniform(0, size)
    if len(chosen.focus) and rng.random() < 0.7:
        pixel = chosen.focus[rng.integers(len(chosen.focus))]
        pixel = np.unravel_index(pixel, chosen.labels.shape)
        centre = np.array(pixel) + rng.uniform(-0.8, 0.8, 2) * reach
    room = np.maximum(size / 2 - reach, 0)
    return np.clip(centre, size / 2 - room, size / 2 + room)


def _vary_intensity(image: AnyFloats, rng: np.random.Generator) -> Image:
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
    angle = rng.uniform(0, 2 * np.pi)
    steps = np.linspace(-0.5, 0.5, side)
    return (np.sin(angle) * steps[:, None] + np.cos(angle) * steps).astype(np.float32)
