"""The background of a field: how bright it is, and how strong and how fine its noise."""

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import AnyArray, AnyFloats, Image, Labels, Mask
from levelfield.images.resampling import enlarged
from levelfield.images.smoothing import gaussian
from levelfield.labels.labelwise import median_diameter

_FEWEST_BACKGROUND = 50  # px
_NO_NOISE = 1e-12  # variance of what is clipped


def local_background(labels: Labels, image: Image, diameter: float) -> Image:
    """Smooth background image from pixels well away from objects (Y, X) float32.

    Means over blocks of half a diameter are blurred by 1.5 diameters; where no background is near,
    the field's median background takes over, and without any background its 5th percentile.
    """
    block = max(2, int(diameter / 2))
    size = 2 * max(1, int(diameter / 4)) + 1
    away = ndimage.maximum_filter((labels > 0).view(np.uint8), size) == 0
    if away.sum() < _FEWEST_BACKGROUND:
        away = labels == 0
    if away.sum() < _FEWEST_BACKGROUND:
        return np.full(image.shape, np.percentile(image, 5), np.float32)
    overall = float(np.median(image[away]))
    total = _block_sums(np.where(away, image - overall, 0), block)
    number = _block_sums(away.astype(np.float64), block)
    sigma = 1.5 * diameter / block
    total = ndimage.gaussian_filter(total, sigma, truncate=3)
    number = ndimage.gaussian_filter(number, sigma, truncate=3)
    coarse = total / (number + 1e-3 * block**2)
    return enlarged(overall + coarse, image.shape, (1 / block, 1 / block))


def _block_sums(image: Image, block: int) -> AnyArray:
    rows = np.arange(0, image.shape[0], block)
    columns = np.arange(0, image.shape[1], block)
    return np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1)


def background_noise(labels: Labels, image: Image) -> float:
    """Return the robust standard deviation of background pixels; 0 where they are clipped."""
    background = image[labels == 0]
    if background.size == 0:
        return 0.0
    return float(1.4826 * np.median(np.abs(background - np.median(background))))


def background_grain(labels: Labels, image: Image) -> tuple[float, float]:
    """Say how fine the noise of the background is: what blurs an image smooths its noise too.

    Gives the correlation of neighbouring pixels along x, slow changes removed (about 0 for a
    camera's noise), and the logarithm of how much stronger the noise is below 1 px than from 1 to
    2 px. Where the background is clipped, or there is none, both are those of white noise. It is
    looked at away from objects, since halos are no noise. Whether a camera's own noise is white was
    not assumed: the limits are learned (`levelfield.qc.evidence.calibration`).
    """
    reach = 2 * int(median_diameter(labels) / 4) + 3
    away = ndimage.maximum_filter((labels > 0).view(np.uint8), reach) == 0
    fine, coarse = (_smooth_within(image, away, sigma) for sigma in (1.0, 2.0))
    pairs, product, square, variance, below, above = _spreads(image, fine, coarse, away)
    if pairs < _FEWEST_BACKGROUND or variance < _NO_NOISE:
        return 0.0, 1.0
    ratio = (below + _NO_NOISE) / (above + _NO_NOISE)
    return product / square, float(0.5 * np.log(ratio))


# numba: one pass, where arrays would select the background seven times
@njit(cache=True)
def _spreads(
    image: Image, fine: Image, coarse: Image, away: Mask
) -> tuple[int, float, float, float, float, float]:
    """Describe what is finer than two smoothed images, in the background."""
    # Neighbours: their number, and the mean product, mean square and variance of what is finer than
    # `coarse`. All pixels: the variance below `fine`, and between the two.
    pairs, pixels = 0, 0
    product, own_sum, own_square = 0.0, 0.0, 0.0
    below_sum, below_square, above_sum, above_square = 0.0, 0.0, 0.0, 0.0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if not away[y, x]:
                continue
            below = np.float64(image[y, x] - fine[y, x])
            above = np.float64(fine[y, x] - coarse[y, x])
            pixels += 1
            below_sum += below
            below_square += below * below
            above_sum += above
            above_square += above * above
            if x + 1 < image.shape[1] and away[y, x + 1]:
                own = np.float64(image[y, x] - coarse[y, x])
                pairs += 1
                product += own * np.float64(image[y, x + 1] - coarse[y, x + 1])
                own_sum += own
                own_square += own * own
    if pairs == 0:
        return 0, 0.0, 1.0, 0.0, 0.0, 0.0
    return (
        pairs,
        product / pairs,
        own_square / pairs,
        own_square / pairs - (own_sum / pairs) ** 2,
        below_square / pixels - (below_sum / pixels) ** 2,
        above_square / pixels - (above_sum / pixels) ** 2,
    )


def _smooth_within(image: Image, mask: Mask, sigma: float) -> AnyFloats:
    """Smooth with what is inside the mask only: bright objects beside it must not leak in."""
    weight = gaussian(mask.astype(np.float32), sigma)
    return gaussian(np.where(mask, image, 0), sigma) / np.maximum(weight, np.float32(1e-3))
