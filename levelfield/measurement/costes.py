"""Costes' automatic thresholds: the intensities below which two channels no longer correlate.

Costes et al. 2004 (Biophys. J. 86:3993) in the bisecting variant of CellProfiler's
MeasureColocalization ("Faster"), with the undefined cases of cp_measure 0.3.0 (NaN instead of
invented zeros). The candidate threshold of the first channel runs over a grid of intensity steps;
that of the second follows from the orthogonal regression of the two channels.

CellProfiler selects, for every candidate, all pixels below it. Here the pixels of an object are
sorted into buckets once, so that a candidate costs the sums up to a bucket and a few comparisons.
"""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers

_MOST_CANDIDATES = 256

_BUCKETS = 128
_EPSILON = float(np.finfo(np.float64).eps)


def costes_coefficients(first: Floats, second: Floats, starts: Integers, steps: int) -> Floats:
    """Return the (n, 2) Manders coefficients above Costes' thresholds.

    Share of the first (second) channel's intensity above its threshold that lies where both
    channels are above theirs; NaN where no threshold is defined. The thresholds may take `steps`
    values between 0 and 1. Intensities (P,) are grouped by object.
    """
    result = np.full((starts.size - 1, 2), np.nan)
    # Room for the pixels of the largest object by bucket: x, y and bucket; and the number of
    # pixels and the sums of x, y and their products up to each bucket.
    room = np.empty((3, np.diff(starts).max()))
    _coefficients(first, second, starts, steps, room, np.empty((_BUCKETS + 1, 5)), result)
    return result


@njit(cache=True)
def _coefficients(
    first: Floats,
    second: Floats,
    starts: Integers,
    steps: int,
    room: Floats,
    sums: Floats,
    result: Floats,
) -> None:
    for k in range(starts.size - 1):
        x, y = first[starts[k] : starts[k + 1]], second[starts[k] : starts[k + 1]]
        defined, slope, offset = _regression(x, y)
        if defined:
            candidate = _search(x, y, slope, offset, steps, room, sums)
            threshold = (candidate - 1) / steps
            # A threshold counts if the channels below it vary.
            limit = slope * threshold + offset
            if candidate >= 0 and not math.isnan(_covariance(x, y, threshold, limit)):
                result[k, 0], result[k, 1] = _shares(x, y, threshold, limit)


@njit(cache=True)
def _regression(first: Floats, second: Floats) -> tuple[bool, float, float]:
    """Return whether an orthogonal regression is defined, its slope and its offset."""
    # Pixels that are 0 in both channels are left out, as in CellProfiler.
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
    first: Floats,
    second: Floats,
    slope: float,
    offset: float,
    steps: int,
    room: Floats,
    sums: Floats,
) -> float:
    """Bisect for the lowest candidate below which the channels still correlate; -1 without any."""
    # The candidate is 5/6 of the way up the window (1/2 in windows of up to 6 steps), because the
    # correlation is erratic at low thresholds.
    low, per_unit = _fill_buckets(first, second, slope, offset, room, sums)
    left, right = 1.0, float(steps)
    candidate, last, valid = (right - left) // (6 / 5) + left, 0.0, -1.0
    for _ in range(_MOST_CANDIDATES):
        if last == candidate:
            return valid
        last = candidate
        limit = candidate / steps
        bucket = int(min(max((limit - low) * per_unit, 0), _BUCKETS - 1))
        if _correlates(first, second, (limit, slope * limit + offset), bucket, room, sums):
            right, valid = candidate + 1, candidate
        else:
            left = candidate - 1
        candidate = (right - left) // (6 / 5 if right - left > 6 else 2.0) + left
    return valid if last == candidate else -1.0


@njit(cache=True)
def _fill_buckets(
    first: Floats, second: Floats, slope: float, offset: float, room: Floats, sums: Floats
) -> tuple[float, float]:
    """Sort the pixels roughly by the candidate from which on they are below either threshold."""
    # Returned: the lowest such threshold of the first channel, and buckets per unit of intensity.
    # With a falling line no such candidate exists; then all pixels go into the first bucket.
    across = 1 / slope if slope > 0 else 0.0
    low, high = np.inf, -np.inf
    for i in range(first.size):
        room[2, i] = min(first[i], (second[i] - offset) * across)
        low, high = min(low, room[2, i]), max(high, room[2, i])
    width = (high - low) / _BUCKETS
    # A bucket must be far wider than the rounding of the thresholds.
    sortable = slope > 0 and width * min(slope, 1.0) > 1e-9 * (1 + abs(offset))
    per_unit = 1 / width if sortable else 0.0
    for bucket in range(_BUCKETS + 1):
        for part in range(4):
            sums[bucket, part] = 0.0
    for i in range(first.size):
        bucket = min(int((room[2, i] - low) * per_unit), _BUCKETS - 1)
        room[2, i] = bucket
        sums[bucket + 1, 0] += 1
        sums[bucket + 1, 1] += first[i]
        sums[bucket + 1, 2] += second[i]
        sums[bucket + 1, 3] += first[i] * second[i]
    for bucket in range(_BUCKETS):
        for part in range(4):
            sums[bucket + 1, part] += sums[bucket, part]
    for bucket in range(_BUCKETS + 1):
        sums[bucket, 4] = sums[bucket, 0]  # where the next pixel of the bucket goes
    for i in range(first.size):
        bucket = int(room[2, i])
        place = int(sums[bucket, 4])
        room[0, place] = first[i]
        room[1, place] = second[i]
        sums[bucket, 4] += 1
    return low, per_unit


@njit(cache=True)
def _correlates(
    x: Floats, y: Floats, limits: tuple[float, float], bucket: int, room: Floats, sums: Floats
) -> bool:
    """Tell whether the correlation below either limit is defined and not negative."""
    # Only the pixels in the bucket of the limit and in the two beside it, where rounding may have
    # put some, need to be compared; all in lower buckets are below.
    begin, end = max(bucket - 1, 0), min(bucket + 2, _BUCKETS)
    size, x_sum, y_sum, product = sums[begin, 0], sums[begin, 1], sums[begin, 2], sums[begin, 3]
    for i in range(int(size), int(sums[end, 0])):
        if room[0, i] < limits[0] or room[1, i] < limits[1]:
            size += 1
            x_sum += room[0, i]
            y_sum += room[1, i]
            product += room[0, i] * room[1, i]
    if size < 3:
        return False
    expected = x_sum * y_sum / size
    if abs(product - expected) > 1e-9 * abs(expected):
        return product > expected
    return _covariance(x, y, limits[0], limits[1]) >= 0


@njit(cache=True)
def _covariance(first: Floats, second: Floats, x_limit: float, y_limit: float) -> float:
    """Return covariance times the number of pixels below either limit, without cancellation."""
    # NaN where less than three pixels are below, or one of the channels is constant there.
    size, x_mean, y_mean, total = 0, 0.0, 0.0, 0.0
    x_low, x_high, y_low, y_high = np.inf, -np.inf, np.inf, -np.inf
    for i in range(first.size):
        x, y = first[i], second[i]
        if x < x_limit or y < y_limit:
            size += 1
            x_mean += x
            y_mean += y
            x_low, x_high = min(x_low, x), max(x_high, x)
            y_low, y_high = min(y_low, y), max(y_high, y)
    if size < 3 or x_low == x_high or y_low == y_high:
        return math.nan
    x_mean /= size
    y_mean /= size
    for i in range(first.size):
        if first[i] < x_limit or second[i] < y_limit:
            total += (first[i] - x_mean) * (second[i] - y_mean)
    return total


@njit(cache=True)
def _shares(first: Floats, second: Floats, x_limit: float, y_limit: float) -> tuple[float, float]:
    """Return the share of each channel's intensity above its limit where both are above."""
    x_total, y_total, x_both, y_both = 0.0, 0.0, 0.0, 0.0
    for i in range(first.size):
        if first[i] >= x_limit:
            x_total += first[i]
        if second[i] >= y_limit:
            y_total += second[i]
        if first[i] > x_limit and second[i] > y_limit:
            x_both += first[i]
            y_both += second[i]
    if x_total <= 0 or y_total <= 0:
        return np.nan, np.nan
    return x_both / x_total, y_both / y_total
