"""Intensity: sums, quantiles and edge statistics of every object in every channel.

Definitions of CellProfiler's MeasureObjectIntensity as cp_measure 0.3.0 computes them: quantiles
interpolate between order statistics at ``(n - 1) q`` (numpy's *linear*; CellProfiler 4 itself uses
``n q``), and the median absolute deviation is the textbook one.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Integers, Mask
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, Feature, length
from levelfield.measurement.parameters import Parameters

_DEFINITIONS = (
    ("IntegratedIntensity", "Sum of the intensities of all pixels."),
    ("MeanIntensity", "Mean intensity."),
    ("StdIntensity", "Standard deviation of the intensities (divided by n, not n - 1)."),
    ("MinIntensity", "Lowest intensity."),
    ("MaxIntensity", "Highest intensity."),
    (
        "MassDisplacement",
        "Distance between the centre of the object and its centre weighted by intensity.",
    ),
    ("LowerQuartileIntensity", "25 % quantile."),
    ("MedianIntensity", "Median intensity."),
    ("MADIntensity", "Median absolute deviation from the median, not scaled."),
    ("UpperQuartileIntensity", "75 % quantile."),
    (
        "IntegratedIntensityEdge",
        "Sum over edge pixels: those with a 4-neighbour of another label inside the image.",
    ),
    ("MeanIntensityEdge", "Mean over edge pixels."),
    ("StdIntensityEdge", "Standard deviation of edge pixels."),
    ("MinIntensityEdge", "Lowest intensity of edge pixels."),
    ("MaxIntensityEdge", "Highest intensity of edge pixels."),
)
FEATURES = tuple(
    length(f"Intensity_{name}_{{channel}}", definition)
    if name == "MassDisplacement"
    else Feature(f"Intensity_{name}_{{channel}}", "intensity", definition)
    for name, definition in _DEFINITIONS
)


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: all features of the first channel, then of the next."""
    return [
        feature.column(channel=channel) for channel in parameters.channels for feature in FEATURES
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) intensity features in the order of `columns`."""
    pixels = objects.pixels
    quantiles = _quantiles(objects.values, objects.order, pixels.starts)
    edges = _edge_statistics(objects.values, pixels.starts, objects.edge)
    sums = objects.intensity_sums
    features = np.concatenate(
        [sums[:, :, :1], sums[:, :, :1] / pixels.areas[:, None], quantiles, edges], axis=2
    )
    return _arrange(features, sums, objects)


def _arrange(features: Floats, sums: Floats, objects: ObjectSet) -> Floats:
    """Put the statistics of all channels side by side, in the order of FEATURES."""
    integrated, mean, std, low, high, lower, median, mad, upper = np.moveaxis(
        features[:, :, :9], 2, 0
    )
    centre = objects.centres
    displacement = np.hypot(sums[:, :, 1] - centre[:, 0], sums[:, :, 2] - centre[:, 1])
    table = np.stack(
        [integrated, mean, std, low, high, displacement, lower, median, mad, upper], axis=2
    )
    table = np.concatenate([table, features[:, :, 9:]], axis=2)
    return np.ascontiguousarray(np.moveaxis(table, 0, 1)).reshape(objects.pixels.count, -1)


@njit(cache=True)
def _quantiles(values: Floats, order: NDArray[np.int32], starts: Integers) -> Floats:
    """Return standard deviation, minimum, maximum, lower quartile, median, MAD, upper quartile."""
    count = starts.size - 1
    result = np.empty((values.shape[0], count, 7))
    for channel in range(values.shape[0]):
        for k in range(count):
            first, size = starts[k], starts[k + 1] - starts[k]
            ranked = values[channel, first : first + size][order[channel, first : first + size]]
            mean = ranked.mean()
            squares = 0.0
            for i in range(size):
                squares += (ranked[i] - mean) ** 2
            out = result[channel, k]
            out[0] = math.sqrt(squares / size) if ranked[0] != ranked[size - 1] else 0.0
            out[1] = ranked[0]
            out[2] = ranked[size - 1]
            out[3] = _quantile(ranked, 0.25)
            out[4] = _quantile(ranked, 0.5)
            out[5] = _median_deviation(ranked, out[4])
            out[6] = _quantile(ranked, 0.75)
    return result


@njit(cache=True)
def _quantile(ranked: Floats, fraction: float) -> float:
    place = (ranked.size - 1) * fraction
    low = int(place)
    high = min(low + 1, ranked.size - 1)
    return ranked[low] * (1 - (place - low)) + ranked[high] * (place - low)


@njit(cache=True)
def _median_deviation(ranked: Floats, median: float) -> float:
    """Median of |x - median|, walking outwards from the median instead of sorting again."""
    above = np.searchsorted(ranked, median)
    below = above - 1
    place = (ranked.size - 1) * 0.5
    low = int(place)
    at_low, deviation = 0.0, 0.0
    for i in range(min(low + 2, ranked.size)):
        down = median - ranked[below] if below >= 0 else np.inf
        up = ranked[above] - median if above < ranked.size else np.inf
        if down < up:
            deviation = down
            below -= 1
        else:
            deviation = up
            above += 1
        if i == low:
            at_low = deviation
    return at_low * (1 - (place - low)) + deviation * (place - low)


@njit(cache=True)
def _edge_statistics(values: Floats, starts: Integers, edge: Mask) -> Floats:
    """Sum, mean, standard deviation, minimum and maximum over edge pixels; 0 without any."""
    count = starts.size - 1
    result = np.zeros((values.shape[0], count, 5))
    for channel in range(values.shape[0]):
        for k in range(count):
            total, size, low, high = 0.0, 0, np.inf, -np.inf
            for i in range(starts[k], starts[k + 1]):
                if edge[i]:
                    value = values[channel, i]
                    total += value
                    size += 1
                    low = min(low, value)
                    high = max(high, value)
            if size == 0:
                continue
            mean, squares = total / size, 0.0
            for i in range(starts[k], starts[k + 1]):
                if edge[i]:
                    squares += (values[channel, i] - mean) ** 2
            out = result[channel, k]
            out[0] = total
            out[1] = mean
            out[2] = math.sqrt(squares / size) if low != high else 0.0
            out[3] = low
            out[4] = high
    return result
