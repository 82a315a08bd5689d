"""Intensity: sums, quantiles and edge statistics of every object in every channel.

Definitions of CellProfiler's MeasureObjectIntensity as cp_measure 0.3.0 computes them: quantiles
interpolate between order statistics at ``(n - 1) q`` (numpy's *linear*; CellProfiler 4 itself uses
``n q``), and the median absolute deviation is the textbook one.
"""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, features
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels, edge_pixels

FEATURES = features(
    "Intensity",
    """
    IntegratedIntensity_{channel} | intensity | Sum of the intensities of all pixels.
    MeanIntensity_{channel} | intensity | Mean intensity.
    StdIntensity_{channel} | intensity | Standard deviation of the intensities (divided by n, not n
        - 1).
    MinIntensity_{channel} | intensity | Lowest intensity.
    MaxIntensity_{channel} | intensity | Highest intensity.
    MassDisplacement_{channel} | length | Distance between the centre of the object and its centre
        weighted by intensity.
    LowerQuartileIntensity_{channel} | intensity | 25 % quantile.
    MedianIntensity_{channel} | intensity | Median intensity.
    MADIntensity_{channel} | intensity | Median absolute deviation from the median, not scaled.
    UpperQuartileIntensity_{channel} | intensity | 75 % quantile.
    IntegratedIntensityEdge_{channel} | intensity | Sum over edge pixels: those with a 4-neighbour
        of another label inside the image.
    MeanIntensityEdge_{channel} | intensity | Mean over edge pixels.
    StdIntensityEdge_{channel} | intensity | Standard deviation of edge pixels.
    MinIntensityEdge_{channel} | intensity | Lowest intensity of edge pixels.
    MaxIntensityEdge_{channel} | intensity | Highest intensity of edge pixels.
    """,
)


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: all features of the first channel, then of the next."""
    return [
        feature.column(channel=channel) for channel in parameters.channels for feature in FEATURES
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) intensity features in the order of `columns`."""
    pixels, sums = objects.pixels, objects.intensity_sums
    edge = np.flatnonzero(edge_pixels(pixels))
    centre = objects.centres
    channels = []
    for values, ranked, (total, row, column, _, _) in zip(
        objects.values, objects.ranked, np.moveaxis(sums, 2, 1), strict=True
    ):
        lower, median, upper = (_quantiles(ranked, pixels, share) for share in (0.25, 0.5, 0.75))
        low, high = ranked[pixels.starts[:-1]], ranked[pixels.starts[1:] - 1]
        spread, deviation = np.empty((2, pixels.count))
        _spreads(ranked, pixels.starts, median, spread, deviation)
        channels += [
            *(total, total / pixels.areas, np.where(low != high, spread, 0.0), low, high),
            np.hypot(row - centre[:, 0], column - centre[:, 1]),
            *(lower, median, deviation, upper),
            *_edge_statistics(values[edge], pixels.owner[edge], pixels.count),
        ]
    return np.column_stack(channels)


def _quantiles(ranked: Floats, pixels: ObjectPixels, share: float) -> Floats:
    """Return one quantile of each object, (n,)."""
    place = (pixels.areas - 1) * share
    low = place.astype(np.int64)
    high = np.minimum(low + 1, pixels.areas - 1)
    first, above = pixels.starts[:-1], place - low
    return ranked[first + low] * (1 - above) + ranked[first + high] * above


@njit(cache=True)
def _spreads(
    ranked: Floats, starts: Integers, medians: Floats, spreads: Floats, deviations: Floats
) -> None:
    """Fill in standard deviations, and medians of |x - median|."""
    # The latter by walking outwards from the median: nothing is sorted again.
    for k in range(starts.size - 1):
        first, end, median = starts[k], starts[k + 1], medians[k]
        mean, squares = 0.0, 0.0
        for i in range(first, end):
            mean += ranked[i]
        mean /= end - first
        for i in range(first, end):
            squares += (ranked[i] - mean) ** 2
        spreads[k] = math.sqrt(squares / (end - first))
        place = (end - first - 1) * 0.5
        low = int(place)
        above = first + low
        while above > first and ranked[above - 1] >= median:
            above -= 1
        while above < end and ranked[above] < median:
            above += 1
        below = above - 1
        at_low, deviation = 0.0, 0.0
        for i in range(min(low + 2, end - first)):
            down = median - ranked[below] if below >= first else np.inf
            up = ranked[above] - median if above < end else np.inf
            if down < up:
                deviation = down
                below -= 1
            else:
                deviation = up
                above += 1
            if i == low:
                at_low = deviation
        deviations[k] = at_low * (1 - (place - low)) + deviation * (place - low)


def _edge_statistics(values: Floats, owner: Integers, count: int) -> list[Floats]:
    """Sum, mean, standard deviation, minimum and maximum over edge pixels; 0 without any."""
    sizes = np.bincount(owner, minlength=count)
    some = np.flatnonzero(sizes)
    first = (np.cumsum(sizes) - sizes)[some]
    total = np.bincount(owner, values, count)
    low, high = np.zeros(count), np.zeros(count)
    if some.size:
        low[some] = np.minimum.reduceat(values, first)
        high[some] = np.maximum.reduceat(values, first)
    sizes = np.maximum(sizes, 1)
    mean = total / sizes
    squares = np.bincount(owner, (values - mean[owner]) ** 2, count)
    return [total, mean, np.where(low != high, np.sqrt(squares / sizes), 0.0), low, high]
