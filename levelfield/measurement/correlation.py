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
from levelfield.measurement.features import Column, Feature
from levelfield.measurement.parameters import Parameters

SYMMETRIC = (
    Feature(
        "Correlation_Correlation_{first}_{second}",
        "1",
        "Pearson's correlation; NaN if a channel is constant.",
    ),
    Feature(
        "Correlation_Slope_{first}_{second}",
        "1",
        "Slope of the least-squares line that predicts the second channel from the first.",
    ),
    Feature(
        "Correlation_Overlap_{first}_{second}",
        "1",
        "Sum of products over the root of the product of the sums of squares.",
        source="Manders et al. 1993, J. Microsc. 169:375",
    ),
)
DIRECTED = (
    Feature(
        "Correlation_K_{first}_{second}",
        "1",
        "Sum of products over the sum of squares of the first channel.",
        source="Manders et al. 1993, J. Microsc. 169:375",
    ),
    Feature(
        "Correlation_Manders_{first}_{second}",
        "1",
        "Share of the first channel's intensity above its threshold that lies "
        "where both channels are above theirs.",
        source="Manders et al. 1993, J. Microsc. 169:375",
    ),
    Feature(
        "Correlation_RWC_{first}_{second}",
        "1",
        "That share with each pixel weighted by how similar its ranks in the two channels are.",
        source="Singan et al. 2011, BMC Bioinformatics 12:407",
    ),
)
COSTES = Feature(
    "Correlation_Costes_{first}_{second}",
    "1",
    "Manders' share with the thresholds of Costes; NaN where they are not defined.",
    source="Costes et al. 2004, Biophys. J. 86:3993",
)
FEATURES = (*SYMMETRIC, *DIRECTED, COSTES)


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns, pair by pair; directed features in both directions."""
    directed = (*DIRECTED, COSTES) if parameters.costes else DIRECTED
    found = []
    for first, second in parameters.pairs:
        found += [feature.column(first=first, second=second) for feature in SYMMETRIC]
        for feature in directed:
            found.append(feature.column(first=first, second=second))
            found.append(feature.column(first=second, second=first))
    return found


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) correlation features in the order of `columns`."""
    starts = objects.pixels.starts
    place = {channel: index for index, channel in enumerate(parameters.channels)}
    pairs = np.array(
        [[place[first], place[second]] for first, second in parameters.pairs], np.int64
    )
    pairs = pairs.reshape(-1, 2)
    if len(pairs) == 0:  # a single channel
        return np.zeros((objects.pixels.count, 0))
    fraction = parameters.threshold_percent / 100
    parts = [_coefficients(objects.values, objects.order, starts, pairs, fraction)]
    if parameters.costes:
        parts.append(costes_coefficients(objects.values, starts, pairs, parameters.costes_steps))
    return np.concatenate(parts, axis=2).reshape(objects.pixels.count, -1)


@njit(cache=True)
def _coefficients(
    values: Floats, order: NDArray[np.int32], starts: Integers, pairs: Integers, fraction: float
) -> Floats:
    """Return (n, Q, 9): correlation, slope, overlap, and K, Manders and RWC in both directions."""
    result = np.empty((starts.size - 1, pairs.shape[0], 9))
    channels = values.shape[0]
    ranks = np.empty((channels, np.max(np.diff(starts))), np.int64)
    facts = np.empty((channels, 5))
    for k in range(starts.size - 1):
        inside = slice(starts[k], starts[k + 1])
        for channel in range(channels):
            facts[channel] = _channel_facts(
                values[channel, inside], order[channel, inside], fraction, ranks[channel]
            )
        for pair in range(pairs.shape[0]):
            one, two = pairs[pair]
            _pair(
                values[one, inside], values[two, inside], ranks[one], ranks[two],
                facts[one], facts[two], result[k, pair],
            )  # fmt: skip
    return result


@njit(cache=True)
def _channel_facts(
    values: Floats, order: NDArray[np.int32], fraction: float, ranks: Integers
) -> tuple[float, float, float, float, float]:
    """Fill in dense ranks (equal values share one) and return what all pairs need of a channel.

    Returns
    -------
    Mean, sum of squares about it, number of ranks, threshold, and sum of what reaches it.
    """
    mean, squares, total = values.mean(), 0.0, 0.0
    limit = fraction * values[order[-1]]
    rank = 0
    ranks[order[0]] = 0
    for i in range(1, order.size):
        if values[order[i]] != values[order[i - 1]]:
            rank += 1
        ranks[order[i]] = rank
    for value in values:
        squares += (value - mean) ** 2
        if value >= limit:
            total += value
    return mean, squares if rank else 0.0, rank + 1.0, limit, total


@njit(cache=True, error_model="numpy")
def _pair(
    first: Floats,
    second: Floats,
    first_ranks: Integers,
    second_ranks: Integers,
    first_facts: Floats,
    second_facts: Floats,
    out: Floats,
) -> None:
    """Write the coefficients of one pair: NaN where undefined, 0 without a common pixel."""
    x_mean, x_squares, x_levels, x_limit, x_total = first_facts
    y_mean, y_squares, y_levels, y_limit, y_total = second_facts
    levels = max(x_levels, y_levels)
    x_both, y_both, x_ranked, y_ranked = 0.0, 0.0, 0.0, 0.0
    product, xx, yy, xy, common = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(first.size):
        x, y = first[i], second[i]
        product += (x - x_mean) * (y - y_mean)
        if x >= x_limit and y >= y_limit:
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
    out[0] = min(max(correlation, -1.0), 1.0) if x_squares and y_squares else np.nan
    out[1] = product / x_squares if x_squares else np.nan
    if common == 0:
        out[2:] = 0.0
        return
    out[2] = xy / np.sqrt(xx * yy)
    out[3], out[4] = xy / xx, xy / yy
    out[5], out[6] = x_both / x_total, y_both / y_total
    out[7], out[8] = x_ranked / levels / x_total, y_ranked / levels / y_total
