"""Enlarge maps by linear interpolation."""

import numpy as np
from numba import njit

from levelfield.arrays import AnyArray, AnyFloats, Floats, Image, Integers


def enlarged(coarse: AnyFloats, shape: tuple[int, int], step: tuple[float, float]) -> Image:
    """Interpolate a coarse image, values at the middles of its pixels, on a finer grid.

    `step` is coarse pixels per pixel of the result, along y and x.
    """
    y, x = (
        np.clip((np.arange(length) + 0.5) * each - 0.5, 0, given - 1)
        for length, each, given in zip(shape, step, coarse.shape, strict=True)
    )
    left = np.minimum(x.astype(np.int64), max(coarse.shape[1] - 2, 0))
    between = np.empty(coarse.shape[1])
    result = np.empty(shape, np.float32)
    _interpolate(np.ascontiguousarray(coarse), y, left, x - left, between, result)
    return result


# numba: one row at a time, instead of four images in double precision
@njit(cache=True)
def _interpolate(
    coarse: AnyArray, y: Floats, left: Integers, across: Floats, between: Floats, result: Image
) -> None:
    height, width = coarse.shape
    for row in range(y.size):
        top = min(int(y[row]), max(height - 2, 0))
        bottom = min(top + 1, height - 1)
        down = y[row] - top
        for column in range(width):
            between[column] = coarse[top, column] * (1 - down) + coarse[bottom, column] * down
        for column in range(left.size):
            part, at = across[column], left[column]
            right = min(at + 1, width - 1)
            result[row, column] = between[at] * (1 - part) + between[right] * part


def resized(image: Image, shape: tuple[int, int]) -> Image:
    """Bring an image to another shape by linear interpolation."""
    return enlarged(image, shape, (image.shape[0] / shape[0], image.shape[1] / shape[1]))
