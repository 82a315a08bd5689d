"""Training samples: crops of annotated images, augmented; the n-th sample is always the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from levelfield.arrays import Floats, Image, Integers, Labels
from levelfield.images.normalisation import normalise
from levelfield.labels.labelwise import median_diameter
from levelfield.training.augmentation import disturb, empty_image, vary_intensity

_SCALES = (0.4, 2.5)
_DIAMETERS = (6.0, 100.0)  # px of the median object after scaling
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
    partly_known = (labels < 0).any()
    focus = np.flatnonzero(labels >= 0 if partly_known else labels > 0)
    labels = labels.astype(np.int32)
    return TrainingImage(name, group, normalise(image), labels, median_diameter(labels), focus)


def sampling_weights(images: Sequence[TrainingImage]) -> Floats:
    """Return how often each image is drawn: rare sizes of objects and rare groups more often.

    The weight falls with the square root of the number of images of the same group, and with that
    of images whose objects are as large (half an octave). It grows with the side of the image.
    """
    groups = np.unique([image.group for image in images], return_inverse=True)[1]
    diameters = np.array([image.diameter for image in images])
    sizes = np.round(2 * np.log2(np.where(diameters > 0, diameters, 16))).astype(int)
    sizes -= sizes.min()
    number = np.bincount(groups)[groups] * np.bincount(sizes)[sizes].astype(float)
    weights = np.sqrt([image.image.size for image in images] / number)
    return weights / weights.sum()


def draw_crop(
    images: Sequence[TrainingImage], weights: Floats, side: int, seed: int, number: int
) -> tuple[Image, Labels]:
    """Draw, crop and augment a sample: an image and labels, -1 where unknown, (side, side) each.

    The side in px is even; images are drawn by `sampling_weights`. The same seed and number always
    give the same sample, whoever draws it and when. Targets are made from it afterwards: turned or
    stretched ones would not be those of the turned or stretched objects.
    """
    rng = np.random.default_rng((seed, number))
    if rng.random() < _EMPTY_SHARE:
        return empty_image(side, rng), np.zeros((side, side), np.int32)
    chosen = images[rng.choice(len(images), p=weights)]
    scale = _draw_scale(chosen, side, rng)
    image, labels = _crop(chosen, scale, side, rng)
    image, labels = disturb(image, labels, chosen.diameter * scale, rng)
    return vary_intensity(image, rng), labels


def _crop(
    chosen: TrainingImage, scale: float, side: int, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Scale, turn and flip; where the crop leaves the image, its labels are unknown."""
    size = np.array(chosen.image.shape)
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
