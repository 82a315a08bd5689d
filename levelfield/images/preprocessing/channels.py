"""Steps that change the number of channels: combine, repeat, unmix."""

from collections.abc import Mapping, Sequence

import numpy as np

from levelfield.arrays import AnyFloats, Floats, Image
from levelfield.config.parameters import require_choice, require_number

# Optical density of each stain in red, green and blue (Ruifrok & Johnston 2001).
KNOWN_STAINS: Mapping[str, tuple[float, float, float]] = {
    "hematoxylin": (0.65, 0.70, 0.29),
    "eosin": (0.07, 0.99, 0.11),
    "dab": (0.27, 0.57, 0.78),
}


def combine_channels(image: Image, *, weights: Sequence[float] | None = None) -> Image:
    """Make one channel of several: colour to grey, or cytoplasm stains together.

    `weights`, a number per channel, are divided by their sum; none: the mean. For the brightness
    that people see in red, green, blue use 0.2125, 0.7154, 0.0721.
    """
    weights = [1.0] * len(image) if weights is None else list(weights)
    if len(weights) != len(image):
        raise ValueError(f"weights has {len(weights)} numbers for {len(image)} channels")
    for weight in weights:
        require_number("weights", weight, 0)
    total = float(np.sum(weights))
    if total == 0:
        raise ValueError("weights are all 0; at least one channel must count")
    return np.tensordot(np.asarray(weights, np.float32) / np.float32(total), image, axes=1)[None]


def repeat_channel(image: Image, *, count: int = 3) -> Image:
    """Make `count` equal channels of one, for methods that expect colour."""
    require_number("count", count, 1)
    if len(image) != 1:
        raise ValueError(f"repeat_channel takes 1 channel but was given {len(image)}")
    return np.repeat(image, int(count), axis=0)


def unmix(
    image: Image,
    *,
    stains: Sequence[str | Sequence[float]] | str = "estimate",
    keep: int | None = None,
    white: float = 1.0,
) -> Image:
    """Separate stains that absorb light in a bright-field colour image.

    Parameters
    ----------
    stains : sequence of str or of sequence of float, or str, optional
        For each stain a name (`hematoxylin`, `eosin`, `dab`) or its optical densities in red, green
        and blue; `estimate` finds two in the image (Macenko 2009).
    keep : int, optional
        Position of the only stain to keep, from 0; none: a channel for each.
    white : float, optional
        Intensity of the empty slide.

    Returns
    -------
    image
        Amount of each stain, bright where there is much.
    """
    if len(image) != 3:
        raise ValueError(f"unmix takes 3 channels (red, green, blue) but was given {len(image)}")
    require_number("white", white, 1e-3)
    # The darkest value that 8 bits can tell from zero.
    density = -np.log(np.clip(image, 1 / 255, None) / white).reshape(3, -1)
    vectors = _estimate_stains(density) if stains == "estimate" else _stain_vectors(stains)
    amounts = np.maximum(np.linalg.pinv(vectors.T) @ density, 0).reshape(-1, *image.shape[1:])
    if keep is None:
        return amounts
    require_number("keep", keep, 0, len(amounts) - 1)
    return amounts[int(keep)][None]


def _stain_vectors(stains: Sequence[str | Sequence[float]] | str) -> Floats:
    if isinstance(stains, str) or not 1 <= len(stains) <= 3:
        raise ValueError(f"stains is {stains!r}; it must be 'estimate' or a list of 1 to 3 stains")
    vectors = []
    for stain in stains:
        if isinstance(stain, str):
            require_choice("stains", stain, KNOWN_STAINS)
            stain = KNOWN_STAINS[stain]
        vector = np.asarray(stain, np.float64)
        if vector.shape != (3,) or not np.linalg.norm(vector) > 0:
            raise ValueError(f"stain {stain!r} must be 3 optical densities, not all 0")
        vectors.append(vector / np.linalg.norm(vector))
    return np.array(vectors)


def _estimate_stains(density: AnyFloats) -> Floats:
    """Two extreme directions of the pixels' optical density in its main plane (Macenko 2009)."""
    stained = density[:, (density > 0.15).all(axis=0)].astype(np.float64)
    if stained.shape[1] < 100:
        raise ValueError(
            f"only {stained.shape[1]} stained pixels: too few to estimate stains; name them instead"
        )
    _, axes = np.linalg.eigh(np.cov(stained))
    plane = axes[:, [2, 1]]
    plane *= np.where(plane[0] < 0, -1, 1)
    angles = np.arctan2(*(plane.T @ stained)[::-1])
    extremes = np.percentile(angles, [1, 99])
    vectors = np.array([plane @ (np.cos(angle), np.sin(angle)) for angle in extremes])
    vectors = np.abs(vectors)
    # Hematoxylin absorbs more red, so the stain with more red comes first.
    vectors = vectors[np.argsort(-vectors[:, 0], kind="stable")]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
