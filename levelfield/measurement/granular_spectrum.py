"""The granular spectrum of an image: what is left after ever larger openings by reconstruction.

The part of CellProfiler's MeasureGranularity that concerns the image alone, so that it is computed
once for all object sets: subsample, subtract an opening as background, then erode step by step and
reconstruct under the image (Serra 1989; Vincent 1993, IEEE Trans. Image Process. 2:176).
"""

import numpy as np
import skimage.morphology
from numba import njit
from numpy.typing import NDArray

from levelfield.measurement.arrays import Flags, Floats, Integers

LinearWeights = tuple[Integers, Floats, Flags]


def granular_spectrum(
    plane: NDArray[np.float32],
    length: int,
    subsampling: float,
    background_subsampling: float,
    background_radius: int,
) -> Floats:
    """Return the (N, length) reconstructions of one channel, N pixels of the subsampled image.

    Parameters
    ----------
    plane : (Y, X) float32
        Intensities of one channel.
    length : int
        Number of erosions by one pixel.
    subsampling, background_subsampling : float
        Sampling of the image, and of the background relative to it (1 = every pixel).
    background_radius : int
        Radius of the disc that opens the background, in px of its own sampling.
    """
    shape = subsampled_shape(plane.shape, subsampling)
    small = plane.astype(float)
    if subsampling < 1:
        small = _resample(small, [np.arange(size) / subsampling for size in shape])
    small = small - _background(small, background_subsampling, background_radius)
    return _openings(np.maximum(small, 0), length)


def subsampled_shape(shape: tuple[int, int], subsampling: float) -> tuple[int, int]:
    """Return the size of the subsampled image."""
    rows, columns = (int(size * subsampling) for size in shape)
    return rows, columns


def linear_weights(places: Floats, size: int) -> LinearWeights:
    """Return the sample before each place, the weight of the one after it, and whether it counts.

    Places beyond the last sample, even by rounding, count as 0, as in scipy's
    ``map_coordinates``, which CellProfiler uses.
    """
    before = np.clip(np.floor(places).astype(np.int64), 0, size - 1)
    return before, places - before, (places >= 0) & (places <= size - 1)


def spread_places(count: int, size: float) -> Floats:
    """Return where `count` pixels lie on `size` samples when both span the same image."""
    return np.arange(count) * (float(size - 1) / float(count - 1))


def _resample(image: Floats, places: list[Floats]) -> Floats:
    """Interpolate linearly at the rows and columns given."""
    for axis, along in enumerate(places):
        before, weight, inside = linear_weights(along, image.shape[axis])
        after = np.minimum(before + 1, image.shape[axis] - 1)
        form = (-1, 1) if axis == 0 else (1, -1)
        low, high = ((1 - weight) * inside).reshape(form), (weight * inside).reshape(form)
        image = image.take(before, axis) * low + image.take(after, axis) * high
    return image


def _background(image: Floats, subsampling: float, radius: int) -> Floats:
    """Return the opening of the image by a disc, computed on a coarser grid."""
    disc = skimage.morphology.disk(radius, dtype=bool)
    coarse = image
    sizes = [size * subsampling for size in image.shape]
    if subsampling < 1:
        coarse = _resample(image, [np.arange(np.ceil(size)) / subsampling for size in sizes])
    eroded = skimage.morphology.erosion(coarse, disc)
    opened = skimage.morphology.dilation(eroded, disc)
    if subsampling < 1:
        counts = zip(image.shape, sizes, strict=True)
        opened = _resample(opened, [spread_places(count, size) for count, size in counts])
    return opened


@njit(cache=True)
def _openings(image: Floats, length: int) -> Floats:
    rows, columns = image.shape
    result = np.empty((rows * columns, length))
    eroded = image.copy()
    mask = image
    for step in range(length):
        eroded = _erode(eroded)
        # The last reconstruction bounds this one as tightly as the image would: it lies below the
        # image and above all that can be reached from a smaller marker.
        mask = _reconstruct(eroded.copy(), mask)
        result[:, step] = mask.ravel()
    return result


@njit(cache=True)
def _erode(image: Floats) -> Floats:
    """Return the minimum over each pixel and its four neighbours."""
    rows, columns = image.shape
    eroded = np.empty_like(image)
    for row in range(rows):
        for column in range(columns):
            low = image[row, column]
            if row > 0:
                low = min(low, image[row - 1, column])
            if row < rows - 1:
                low = min(low, image[row + 1, column])
            if column > 0:
                low = min(low, image[row, column - 1])
            if column < columns - 1:
                low = min(low, image[row, column + 1])
            eroded[row, column] = low
    return eroded


@njit(cache=True)
def _reconstruct(marker: Floats, mask: Floats) -> Floats:
    """Grow the marker under the mask, in place: two sweeps, then a queue (Vincent 1993)."""
    rows, columns = mask.shape
    for row in range(rows):
        for column in range(columns):
            high = marker[row, column]
            if row > 0:
                high = max(high, marker[row - 1, column])
            if column > 0:
                high = max(high, marker[row, column - 1])
            marker[row, column] = min(high, mask[row, column])
    queue = [(0, 0)]
    queue.clear()
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            high = marker[row, column]
            if row < rows - 1:
                high = max(high, marker[row + 1, column])
            if column < columns - 1:
                high = max(high, marker[row, column + 1])
            high = min(high, mask[row, column])
            marker[row, column] = high
            if (row < rows - 1 and _can_grow(marker, mask, row + 1, column, high)) or (
                column < columns - 1 and _can_grow(marker, mask, row, column + 1, high)
            ):
                queue.append((row, column))
    while queue:
        row, column = queue.pop()
        for down, across in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            y, x = row + down, column + across
            if 0 <= y < rows and 0 <= x < columns:
                high = marker[row, column]
                if _can_grow(marker, mask, y, x, high):
                    marker[y, x] = min(high, mask[y, x])
                    queue.append((y, x))
    return marker


@njit(cache=True)
def _can_grow(marker: Floats, mask: Floats, row: int, column: int, value: float) -> bool:
    return marker[row, column] < value and marker[row, column] < mask[row, column]
