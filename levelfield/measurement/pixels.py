"""Where the pixels of every object are: computed once, shared by all channels and families.

The compiled kernels of this package are kept by numba in ``__pycache__`` beside the modules (or in
the folder named by ``NUMBA_CACHE_DIR``), so that only the first run on a machine compiles. They
fill in arrays that they are given, of one type each: to allocate and to slice is slow to compile.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import AnyLabels, Floats, Integers, Labels, Mask


@dataclass(frozen=True)
class ObjectPixels:
    """The pixels of the objects of one label image, grouped by object.

    ``labels`` (Y, X) are renumbered to 1..n without gaps; ``numbers`` (n,) are the original labels,
    ascending. Object `k` (0-based) owns `positions[starts[k]:starts[k + 1]]`, flat indices (row * X
    + column) in raster order.
    """

    labels: Labels
    numbers: NDArray[np.int32]
    starts: Integers
    positions: Integers

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the image (rows, columns) in px."""
        return self.labels.shape

    @property
    def count(self) -> int:
        """Number of objects."""
        return self.numbers.size

    @cached_property
    def areas(self) -> Integers:
        """Pixels per object."""
        return np.diff(self.starts)

    @cached_property
    def owner(self) -> Integers:
        """(P,) 0-based object of every object pixel."""
        return np.repeat(np.arange(self.count), self.areas)

    @cached_property
    def places(self) -> tuple[Integers, Integers]:
        """Row and column of every object pixel, each (P,)."""
        rows, columns = np.divmod(self.positions, self.shape[1])
        return rows, columns

    @cached_property
    def boxes(self) -> Integers:
        """(n, 4) first row, end row, first column, end column of each object (ends exclusive)."""
        rows, columns = self.places
        first, end = self.starts[:-1], self.starts[1:]
        left, right = np.minimum.reduceat(columns, first), np.maximum.reduceat(columns, first)
        return np.column_stack([rows[first], rows[end - 1] + 1, left, right + 1])


def object_pixels(labels: AnyLabels) -> ObjectPixels:
    """Group the pixels of a label image (Y, X) by object; gaps in the numbering are allowed.

    ValueError if `labels` is not a two-dimensional integer image without negative values.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"A label image must be two-dimensional and integer, but this one has shape "
            f"{labels.shape} and dtype {labels.dtype}. Give one (Y, X) int32 image per object set."
        )
    if labels.size and labels.min() < 0:
        raise ValueError(
            f"The label image holds the negative value {labels.min()}, so its objects cannot be "
            f"numbered. Labels are 0 for background and 1, 2, … for objects."
        )
    numbers, areas = _present_labels(labels)
    starts = np.concatenate([[0], np.cumsum(areas)])
    dense, positions = _renumber(labels, numbers), np.empty(starts[-1], np.int64)
    _place(dense.ravel(), starts[:-1].copy(), positions)
    return ObjectPixels(dense, numbers.astype(np.int32), starts, positions)


def _present_labels(labels: AnyLabels) -> tuple[Integers, Integers]:
    """Return the labels of the objects, ascending, and their areas."""
    if labels.max(initial=0) > labels.size:  # bincount would need memory in proportion to the label
        present, counts = np.unique(labels, return_counts=True)
    else:
        counts = np.bincount(labels.ravel(), minlength=1)
        present = np.flatnonzero(counts)
        counts = counts[present]
    return present[present > 0].astype(np.int64), counts[present > 0]


def _renumber(labels: AnyLabels, numbers: Integers) -> Labels:
    """Return a C-ordered and writeable image, so that the kernels are compiled for one type."""
    if numbers.size == 0 or numbers[-1] == numbers.size:
        dense = labels
    elif numbers[-1] <= labels.size:
        lookup = np.zeros(numbers[-1] + 1, np.int32)
        lookup[numbers] = np.arange(1, numbers.size + 1)
        dense = lookup[labels]
    else:
        dense = np.searchsorted(np.concatenate([[0], numbers]), labels)
    return np.require(dense, np.int32, ["C", "W"])


@njit(cache=True)
def _place(labels: Labels, ends: Integers, positions: Integers) -> None:
    """Put the positions of each object side by side; `ends` moves from its begin to its end."""
    for position in range(labels.size):
        label = labels[position]
        if label > 0:
            positions[ends[label - 1]] = position
            ends[label - 1] += 1


def centres(pixels: ObjectPixels) -> Floats:
    """Return the (n, 2) row and column of the centre of each object, in px."""
    return weighted_centres(np.ones((1, pixels.positions.size)), pixels)[0, :, 1:3]


def weighted_centres(values: Floats, pixels: ObjectPixels) -> Floats:
    """Describe the intensity of each channel and object: (C, n, 5).

    Integrated intensity; row and column of the centre of mass (px; NaN if the sum is 0); row and
    column of the brightest pixel (px; the first in raster order).
    """
    result = np.empty((len(values), pixels.count, 5))
    for plane, out in zip(values, result, strict=True):
        _sum_up(plane, pixels.starts, *pixels.places, out)
    with np.errstate(invalid="ignore"):
        result[:, :, 1:3] /= np.where(result[:, :, :1] != 0, result[:, :, :1], np.nan)
    return result


@njit(cache=True)
def _sum_up(
    values: Floats, starts: Integers, rows: Integers, columns: Integers, out: Floats
) -> None:
    for k in range(starts.size - 1):
        total, row_sum, column_sum = 0.0, 0.0, 0.0
        brightest = starts[k]
        for i in range(starts[k], starts[k + 1]):
            total += values[i]
            row_sum += rows[i] * values[i]
            column_sum += columns[i] * values[i]
            if values[i] > values[brightest]:
                brightest = i
        out[k, 0] = total
        out[k, 1] = row_sum
        out[k, 2] = column_sum
        out[k, 3] = rows[brightest]
        out[k, 4] = columns[brightest]


def first_maxima(values: Floats | Integers, pixels: ObjectPixels) -> Integers:
    """Return where the first of the largest values (P,) of each object is: (n,) places among P."""
    largest = np.maximum.reduceat(values, pixels.starts[:-1])
    found = np.flatnonzero(values == largest[pixels.owner])
    return found[np.searchsorted(found, pixels.starts[:-1])]


def edge_pixels(pixels: ObjectPixels, *, diagonal: bool = False, border: bool = False) -> Mask:
    """Mark the object pixels (P,) with a neighbour of another label: 4 neighbours, or 8 if asked.

    With `border`, what lies beyond the image is another label.
    """
    padded = np.pad(pixels.labels, 1, mode="edge")
    if border:
        padded[[0, -1]] = padded[:, [0, -1]] = -1
    width = padded.shape[1]
    steps = [1, -1, width, -width]
    if diagonal:
        steps += [width - 1, 1 - width, width + 1, -1 - width]
    edge = np.zeros(pixels.positions.size, bool)
    places = pixels.positions + width + 1 + 2 * pixels.places[0]
    _mark_edge(padded.ravel(), places, np.array(steps), edge)
    return edge


@njit(cache=True)
def _mark_edge(labels: Labels, places: Integers, steps: Integers, edge: Mask) -> None:
    for i in range(places.size):
        for step in range(steps.size):
            edge[i] |= labels[places[i] + steps[step]] != labels[places[i]]
