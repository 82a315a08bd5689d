"""Grow seeds over a mask, from the heights of a surface down: a seeded watershed."""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.arrays import Labels, Mask, Plane

_LEVELS = 256  # heights are told apart by 1/256 of their range


def flood(seeds: Labels, mask: Mask, surface: Plane) -> Labels:
    """Grow seeds over a mask, from the heights of a surface down.

    Parts of the mask without any seed become objects of their own: what is too small for a seed is
    still there. All are (Y, X); pixels touch along their sides.
    """
    labels = np.where(mask, seeds, 0).astype(np.int32, copy=False)
    n_seeds = int(labels.max(initial=0))
    if n_seeds:
        levels = np.zeros(labels.size, np.uint8)
        _find_levels(surface.ravel(), mask.ravel(), levels)
        ends = np.full((2, _LEVELS), -1, np.int32)
        _grow(labels, mask, levels, ends, np.full(labels.size, -1, np.int32))
    left = mask & (labels == 0)
    if left.any():
        parts, _ = ndimage.label(left)
        labels[left] = parts[left] + n_seeds
    return labels


# Compiled: scikit-image's watershed keeps a heap of pixels; a queue for each level takes less
# than half of its time.
@njit(cache=True, nogil=True)
def _grow(
    labels: Labels, mask: Mask, level_of: NDArray[np.uint8], ends: Labels, following: Labels
) -> None:
    """Grow seeds by their queues: the first and last pixel of each level, and what follows each."""
    height, width = labels.shape
    flat, allowed = labels.ravel(), mask.ravel()
    first, last = ends[0], ends[1]
    highest = 0
    for pixel in range(flat.size):
        if flat[pixel] > 0 and _beside_free(flat, allowed, pixel, height, width):
            _append(first, last, following, level_of[pixel], pixel)
            highest = max(highest, level_of[pixel])
    while highest >= 0:
        pixel = first[highest]
        if pixel < 0:
            highest -= 1
            continue
        first[highest] = following[pixel]
        row, column = pixel // width, pixel % width
        for y, x in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)):
            beside = y * width + x
            if not (0 <= y < height and 0 <= x < width) or not allowed[beside] or flat[beside] > 0:
                continue
            flat[beside] = flat[pixel]
            _append(first, last, following, level_of[beside], beside)
            highest = max(highest, level_of[beside])


@njit(cache=True, nogil=True)
def _find_levels(heights: Plane, allowed: Mask, levels: NDArray[np.uint8]) -> None:
    low, high = np.inf, -np.inf
    for pixel in range(heights.size):
        if allowed[pixel]:
            low, high = min(low, heights[pixel]), max(high, heights[pixel])
    scale = (_LEVELS - 1) / max(high - low, 1e-9)
    for pixel in range(heights.size):
        if allowed[pixel]:
            levels[pixel] = int((heights[pixel] - low) * scale)


@njit(cache=True, nogil=True)
def _beside_free(flat: Labels, allowed: Mask, pixel: int, height: int, width: int) -> bool:
    row, column = pixel // width, pixel % width
    for y, x in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)):
        beside = y * width + x
        if 0 <= y < height and 0 <= x < width and allowed[beside] and flat[beside] == 0:
            return True
    return False


@njit(cache=True, nogil=True)
def _append(first: Labels, last: Labels, following: Labels, level: int, pixel: int) -> None:
    if first[level] < 0:
        first[level] = pixel
    else:
        following[last[level]] = pixel
    last[level] = pixel
