"""Correlation: how two channels go together within every object.

Definitions of CellProfiler's MeasureColocalization. Overlap, K, Manders and rank-weighted
coefficients use the pixels that reach a percentage (15 by default) of the object's maximum in both
channels.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Integers
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.costes import costes_coefficients
from levelfield.measurement.features import Column, features
from levelfield.measurement.parameters import Parameters

FEATURES = features(
    "Correlation",
    """
    Correlation_{first}_{second} | 1 | Pearson's correlation; NaN if a channel is constant.
    Slope_{first}_{second} | 1 | Slope of the least-squares line that predicts the second channel
        from the first.
    Overlap_{first}_{second} | 1 | Sum of products over the root of the product of the sums of
        squares. | Manders et al. 1993, J. Microsc. 169:375
    K_{first}_{second} | 1 | Sum of products over the sum of squares of the first channel. | Manders
        et al. 1993, J. Microsc. 169:375
    Manders_{first}_{second} | 1 | Share of the first channel's intensity above its threshold that
        lies where both channels are above theirs. | Manders et al. 1993, J. Microsc. 169:375
    RWC_{first}_{second} | 1 | That share with each pixel weighted by how similar its ranks in the
        two channels are. | Singan et al. 2011, BMC Bioinformatics 12:407
    Costes_{first}_{second} | 1 | Manders' share with the thresholds of Costes; NaN where they are
        not defined. | Costes et al. 2004, Biophys. J. 86:3993
    """,
)
_SYMMETRIC, _DIRECTED, _COSTES = FEATURES[:3], FEATURES[3:6], FEATURES[6]


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns, pair by pair; directed features in both directions."""
    directed = (*_DIRECTED, _COSTES) if parameters.costes else _DIRECTED
    found = []
    for first, second in parameters.pairs:
        found += [feature.column(first=first, second=second) for feature in _SYMMETRIC]
        for feature in directed:
            found.append(feature.column(first=first, second=second))
            found.append(feature.column(first=second, second=first))
    return found


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) correlation features in the order of `columns`."""
    count, starts = objects.pixels.count, objects.pixels.starts
    place = {channel: index for index, channel in enumerate(parameters.channels)}
    pairs = [(place[first], place[second]) for first, second in parameters.pairs]
    if not pairs:  # a single channel
        return np.zeros((count, 0))
    share = parameters.threshold_percent / 100
    facts = [_channel_facts(objects, channel, share) for channel in range(len(place))]
    parts = []
    for first, second in pairs:
        values = objects.values[first], objects.values[second]
        found = np.empty((count, 9))
        _correlate(*values, *facts[first], *facts[second], starts, found)
        parts.append(found)
        if parameters.costes:
            parts.append(costes_coefficients(*values, starts, parameters.costes_steps))
    return np.concatenate(parts, axis=1)


def _channel_facts(
    objects: ObjectSet, channel: int, share: float
) -> tuple[NDArray[np.int32], Floats]:
    """Return what all pairs need of a channel: (P,) ranks, shared by equal values, and numbers."""
    # (n, 5): mean, sum of squares about it, number of ranks, threshold, and sum of what reaches it.
    starts, values = objects.pixels.starts, objects.values[channel]
    ranks, facts = np.empty(values.size, np.int32), np.empty((objects.pixels.count, 5))
    _rank(values, objects.order[channel], starts, share, ranks, facts)
    return ranks, facts


@njit(cache=True)
def _rank(
    values: Floats,
    order: NDArray[np.int32],
    starts: Integers,
    share: float,
    ranks: NDArray[np.int32],
    facts: Floats,
) -> None:
    for k in range(starts.size - 1):
        first, end = starts[k], starts[k + 1]
        limit = share * values[first + order[end - 1]]
        rank, mean, squares, total = 0, 0.0, 0.0, 0.0
        for i in range(first, end):
            if i > first and values[first + order[i]] != values[first + order[i - 1]]:
                rank += 1
            ranks[first + order[i]] = rank
            mean += values[i]
            if values[i] >= limit:
                total += values[i]
        mean /= end - first
        for i in range(first, end):
            squares += (values[i] - mean) ** 2
        facts[k, 0] = mean
        facts[k, 1] = squares if rank else 0.0
        facts[k, 2] = rank + 1.0
        facts[k, 3] = limit
        facts[k, 4] = total


@njit(cache=True, error_model="numpy")
def _correlate(
    first: Floats,
    second: Floats,
    first_ranks: NDArray[np.int32],
    first_facts: Floats,
    second_ranks: NDArray[np.int32],
    second_facts: Floats,
    starts: Integers,
    out: Floats,
) -> None:
    """Write the coefficients of one pair: NaN where undefined, 0 without a common pixel."""
    # Correlation, slope, overlap, and K, Manders and RWC in both directions.
    for k in range(starts.size - 1):
        x_mean, x_squares, x_total = first_facts[k, 0], first_facts[k, 1], first_facts[k, 4]
        y_mean, y_squares, y_total = second_facts[k, 0], second_facts[k, 1], second_facts[k, 4]
        levels = max(first_facts[k, 2], second_facts[k, 2])
        x_both, y_both, x_ranked, y_ranked = 0.0, 0.0, 0.0, 0.0
        product, xx, yy, xy, common = 0.0, 0.0, 0.0, 0.0, 0
        for i in range(starts[k], starts[k + 1]):
            x, y = first[i], second[i]
            product += (x - x_mean) * (y - y_mean)
            if x >= first_facts[k, 3] and y >= second_facts[k, 3]:
                common += 1
                alike = levels - abs(first_ranks[i] - second_ranks[i])
                x_both += x
                y_both += y
                x_ranked += x * alike
                y_ranked += y * alike
                xx += x * x
                yy += y * y
                xy += x * y
        correlation = product / np.sqrt(x_squares) / np.sqrt(y_squares)
        defined = x_squares != 0 and y_squares != 0
        out[k, 0] = min(max(correlation, -1.0), 1.0) if defined else np.nan
        out[k, 1] = product / x_squares if x_squares else np.nan
        for i in range(2, 9):
            out[k, i] = 0.0
        if common:
            out[k, 2] = xy / np.sqrt(xx * yy)
            out[k, 3], out[k, 4] = xy / xx, xy / yy
            out[k, 5], out[k, 6] = x_both / x_total, y_both / y_total
            out[k, 7], out[k, 8] = x_ranked / levels / x_total, y_ranked / levels / y_total
