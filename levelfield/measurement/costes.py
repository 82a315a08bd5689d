"""Costes' automatic thresholds: the intensities below which two channels no longer correlate.

Costes et al. 2004 (Biophys. J. 86:3993) in the bisecting variant of CellProfiler's
MeasureColocalization ("Faster"), with the undefined cases of cp_measure 0.3.0 (NaN instead of
invented zeros). The candidate threshold of the first channel runs over a grid of intensity steps;
that of the second follows from the orthogonal regression of the two channels.

CellProfiler selects, for every candidate, all pixels below it. Here pixels whose side is decided
for all candidates to come leave the search, so that the cost is a few passes over the object.
"""

import math

import numpy as np
from numba import njit

from levelfield.measurement.arrays import Floats, Integers

_MOST_CANDIDATES = 256

# Of a set of pixels: size, sums of x, y and xy about the object's means, lowest and highest x, y.
_Statistics = tuple[float, float, float, float, float, float, float, float]
_NOTHING = (0.0, 0.0, 0.0, 0.0, np.inf, -np.inf, np.inf, -np.inf)


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
    buffer = np.empty(values.shape[1], np.int64)
    for k in range(count):
        for pair in range(pairs.shape[0]):
            first = values[pairs[pair, 0], starts[k] : starts[k + 1]]
            second = values[pairs[pair, 1], starts[k] : starts[k + 1]]
            defined, slope, offset = _regression(first, second)
            if not defined:
                continue
            found, candidate = _search(first, second, slope, offset, steps, buffer)
            if found:
                limits = _limits(candidate - 1, slope, offset, steps)
                result[k, pair] = _shares(first, second, limits)
    return result


@njit(cache=True)
def _regression(first: Floats, second: Floats) -> tuple[bool, float, float]:
    """Return whether an orthogonal regression is defined, its slope and its offset.

    Pixels that are 0 in both channels are left out, as in CellProfiler.
    """
    signal = (first > 0) | (second > 0)
    x, y = first[signal], second[signal]
    if x.size < 3 or x.min() == x.max() or y.min() == y.max():
        return False, 0.0, 0.0
    x_mean, y_mean = x.mean(), y.mean()
    x_variance, y_variance, sum_variance = 0.0, 0.0, 0.0
    for i in range(x.size):
        u, v = x[i] - x_mean, y[i] - y_mean
        x_variance += u * u
        y_variance += v * v
        sum_variance += (u + v) * (u + v)
    x_variance /= x.size - 1
    y_variance /= x.size - 1
    covariance = 0.5 * (sum_variance / (x.size - 1) - (x_variance + y_variance))
    rounding = 8 * np.finfo(np.float64).eps * max(x_variance, y_variance)
    if abs(covariance) <= rounding:
        return False, 0.0, 0.0
    difference = y_variance - x_variance
    slope = (difference + math.sqrt(difference**2 + 4 * covariance**2)) / (2 * covariance)
    return True, slope, y_mean - slope * x_mean


@njit(cache=True)
def _search(
    first: Floats, second: Floats, slope: float, offset: float, steps: int, buffer: Integers
) -> tuple[bool, float]:
    """Bisect for the lowest candidate below which the channels still correlate.

    The candidate is 5/6 of the way up the window (1/2 in windows of up to 6 steps), because the
    correlation is erratic at low thresholds.
    """
    undecided = buffer[: first.size]
    undecided[:] = np.arange(first.size)
    below = _NOTHING
    means = (first.mean(), second.mean())
    rises = slope > 0  # else one threshold falls as the other rises, and no pixel is ever decided
    left, right = 1.0, float(steps)
    candidate, last, valid = (right - left) // (6 / 5) + left, 0.0, -1.0
    for _ in range(_MOST_CANDIDATES):
        if last == candidate:
            break
        last = candidate
        limits = _limits(candidate, slope, offset, steps)
        if _correlates(_add_below(below, first, second, undecided, limits, means)):
            right, valid = candidate + 1, candidate
            if rises:
                undecided = _part(first, second, undecided, limits, True)
        else:
            left = candidate - 1
            limits = _limits(left, slope, offset, steps)
            if rises:
                below = _add_below(below, first, second, undecided, limits, means)
                undecided = _part(first, second, undecided, limits, False)
        candidate = (right - left) // (6 / 5 if right - left > 6 else 2.0) + left
    found = last == candidate and valid >= 0
    if found:
        limits = _limits(valid - 1, slope, offset, steps)
        everywhere = np.arange(first.size)
        found = _is_defined(_add_below(_NOTHING, first, second, everywhere, limits, means))
    return found, valid


@njit(cache=True)
def _limits(candidate: float, slope: float, offset: float, steps: int) -> tuple[float, float]:
    threshold = candidate / steps
    return threshold, slope * threshold + offset


@njit(cache=True)
def _add_below(
    statistics: _Statistics,
    first: Floats,
    second: Floats,
    pixels: Integers,
    limits: tuple[float, float],
    means: tuple[float, float],
) -> _Statistics:
    """Return the statistics with the pixels added that are below either limit."""
    size, x, y, xy, x_low, x_high, y_low, y_high = statistics
    for i in pixels:
        if first[i] < limits[0] or second[i] < limits[1]:
            u, v = first[i] - means[0], second[i] - means[1]
            size += 1
            x += u
            y += v
            xy += u * v
            x_low, x_high = min(x_low, u), max(x_high, u)
            y_low, y_high = min(y_low, v), max(y_high, v)
    return size, x, y, xy, x_low, x_high, y_low, y_high


@njit(cache=True)
def _is_defined(statistics: _Statistics) -> bool:
    """Tell whether a correlation exists: three pixels or more, neither channel constant."""
    size, _, _, _, x_low, x_high, y_low, y_high = statistics
    return size >= 3 and x_low < x_high and y_low < y_high


@njit(cache=True)
def _correlates(statistics: _Statistics) -> bool:
    size, x, y, xy = statistics[:4]
    return _is_defined(statistics) and xy - x * y / size >= 0


@njit(cache=True)
def _part(
    first: Floats, second: Floats, pixels: Integers, limits: tuple[float, float], below: bool
) -> Integers:
    """Keep, in place, the pixels that are (or are not) below either limit."""
    kept = 0
    for i in pixels:
        if (first[i] < limits[0] or second[i] < limits[1]) == below:
            pixels[kept] = i
            kept += 1
    return pixels[:kept]


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
