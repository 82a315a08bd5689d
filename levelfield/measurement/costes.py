"""Costes' automatic thresholds: the intensities below which two channels no longer correlate.

Costes et al. 2004 (Biophys. J. 86:3993) in the bisecting variant of CellProfiler's
MeasureColocalization ("Faster"), with the undefined cases of cp_measure 0.3.0 (NaN instead of
invented zeros). The candidate threshold of the first channel runs over a grid of intensity steps;
that of the second follows from the orthogonal regression of the two channels.

CellProfiler selects, for every candidate, all pixels below it. Here the pixels of an object are
sorted into buckets once, so that a candidate costs the sums up to a bucket and a few comparisons.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers

_MOST_CANDIDATES = 256

_BUCKETS = 128
_EPSILON = float(np.finfo(np.float64).eps)


class _Work(NamedTuple):
    """Room for the pixels of the largest object, sorted into buckets, and sums up to each."""

    x: Floats
    y: Floats
    turns: Floats
    starts: Integers
    sums: Floats


class _Sums(NamedTuple):
    """Number of pixels and sums of their intensities and of the products."""

    size: int
    x: float
    y: float
    product: float


@njit(cache=True)
def costes_coefficients(values: Floats, starts: Integers, pairs: Integers, steps: int) -> Floats:
    """Return the Manders coefficients above Costes' thresholds.

    Parameters
    ----------
    values : (C, P) float64
        Intensities of the object pixels, grouped by object.
    pairs : (Q, 2) int64
        Channel indices of each pair.
    steps : int
        Number of intensity steps between 0 and 1 that the thresholds may take.

    Returns
    -------
    (n, Q, 2) float64
        Share of the first (second) channel's intensity above its threshold that lies where both
        channels are above theirs. NaN where no threshold is defined.
    """
    count = starts.size - 1
    result = np.full((count, pairs.shape[0], 2), np.nan)
    largest = np.max(np.diff(starts))
    work = _Work(
        np.empty(largest),
        np.empty(largest),
        np.empty(largest),
        np.empty(_BUCKETS + 1, np.int64),
        np.empty((_BUCKETS + 1, 3)),
    )
    for k in range(count):
        for pair in range(pairs.shape[0]):
            first = values[pairs[pair, 0], starts[k] : starts[k + 1]]
            second = values[pairs[pair, 1], starts[k] : starts[k + 1]]
            defined, slope, offset = _regression(first, second)
            if not defined:
                continue
            found, candidate = _search(first, second, slope, offset, steps, work)
            if found:
                limits = _limits(candidate - 1, slope, offset, steps)
                result[k, pair] = _shares(first, second, limits)
    return result


@njit(cache=True)
def _regression(first: Floats, second: Floats) -> tuple[bool, float, float]:
    """Return whether an orthogonal regression is defined, its slope and its offset.

    Pixels that are 0 in both channels are left out, as in CellProfiler.
    """
    size, x_mean, y_mean = 0, 0.0, 0.0
    for i in range(first.size):
        x, y = first[i], second[i]
        if x > 0 or y > 0:
            size += 1
            x_mean += x
            y_mean += y
    if size < 3:
        return False, 0.0, 0.0
    x_mean /= size
    y_mean /= size
    x_variance, y_variance, covariance, anchor_x, anchor_y = 0.0, 0.0, 0.0, np.nan, np.nan
    x_varies, y_varies = False, False
    for i in range(first.size):
        x, y = first[i], second[i]
        if x > 0 or y > 0:
            u, v = x - x_mean, y - y_mean
            x_variance += u * u
            y_variance += v * v
            covariance += u * v
            if math.isnan(anchor_x):
                anchor_x, anchor_y = x, y
            x_varies |= x != anchor_x
            y_varies |= y != anchor_y
    x_variance /= size - 1
    y_variance /= size - 1
    covariance /= size - 1
    rounding = 8 * _EPSILON * max(x_variance, y_variance)
    if not (x_varies and y_varies) or abs(covariance) <= rounding:
        return False, 0.0, 0.0
    difference = y_variance - x_variance
    slope = (difference + math.sqrt(difference**2 + 4 * covariance**2)) / (2 * covariance)
    return True, slope, y_mean - slope * x_mean


@njit(cache=True)
def _search(
    first: Floats, second: Floats, slope: float, offset: float, steps: int, work: _Work
) -> tuple[bool, float]:
    """Bisect for the lowest candidate below which the channels still correlate.

    The candidate is 5/6 of the way up the window (1/2 in windows of up to 6 steps), because the
    correlation is erratic at low thresholds.
    """
    low, per_unit = _fill_buckets(first, second, slope, offset, work)
    left, right = 1.0, float(steps)
    candidate, last, valid = (right - left) // (6 / 5) + left, 0.0, -1.0
    for _ in range(_MOST_CANDIDATES):
        if last == candidate:
            break
        last = candidate
        limits = _limits(candidate, slope, offset, steps)
        bucket = int(min(max((limits[0] - low) * per_unit, 0), _BUCKETS - 1))
        if _correlates(first, second, limits, _sums_below(limits, bucket, work)):
            right, valid = candidate + 1, candidate
        else:
            left = candidate - 1
        candidate = (right - left) // (6 / 5 if right - left > 6 else 2.0) + left
    found = last == candidate and valid >= 0
    return found and _is_defined(first, second, _limits(valid - 1, slope, offset, steps)), valid


@njit(cache=True)
def _limits(candidate: float, slope: float, offset: float, steps: int) -> tuple[float, float]:
    threshold = candidate / steps
    return threshold, slope * threshold + offset


@njit(cache=True)
def _fill_buckets(
    first: Floats, second: Floats, slope: float, offset: float, work: _Work
) -> tuple[float, float]:
    """Sort the pixels roughly by the candidate from which on they are below either threshold.

    With a falling line no such candidate exists; then all pixels go into the first bucket.

    Returns
    -------
    Lowest such threshold of the first channel, and buckets per unit of intensity.
    """
    turns = work.turns[: first.size]
    across = 1 / slope if slope > 0 else 0.0
    for i in range(first.size):
        turns[i] = min(first[i], (second[i] - offset) * across)
    low = turns.min()
    width = (turns.max() - low) / _BUCKETS
    # A bucket must be far wider than the rounding of the thresholds.
    sortable = slope > 0 and width * min(slope, 1.0) > 1e-9 * (1 + abs(offset))
    per_unit = 1 / width if sortable else 0.0
    work.starts[:] = 0
    work.sums[:] = 0.0
    for i in range(first.size):
        bucket = min(int((turns[i] - low) * per_unit), _BUCKETS - 1)
        work.starts[bucket + 1] += 1
        turns[i] = bucket
        sums = work.sums[bucket + 1]
        sums[0] += first[i]
        sums[1] += second[i]
        sums[2] += first[i] * second[i]
    for bucket in range(_BUCKETS):
        work.starts[bucket + 1] += work.starts[bucket]
        work.sums[bucket + 1] += work.sums[bucket]
    places = work.starts[:-1].copy()
    for i in range(first.size):
        bucket = int(turns[i])
        work.x[places[bucket]] = first[i]
        work.y[places[bucket]] = second[i]
        places[bucket] += 1
    return low, per_unit


@njit(cache=True)
def _sums_below(limits: tuple[float, float], bucket: int, work: _Work) -> _Sums:
    """Sum over the pixels below either limit.

    Only those in the bucket of the limit and in the two beside it, where rounding may have put
    some, need to be compared; all in lower buckets are below.
    """
    begin, end = max(bucket - 1, 0), min(bucket + 2, _BUCKETS)
    size = work.starts[begin]
    x_sum, y_sum, product_sum = work.sums[begin]
    for i in range(work.starts[begin], work.starts[end]):
        x, y = work.x[i], work.y[i]
        if x < limits[0] or y < limits[1]:
            size += 1
            x_sum += x
            y_sum += y
            product_sum += x * y
    return _Sums(size, x_sum, y_sum, product_sum)


@njit(cache=True)
def _correlates(first: Floats, second: Floats, limits: tuple[float, float], sums: _Sums) -> bool:
    """Tell whether the correlation below the limits is defined and not negative."""
    if sums.size < 3:
        return False
    expected = sums.x * sums.y / sums.size
    if abs(sums.product - expected) > 1e-9 * abs(expected):
        return sums.product > expected
    return _is_defined(first, second, limits) and _covariance(first, second, limits) >= 0


@njit(cache=True)
def _is_defined(first: Floats, second: Floats, limits: tuple[float, float]) -> bool:
    """Tell whether three or more pixels are below either limit and neither channel is constant."""
    size, x_low, x_high, y_low, y_high = 0, np.inf, -np.inf, np.inf, -np.inf
    for i in range(first.size):
        x, y = first[i], second[i]
        if x < limits[0] or y < limits[1]:
            size += 1
            x_low, x_high = min(x_low, x), max(x_high, x)
            y_low, y_high = min(y_low, y), max(y_high, y)
    return size >= 3 and x_low < x_high and y_low < y_high


@njit(cache=True)
def _covariance(first: Floats, second: Floats, limits: tuple[float, float]) -> float:
    """Return the covariance below the limits, times the number of pixels, without cancellation."""
    below = (first < limits[0]) | (second < limits[1])
    x, y = first[below], second[below]
    x_mean, y_mean, total = x.mean(), y.mean(), 0.0
    for i in range(x.size):
        total += (x[i] - x_mean) * (y[i] - y_mean)
    return total


@njit(cache=True)
def _shares(first: Floats, second: Floats, limits: tuple[float, float]) -> tuple[float, float]:
    """Return the share of each channel's intensity above its limit where both are above."""
    first_total, second_total, first_both, second_both = 0.0, 0.0, 0.0, 0.0
    for i in range(first.size):
        if first[i] >= limits[0]:
            first_total += first[i]
        if second[i] >= limits[1]:
            second_total += second[i]
        if first[i] > limits[0] and second[i] > limits[1]:
            first_both += first[i]
            second_both += second[i]
    if first_total <= 0 or second_total <= 0:
        return np.nan, np.nan
    return first_both / first_total, second_both / second_total
