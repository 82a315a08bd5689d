"""Sums, percentiles and maxima over the pixels of every label, each in one pass over the image."""

from collections.abc import Sequence

import numpy as np
from numba import njit

from levelfield.arrays import AnyArray, AnyFloats, AnyLabels, Floats, Integers, Labels


def areas(labels: AnyLabels) -> Integers:
    """Area in px of the objects 1..max (n,); 0 where a number is absent."""
    sizes = np.zeros(int(labels.max(initial=0)), np.int64)
    _count(_flat(labels), sizes)
    return sizes


def _flat(labels: AnyLabels) -> Labels:
    """Return the pixels side by side, writeable: the kernels are compiled for one type."""
    return np.require(labels, np.int32, ["C", "W"]).ravel()


# numba: numpy's bincount converts every label image to int64 before
@njit(cache=True)
def _count(labels: Labels, sizes: Integers) -> None:
    for pixel in range(labels.size):
        if labels[pixel] > 0:
            sizes[labels[pixel] - 1] += 1


def median_diameter(labels: AnyLabels) -> float:
    """Median diameter in px of the circles that have the objects' areas; NaN without objects."""
    known = areas(labels)
    known = known[known > 0]
    return float(2 * np.sqrt(np.median(known) / np.pi)) if known.size else float("nan")


def sums_per_label(labels: Labels, image: AnyArray, count: int, power: int = 1) -> Floats:
    """Sum the image, or its square (power 2), within labels 1 to count: (n,) float64."""
    sums = np.zeros(count)
    _sum(_flat(labels), _values(image), power == 2, sums)
    return sums


def _values(image: AnyArray) -> AnyFloats:
    dtype = image.dtype if image.dtype.kind == "f" else np.float32
    return np.require(image, dtype, ["C", "W"]).ravel()


@njit(cache=True)
def _sum(labels: Labels, values: AnyFloats, squared: bool, sums: Floats) -> None:
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0:
            value = np.float64(values[pixel])
            sums[label - 1] += value * value if squared else value


def largest_per_label(labels: Labels, image: AnyArray, count: int) -> Floats:
    """Largest value within labels 1 to count, at least 0: (n,) float64."""
    largest = np.zeros(count)
    _find_largest(_flat(labels), _values(image), largest)
    return largest


@njit(cache=True)
def _find_largest(labels: Labels, values: AnyFloats, largest: Floats) -> None:
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0 and values[pixel] > largest[label - 1]:
            largest[label - 1] = values[pixel]


def percentiles_per_label(
    labels: Labels, image: AnyArray, percentiles: Sequence[float], count: int
) -> Floats:
    """Percentiles (p, count), nearest rank, of the image within labels; NaN for a missing one."""
    groups = _flat(labels) - np.int32(1)
    return percentiles_per_group(image.ravel(), groups, count, percentiles)


def percentiles_per_group(
    values: AnyArray, group: AnyLabels, count: int, percentiles: Sequence[float]
) -> Floats:
    """Percentiles (p, count), nearest rank, of groups from 0; NaN for an empty one."""
    groups = _flat(group)
    sizes = np.bincount(groups[groups >= 0], minlength=count)
    starts = np.cumsum(sizes) - sizes
    gathered = np.empty(sizes.sum())
    _gather(groups, values.astype(float), starts.copy(), gathered)
    for start, size in zip(starts, sizes, strict=True):
        gathered[start : start + size].sort()
    result = np.full((len(percentiles), count), np.nan)
    some = sizes > 0
    for row, percentile in zip(result, percentiles, strict=True):
        ranks = starts + np.round((sizes - 1) * percentile / 100).astype(np.int64)
        row[some] = gathered[ranks[some]]
    return result


# numba: a counting sort by group; sorting by group and value together takes ten times as long
@njit(cache=True)
def _gather(groups: Labels, values: Floats, at: Integers, gathered: Floats) -> None:
    """Put the values of each group side by side; negative groups are left out."""
    for index in range(groups.size):
        group = groups[index]
        if group >= 0:
            gathered[at[group]] = values[index]
            at[group] += 1


def coordinate_sums(labels: Labels) -> Floats:
    """Sum 1, y, x, yy, xx and xy over the pixels of every label: (n, 6), additive over unions."""
    sums = np.zeros((int(labels.max(initial=0)), 6))
    _add_coordinates(_flat(labels), labels.shape[1], sums)
    return sums


@njit(cache=True)
def _add_coordinates(labels: Labels, width: int, sums: Floats) -> None:
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0:
            y, x = pixel // width, pixel % width
            sums[label - 1, 0] += 1
            sums[label - 1, 1] += y
            sums[label - 1, 2] += x
            sums[label - 1, 3] += y * y
            sums[label - 1, 4] += x * x
            sums[label - 1, 5] += x * y


def axis_lengths(sums: Floats) -> tuple[Floats, Floats]:
    """Major and minor axis in px of the ellipses of the same moments, from `coordinate_sums`.

    Pixels count as squares, not as points, so that a single pixel has axes too. Rows of sums (n, 6)
    may be added for unions.
    """
    number, y, x, yy, xx, xy = np.maximum(sums[:, :1], 1).T[0], *sums[:, 1:].T
    variance_y = yy / number - (y / number) ** 2 + 1 / 12
    variance_x = xx / number - (x / number) ** 2 + 1 / 12
    covariance = xy / number - x * y / number**2
    middle = (variance_y + variance_x) / 2
    spread = np.hypot((variance_y - variance_x) / 2, covariance)
    return 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 1 / 12))
