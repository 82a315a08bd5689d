"""Costes' automatic thresholds: the intensities below which two channels no longer correlate.

Costes et al. 2004 (Biophys. J. 86:3993) in the bisecting variant of CellProfiler's
MeasureColocalization ("Faster"), with the undefined cases of cp_measure 0.3.0 (NaN instead of
invented zeros). The candidate threshold of the first channel runs over a grid of intensity steps;
that of the second follows from the orthogonal regression of the two channels.

CellProfiler selects, for every candidate, all pixels below it. Here pixels whose side is decided
for all candidates to come leave the search, so that the cost is a few passes over the object.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from levelfield.measurement.arrays import Floats, Integers

_MOST_CANDIDATES = 256

_EPSILON = float(np.finfo(np.float64).eps)


class _Sums(NamedTuple):
    """Number of pixels and sums of their intensities and of the products."""

    size: float
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
    copies = np.empty((2, values.shape[1]))
    for k in range(count):
        for pair in range(pairs.shape[0]):
            first = values[pairs[pair, 0], starts[k] : starts[k + 1]]
            second = values[pairs[pair, 1], starts[k] : starts[k + 1]]
            defined, slope, offset = _regression(first, second)
            if not defined:
                continue
            found, candidate = _search(first, second, slope, offset, steps, copies)
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
    first: Floats, second: Floats, slope: float, offset: float, steps: int, copies: Floats
) -> tuple[bool, float]:
    """Bisect for the lowest candidate below which the channels still correlate.

    The candidate is 5/6 of the way up the window (1/2 in windows of up to 6 steps), because the
    correlation is erratic at low thresholds.
    """
    x, y = copies[0, : first.size], copies[1, : first.size]
    x[:] = first
    y[:] = second
    x_high, y_high = x.max(), y.max()
    rises = slope > 0  # else one threshold falls as the other rises, and no pixel is ever decided
    decided = _Sums(0.0, 0.0, 0.0, 0.0)  # over the pixels below all candidates to come
    left, right = 1.0, float(steps)
    candidate, last, valid = (right - left) // (6 / 5) + left, 0.0, -1.0
    for _ in range(_MOST_CANDIDATES):
        if last == candidate:
            break
        last = candidate
        limits = _limits(candidate, slope, offset, steps)
        everything_below = rises and (x_high < limits[0] or y_high < limits[1])
        if everything_below:  # as at first: rising thresholds mean that all pixels correlate
            right, valid = candidate + 1, candidate
        else:
            below, sums = _part(x, y, limits, decided)
            if _correlates(first, second, limits, sums):
                right, valid = candidate + 1, candidate
                if rises:
                    x, y = x[:below], y[:below]
            else:
                left = candidate - 1
                if rises:
                    limits = _limits(left, slope, offset, steps)
                    below, decided = _part(x[:below], y[:below], limits, decided)
                    x, y = x[below:], y[below:]
        candidate = (right - left) // (6 / 5 if right - left > 6 else 2.0) + left
    found = last == candidate and valid >= 0
    return found and _is_defined(first, second, _limits(valid - 1, slope, offset, steps)), valid


@njit(cache=True)
def _limits(candidate: float, slope: float, offset: float, steps: int) -> tuple[float, float]:
    threshold = candidate / steps
    return threshold, slope * threshold + offset


@njit(cache=True)
def _part(x: Floats, y: Floats, limits: tuple[float, float], sums: _Sums) -> tuple[int, _Sums]:
    """Move the pixels below either limit to the front, in place, and add them to the sums."""
    below, x_sum, y_sum, product_sum = 0, 0.0, 0.0, 0.0
    for i in range(x.size):
        here, there = x[i], y[i]
        if here < limits[0] or there < limits[1]:
            x_sum += here
            y_sum += there
            product_sum += here * there
            x[i], x[below] = x[below], here
            y[i], y[below] = y[below], there
            below += 1
    total = _Sums(sums.size + below, sums.x + x_sum, sums.y + y_sum, sums.product + product_sum)
    return below, total


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
