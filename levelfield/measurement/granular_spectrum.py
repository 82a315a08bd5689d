"""The granular spectrum of an image: what is left after ever larger openings by reconstruction.

The part of CellProfiler's MeasureGranularity that concerns the image alone, so that it is computed
once for all object sets: subsample, subtract an opening as background, then erode step by step and
reconstruct under the image (Serra 1989; Vincent 1993, IEEE Trans. Image Process. 2:176).
"""

import numpy as np
import skimage.morphology
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Image, Integers, Mask

LinearWeights = tuple[Integers, Floats, Mask]


def granular_spectrum(
    plane: Image,
    length: int,
    subsampling: float,
    background_subsampling: float,
    background_radius: int,
) -> Floats:
    """Return the (length, N) reconstructions of one channel, N pixels of the subsampled image.

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
    return np.arange(count, dtype=float) * (float(size - 1) / float(count - 1))


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
    """Erode step by step and reconstruct each step under the image: (length, N)."""
    rows, columns = image.shape
    result = np.empty((length, rows * columns))
    queue = np.empty(4 * image.size, np.int32)
    eroded, mask = image, _framed(image, -np.inf)
    for step in range(length):
        eroded = _erode(_framed(eroded, np.inf))
        marker = _framed(eroded, -np.inf)
        _reconstruct(marker.ravel(), mask.ravel(), rows, columns, queue)
        # The last reconstruction bounds the next as tightly as the image would: it lies below the
        # image and above all that can be reached from a smaller marker.
        mask = marker
        result[step] = mask[1:-1, 1:-1].copy().ravel()
    return result


@njit(cache=True)
def _framed(image: Floats, value: float) -> Floats:
    """Return the image within a frame of one pixel, which saves the tests at its border."""
    framed = np.full((image.shape[0] + 2, image.shape[1] + 2), value)
    framed[1:-1, 1:-1] = image
    return framed


@njit(cache=True)
def _erode(framed: Floats) -> Floats:
    """Return the minimum over each pixel and its four neighbours."""
    rows, columns = framed.shape[0] - 2, framed.shape[1] - 2
    eroded = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            vertical = min(framed[row, column + 1], framed[row + 2, column + 1])
            horizontal = min(framed[row + 1, column], framed[row + 1, column + 2])
            eroded[row, column] = min(framed[row + 1, column + 1], min(vertical, horizontal))
    return eroded


@njit(cache=True)
def _reconstruct(
    marker: Floats, mask: Floats, rows: int, columns: int, queue: NDArray[np.int32]
) -> None:
    """Grow the framed, flat marker under the mask, in place: sweeps down and up, then a queue.

    Every row is swept in both directions, which leaves a fifth of the work to the queue that one
    direction would.
    """
    width = columns + 2
    for row in range(1, rows + 1):
        _sweep_right(marker, mask, row * width + 1, columns, -width)
        _sweep_left(marker, mask, row * width + 1, columns, -width, queue, 0)
    end = 0
    for row in range(rows, 0, -1):
        _sweep_right(marker, mask, row * width + 1, columns, width)
        end = _sweep_left(marker, mask, row * width + 1, columns, width, queue, end)
    begin = 0
    while begin != end:
        i = queue[begin]
        begin = begin + 1 if begin + 1 < queue.size else 0
        for step in (1, -1, width, -width):
            j = i + step
            if marker[j] < marker[i] and marker[j] < mask[j]:
                marker[j] = min(marker[i], mask[j])
                queue[end] = j
                end = end + 1 if end + 1 < queue.size else 0


@njit(cache=True)
def _sweep_right(marker: Floats, mask: Floats, begin: int, columns: int, beside: int) -> None:
    """Grow one row from the left and from the row beside it."""
    high = -np.inf
    for i in range(begin, begin + columns):
        high = min(max(high, marker[i], marker[i + beside]), mask[i])
        marker[i] = high


@njit(cache=True)
def _sweep_left(
    marker: Floats,
    mask: Floats,
    begin: int,
    columns: int,
    beside: int,
    queue: NDArray[np.int32],
    end: int,
) -> int:
    """Grow one row from the right; queue pixels from which a neighbour behind can still grow."""
    high = -np.inf
    for i in range(begin + columns - 1, begin - 1, -1):
        right, behind = high, marker[i + beside]
        high = min(max(right, marker[i], behind), mask[i])
        marker[i] = high
        can_grow = behind < high and behind < mask[i + beside]
        if can_grow or (right < high and right < mask[i + 1]):
            queue[end] = i
            end += 1
    return end
