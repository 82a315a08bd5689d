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
from levelfield.measurement.parameters import Parameters

LinearWeights = tuple[Integers, Floats, Mask]


def granular_spectrum(plane: Image, chosen: Parameters) -> Floats:
    """Return the (length, N) reconstructions of one channel, N pixels of the subsampled image."""
    subsampling = chosen.granularity_subsampling
    shape = subsampled_shape(plane.shape, subsampling)
    small = plane.astype(float)
    if subsampling < 1:
        small = _resample(small, [np.arange(size) / subsampling for size in shape])
    coarser = chosen.granularity_background_subsampling
    small = small - _background(small, coarser, chosen.granularity_background_radius)
    return _openings(np.maximum(small, 0), chosen.granularity_length)


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


def _openings(image: Floats, length: int) -> Floats:
    """Erode step by step and reconstruct each step under the image: (length, N)."""
    result = np.empty((length, image.size))
    queue = np.empty(4 * image.size, np.int32)
    mask = _framed(image, -np.inf)  # the frame saves the tests at the border
    for spectrum in result:
        framed = _framed(image, np.inf)
        image = framed[1:-1, 1:-1]
        for beside in (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]):
            image = np.minimum(image, beside)
        marker = _framed(image, -np.inf)
        _reconstruct(marker.ravel(), mask.ravel(), marker.shape[1], queue)
        # The last reconstruction bounds the next as tightly as the image would: it lies below the
        # image and above all that can be reached from a smaller marker.
        mask = marker
        spectrum[:] = marker[1:-1, 1:-1].ravel()
    return result


def _framed(image: Floats, value: float) -> Floats:
    framed = np.full((image.shape[0] + 2, image.shape[1] + 2), value)
    framed[1:-1, 1:-1] = image
    return framed


@njit(cache=True)
def _reconstruct(marker: Floats, mask: Floats, width: int, queue: NDArray[np.int32]) -> None:
    """Grow the framed, flat marker under the mask, in place: sweeps down and up, then a queue."""
    # Both directions of a row leave the queue a fifth of the work. It begins with the pixels from
    # which a neighbour behind can still grow.
    rows, end = marker.size // width - 2, 0
    for upward in range(2):
        beside = width if upward else -width
        for row in range(1, rows + 1):
            begin = (rows + 1 - row if upward else row) * width + 1
            high = -np.inf
            for i in range(begin, begin + width - 2):
                high = min(max(high, max(marker[i], marker[i + beside])), mask[i])
                marker[i] = high
            high = -np.inf
            for i in range(begin + width - 3, begin - 1, -1):
                right, behind = high, marker[i + beside]
                high = min(max(right, max(marker[i], behind)), mask[i])
                marker[i] = high
                can_grow = behind < high and behind < mask[i + beside]
                if upward and (can_grow or (right < high and right < mask[i + 1])):
                    queue[end] = i
                    end += 1
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
