"""The background of a field: how bright it is, and how strong and how fine its noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.qc.evidence.labelwise import typical_diameter
from levelfield.qc.evidence.resampling import enlarged

_FEWEST_BACKGROUND = 50  # px
_NO_NOISE = 1e-12  # variance of what is clipped


def local_background(
    labels: NDArray[np.int32], image: NDArray[np.float32], diameter: float
) -> NDArray[np.float32]:
    """Smooth background image from pixels well away from objects (Y, X) float32.

    Means over blocks of half a diameter are blurred by 1.5 diameters; where no background is near,
    the field's median background takes over, and without any background its 5th percentile.
    """
    block = max(2, int(diameter / 2))
    size = 2 * max(1, int(diameter / 4)) + 1
    away = ndimage.maximum_filter((labels > 0).view(np.uint8), size) == 0
    if away.sum() < 50:
        away = labels == 0
    if away.sum() < 50:
        return np.full(image.shape, np.percentile(image, 5), np.float32)
    overall = float(np.median(image[away]))
    total = _block_sums(np.where(away, image - overall, 0), block)
    number = _block_sums(away.astype(np.float64), block)
    sigma = 1.5 * diameter / block
    total = ndimage.gaussian_filter(total, sigma, truncate=3)
    number = ndimage.gaussian_filter(number, sigma, truncate=3)
    coarse = total / (number + 1e-3 * block**2)
    return enlarged(overall + coarse, image.shape, (1 / block, 1 / block))


def _block_sums(image: NDArray, block: int) -> NDArray:
    rows = np.arange(0, image.shape[0], block)
    columns = np.arange(0, image.shape[1], block)
    return np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1)


def background_noise(labels: NDArray, image: NDArray) -> float:
    """Return the robust standard deviation of background pixels; 0 where they are clipped."""
    background = image[labels == 0]
    if background.size == 0:
        return 0.0
    return float(1.4826 * np.median(np.abs(background - np.median(background))))


def background_grain(labels: NDArray[np.int32], image: NDArray[np.float32]) -> tuple[float, float]:
    """Say how fine the noise of the background is: what blurs an image smooths its noise too.

    Returns
    -------
    correlation : float
        Of neighbouring pixels along x, slow changes removed; about 0 for a camera's noise.
    fineness : float
        Logarithm of how much stronger the noise is below 1 px than from 1 to 2 px.
        Where the background is clipped, or there is none, both are those of white noise.

    Notes
    -----
    Away from objects, since halos are no noise. Whether a camera's own noise is white was not
    assumed: the limits are learned (`levelfield.qc.evidence.calibration`).
    """
    reach = 2 * int(typical_diameter(labels) / 4) + 3
    away = ndimage.maximum_filter((labels > 0).view(np.uint8), reach) == 0
    fine, coarse = (_smooth_within(image, away, sigma) for sigma in (1.0, 2.0))
    rest = (image - coarse).astype(float)
    pairs = away[:, 1:] & away[:, :-1]
    own, next_one = rest[:, :-1][pairs], rest[:, 1:][pairs]
    if own.size < _FEWEST_BACKGROUND or own.var() < _NO_NOISE:
        return 0.0, 1.0
    below, above = (image - fine)[away].astype(float), (fine - coarse)[away].astype(float)
    ratio = (below.var() + _NO_NOISE) / (above.var() + _NO_NOISE)
    return float((own * next_one).mean() / (own**2).mean()), float(0.5 * np.log(ratio))


def _smooth_within(
    image: NDArray[np.float32], mask: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Smooth with what is inside the mask only: bright objects beside it must not leak in."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(mask, image, 0), sigma) / np.maximum(weight, 1e-3)
