"""Gaussian smoothing of images: scipy's `gaussian_filter`, bit for bit, in half the time.

Rows are summed as a whole, so that the compiler can use vector instructions; scipy goes pixel by
pixel.
"""

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Image, Integers

_TRUNCATE = 4.0  # standard deviations


def gaussian(image: Image, sigma: float) -> Image:
    """Smooth an image (Y, X), mirrored at its border, by `sigma` px."""
    weights = _weights(sigma)
    return _across(_along(np.ascontiguousarray(image), weights, 1.0), weights, 1.0)


def gradient_magnitude(image: Image, sigma: float) -> Image:
    """Magnitude of the gradient of an image (Y, X) that is smoothed by `sigma` px."""
    image = np.ascontiguousarray(image)
    weights = _weights(sigma)
    slopes = -np.arange(len(weights)) / sigma**2 * weights
    down = _across(_along(image, slopes, -1.0), weights, 1.0)
    right = _across(_along(image, weights, 1.0), slopes, -1.0)
    return np.sqrt(down * down + right * right)


def _weights(sigma: float) -> Floats:
    """Weights of the pixels at a distance of 0, 1, 2, ... px."""
    radius = int(_TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 / sigma**2 * np.arange(-radius, radius + 1) ** 2)
    return (weights / weights.sum())[radius:]


def _mirrored(length: int, weights: Floats) -> Integers:
    """Return the pixels of an axis, with those that the weights reach beyond both ends."""
    return np.pad(np.arange(length), len(weights) - 1, mode="symmetric")


def _along(image: Image, weights: Floats, sign: float) -> Image:
    """Weighted sums along y; the weights at negative distances are multiplied by the sign."""
    height, width = image.shape
    result = np.empty((height, width), np.float32)
    _sum_along(image, weights, sign, _mirrored(height, weights), np.empty(width), result)
    return result


def _across(image: Image, weights: Floats, sign: float) -> Image:
    """Weighted sums along x; the weights at negative distances are multiplied by the sign."""
    mirrored = _mirrored(image.shape[1], weights)
    lines = np.empty((2, len(mirrored)))
    result = np.empty(image.shape, np.float32)
    _sum_across(image, weights, sign, mirrored, lines, result)
    return result


# numba: both are given the arrays that they need, since to compile code that makes them takes long
@njit(cache=True)
def _sum_along(
    image: Image, weights: Floats, sign: float, mirrored: Integers, total: Floats, result: Image
) -> None:
    height, width = image.shape
    radius = weights.size - 1
    for y in range(height):
        own = image[y]
        for x in range(width):
            total[x] = np.float64(own[x]) * weights[0]
        for reach in range(weights.size - 1, 0, -1):
            upper = image[mirrored[radius + y - reach]]
            lower = image[mirrored[radius + y + reach]]
            weight = weights[reach]
            for x in range(width):
                total[x] += (np.float64(upper[x]) + sign * np.float64(lower[x])) * weight
        row = result[y]
        for x in range(width):
            row[x] = total[x]


@njit(cache=True)
def _sum_across(
    image: Image, weights: Floats, sign: float, mirrored: Integers, lines: Floats, result: Image
) -> None:
    height, width = image.shape
    radius = weights.size - 1
    line, total = lines[0], lines[1]
    for y in range(height):
        own = image[y]
        for x in range(mirrored.size):
            line[x] = own[mirrored[x]]
        for x in range(width):
            total[x] = line[radius + x] * weights[0]
        for reach in range(radius, 0, -1):
            before = line[radius - reach : radius - reach + width]
            after = line[radius + reach : radius + reach + width]
            weight = weights[reach]
            for x in range(width):
                total[x] += (before[x] + sign * after[x]) * weight
        row = result[y]
        for x in range(width):
            row[x] = total[x]
