"""Measure an image tile by tile, and level what differs between its parts."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import ndimage

from levelfield.arrays import Floats, Image
from levelfield.config.parameters import require_number


def tile(
    image: Image, *, size: int = 128, low: float = 5, high: float = 99.9, minimum_range: float = 0.1
) -> Image:
    """Bring all parts of each channel to one scale: dim corners, uneven background or staining.

    In every tile two percentiles are measured, which become 0 and 1. Between the centres of the
    tiles they change linearly, so no seams appear, and as every pixel stays where it is, so does
    the size.

    Parameters
    ----------
    size : int, optional
        Approximate side of the tiles in px; wide enough for several objects and background.
    low, high : float, optional
        Percentiles, 0-100. Darker pixels become 0; brighter ones are not clipped.
    minimum_range : float, optional
        A tile whose two percentiles are nearer than this part of those of the whole image is
        stretched no further; otherwise the noise of empty tiles would become objects.
    """
    require_number("size", size, 8)
    require_number("low", low, 0, 100)
    require_number("high", high, low=low, high=100)
    require_number("minimum_range", minimum_range, 0, 1)
    result = np.empty(image.shape, np.float32)
    for plane, out in zip(image, result, strict=True):
        _, whole = _bottom_and_range(plane, low, high)
        levels = measure_tiles(plane, size, lambda part: _bottom_and_range(part, low, high))
        bottom = interpolate_tiles(levels[..., 0], plane.shape)
        ranges = np.maximum(levels[..., 1], minimum_range * whole)
        ranges[ranges == 0] = 1
        stretched = (plane - bottom) / interpolate_tiles(ranges, plane.shape)
        out[:] = np.maximum(stretched, 0)
    return result


def _bottom_and_range(part: Image, low: float, high: float) -> tuple[float, float]:
    bottom, top = np.percentile(part, [low, high])
    return float(bottom), float(top - bottom)


def measure_tiles(
    plane: Image, size: float, measure: Callable[[Image], float | tuple[float, ...]]
) -> Floats:
    """Measure each of the equal tiles that a plane (Y, X) divides into, of about `size` px.

    Gives (rows, columns) of what `measure` returns.
    """
    edges = [
        np.linspace(0, length, max(1, round(length / size)) + 1).round().astype(int)
        for length in plane.shape
    ]
    rows, columns = (list(pairwise(edge)) for edge in edges)
    return np.array(
        [
            [measure(plane[top:bottom, left:right]) for left, right in columns]
            for top, bottom in rows
        ],
        np.float64,
    )


def interpolate_tiles(values: Floats, shape: tuple[int, int]) -> Image:
    """Interpolate linearly between the centres of equal tiles, constant beyond the outer ones."""
    factors = [length / tiles for length, tiles in zip(shape, values.shape, strict=True)]
    return ndimage.zoom(values, factors, output=np.float32, order=1, mode="nearest", grid_mode=True)
