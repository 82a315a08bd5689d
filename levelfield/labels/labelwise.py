"""Sums, percentiles and maxima over the pixels of every label, each in one pass over the image."""

from collections.abc import Sequence

import numpy as np
from numba import njit

from levelfield.arrays import AnyArray, AnyLabels, Floats, Integers, Labels


def areas(labels: AnyLabels) -> Integers:
    """Area in px of the objects 1..max (n,); 0 where a number is absent."""
    return _areas(labels.ravel(), int(labels.max(initial=0)))


# numba: numpy's bincount converts every label image to int64 before
@njit(cache=True)
def _areas(labels: AnyLabels, count: int) -> Integers:
    sizes = np.zeros(count, np.int64)
    for label in labels:
        if label > 0:
            sizes[label - 1] += 1
    return sizes


def median_diameter(labels: AnyLabels) -> float:
    """Median diameter in px of the circles that have the objects' areas; NaN without objects."""
    known = areas(labels)
    known = known[known > 0]
    return float(2 * np.sqrt(np.median(known) / np.pi)) if known.size else float("nan")


def sums_per_label(labels: Labels, image: AnyArray, count: int, power: int = 1) -> Floats:
    """Sum the image, or a power of it, within labels 1 to count: (n,) float64."""
    return _sums(labels.ravel(), image.ravel(), count, power)


@njit(cache=True)
def _sums(labels: Labels, values: AnyArray, count: int, power: int) -> Floats:
    sums = np.zeros(count)
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0:
            value = np.float64(values[pixel])
            sums[label - 1] += value * value if power == 2 else value
    return sums


def largest_per_label(labels: Labels, image: AnyArray, count: int) -> Floats:
    """Largest value within labels 1 to count, at least 0: (n,) float64."""
    return _largest(labels.ravel(), image.ravel(), count)


@njit(cache=True)
def _largest(labels: Labels, values: AnyArray, count: int) -> Floats:
    largest = np.zeros(count)
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0 and values[pixel] > largest[label - 1]:
            largest[label - 1] = values[pixel]
    return largest


def percentiles_per_label(
    labels: Labels, image: AnyArray, percentiles: Sequence[float], count: int
) -> Floats:
    """Percentiles (nearest rank) of the image within labels 1 to count; NaN for a missing one.

    Returns
    -------
    (p, n) float64
    """
    values, sizes = _gathered(labels.ravel(), 1, image.ravel(), count)
    return _percentiles(values, sizes, percentiles)


def percentiles_per_group(
    values: AnyArray, group: AnyLabels, count: int, percentiles: Sequence[float]
) -> Floats:
    """Percentiles (nearest rank) of the values of each group 0..count-1; NaN for an empty one.

    Returns
    -------
    (p, count) float64
    """
    gathered, sizes = _gathered(group, 0, values, count)
    return _percentiles(gathered, sizes, percentiles)


def _percentiles(values: Floats, sizes: Integers, percentiles: Sequence[float]) -> Floats:
    starts = np.cumsum(sizes) - sizes
    for start, size in zip(starts, sizes, strict=True):
        values[start : start + size].sort()
    result = np.full((len(percentiles), len(sizes)), np.nan)
    some = sizes > 0
    for row, percentile in zip(result, percentiles, strict=True):
        ranks = starts + np.round((sizes - 1) * percentile / 100).astype(np.int64)
        row[some] = values[ranks[some]]
    return result


# numba: a counting sort by group; sorting by group and value together takes ten times as long
@njit(cache=True)
def _gathered(
    groups: AnyLabels, first: int, values: AnyArray, count: int
) -> tuple[AnyArray, Integers]:
    """Put the values of each group side by side; groups are numbered from ``first``."""
    sizes = np.zeros(count, np.int64)
    for group in groups:
        if group >= first:
            sizes[group - first] += 1
    at = np.cumsum(sizes) - sizes
    gathered = np.empty(sizes.sum(), values.dtype)
    for index in range(groups.size):
        group = groups[index] - first
        if group >= 0:
            gathered[at[group]] = values[index]
            at[group] += 1
    return gathered, sizes


def coordinate_sums(labels: Labels) -> Floats:
    """Sum 1, y, x, yy, xx and xy over the pixels of every label: (n, 6), additive over unions."""
    return _coordinate_sums(labels, int(labels.max(initial=0)))


@njit(cache=True)
def _coordinate_sums(labels: Labels, count: int) -> Floats:
    sums = np.zeros((count, 6))
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                own = sums[label - 1]
                own[0] += 1
                own[1] += y
                own[2] += x
                own[3] += y * y
                own[4] += x * x
                own[5] += x * y
    return sums


def axis_lengths(sums: Floats) -> tuple[Floats, Floats]:
    """Major and minor axis in px of the ellipses with the same second moments.

    Pixels count as squares, not as points, so that a single pixel has axes too.

    Parameters
    ----------
    sums : (n, 6) float64
        From `coordinate_sums`; rows may be added for unions.
    """
    number, y, x, yy, xx, xy = np.maximum(sums[:, :1], 1).T[0], *sums[:, 1:].T
    variance_y = yy / number - (y / number) ** 2 + 1 / 12
    variance_x = xx / number - (x / number) ** 2 + 1 / 12
    covariance = xy / number - x * y / number**2
    middle = (variance_y + variance_x) / 2
    spread = np.hypot((variance_y - variance_x) / 2, covariance)
    return 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 1 / 12))
