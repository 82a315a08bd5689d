"""Images and labels at several sizes, as viewers want them."""

import numpy as np
from numba import njit

from levelfield.arrays import AnyArray

_SMALLEST_LEVEL = 128  # px; a smaller level shows nothing more in a viewer
_MOST_LEVELS = 3  # every further one costs three files or folders a field, and object set


def image_pyramid(image: AnyArray) -> list[AnyArray]:
    """Return an image (C, Y, X) of uint8 or uint16 and its halvings by area mean."""
    levels = [image]
    while _may_be_halved(levels):
        channels, height, width = levels[-1].shape
        half = np.empty((channels, height // 2, width // 2), image.dtype)
        _halve(np.ascontiguousarray(levels[-1]), half)
        levels.append(half)
    return levels


def label_pyramid(labels: AnyArray) -> list[AnyArray]:
    """Return labels (Y, X) and their halvings by every second pixel."""
    levels = [labels]
    while _may_be_halved(levels):
        rows, columns = (size // 2 * 2 for size in levels[-1].shape)
        levels.append(np.ascontiguousarray(levels[-1][:rows:2, :columns:2]))
    return levels


def _may_be_halved(levels: list[AnyArray]) -> bool:
    return len(levels) < _MOST_LEVELS and min(levels[-1].shape[-2:]) >= 2 * _SMALLEST_LEVEL


# numba: one pass, where the mean of a view in blocks takes as long as compressing the image twice
@njit(cache=True)
def _halve(image: AnyArray, half: AnyArray) -> None:
    channels, height, width = half.shape
    for channel in range(channels):
        for row in range(height):
            upper, lower = image[channel, 2 * row], image[channel, 2 * row + 1]
            for column in range(width):
                left, right = 2 * column, 2 * column + 1
                total = np.uint32(upper[left]) + upper[right] + lower[left] + lower[right]
                # A quarter of it, and a half goes to the even number, as numpy rounds.
                half[channel, row, column] = (total + 1 + ((total >> 2) & 1)) >> 2
