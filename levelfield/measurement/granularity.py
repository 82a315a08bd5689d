"""Granularity: how much of an object's intensity each opening of the image takes away.

Definitions of CellProfiler's MeasureGranularity. The image's part is in `granular_spectrum`; here
its steps are averaged over the objects at full resolution.
"""

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, Feature
from levelfield.measurement.granular_spectrum import (
    LinearWeights,
    linear_weights,
    spread_places,
    subsampled_shape,
)
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels

FEATURES = (
    Feature(
        "Granularity_{step}_{channel}",
        "%",
        "Share of the object's mean intensity that is lost at this step of the granular spectrum; "
        "NaN if the subsampled image has less than two rows or columns.",
        source="CellProfiler 4; Ravkin and Temov 1988",
    ),
)


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: all steps of a channel, then those of the next."""
    steps = range(1, parameters.granularity_length + 1)
    return [
        FEATURES[0].column(step=step, channel=channel)
        for channel in parameters.channels
        for step in steps
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) granular spectra in the order of `columns`."""
    pixels = objects.pixels
    shape = subsampled_shape(pixels.shape, parameters.granularity_subsampling)
    if min(shape) < 2:
        return np.full((pixels.count, len(columns(parameters))), np.nan)
    starts, cells, weights = _mean_weights(pixels, shape)
    means = objects.intensity_sums[:, :, 0] / pixels.areas
    spectra = []
    for mean, spectrum in zip(means, objects.site.granular_spectra, strict=True):
        left = _weighted_sums(spectrum, starts, cells, weights)
        steps = -np.diff(np.column_stack([mean, left]), axis=1)
        spectra.append(100 * steps / np.maximum(mean, np.finfo(float).eps)[:, None])
    return np.concatenate(spectra, axis=1)


def _mean_weights(
    pixels: ObjectPixels, shape: tuple[int, int]
) -> tuple[Integers, Integers, Floats]:
    """Return how a subsampled image is averaged over each object at full resolution.

    Interpolating and averaging are both linear, so each object is a short list of weights on
    subsampled pixels: `cells[starts[k]:starts[k + 1]]` and `weights` alike.
    """
    rows, columns = (
        linear_weights(spread_places(count, size), size)
        for count, size in zip(pixels.shape, shape, strict=True)
    )
    return _cell_weights(
        pixels.starts, pixels.positions, pixels.boxes, rows, columns, pixels.shape[1], shape[1]
    )


@njit(cache=True)
def _cell_weights(
    starts: Integers,
    positions: Integers,
    boxes: Integers,
    rows: LinearWeights,
    columns: LinearWeights,
    width: int,
    small_width: int,
) -> tuple[Integers, Integers, Floats]:
    count = starts.size - 1
    tops, lefts = rows[0][boxes[:, 0]], columns[0][boxes[:, 2]]
    heights = rows[0][boxes[:, 1] - 1] - tops + 2
    widths = columns[0][boxes[:, 3] - 1] - lefts + 2
    ends = np.zeros(count + 1, np.int64)
    ends[1:] = np.cumsum(heights * widths)
    cells, weights = np.zeros(ends[count], np.int64), np.zeros(ends[count])
    for k in range(count):
        for y in range(heights[k]):
            for x in range(widths[k]):
                cells[ends[k] + y * widths[k] + x] = (tops[k] + y) * small_width + lefts[k] + x
        share = 1 / (starts[k + 1] - starts[k])
        for i in range(starts[k], starts[k + 1]):
            row, column = positions[i] // width, positions[i] % width
            if not (rows[2][row] and columns[2][column]):
                continue
            below, right = rows[1][row], columns[1][column]
            cell = ends[k] + (rows[0][row] - tops[k]) * widths[k] + columns[0][column] - lefts[k]
            weights[cell] += share * (1 - below) * (1 - right)
            weights[cell + 1] += share * (1 - below) * right
            weights[cell + widths[k]] += share * below * (1 - right)
            weights[cell + widths[k] + 1] += share * below * right
    return ends, cells, weights


@njit(cache=True)
def _weighted_sums(spectrum: Floats, starts: Integers, cells: Integers, weights: Floats) -> Floats:
    """Return the (n, steps) averages of the spectrum over each object."""
    sums = np.zeros((starts.size - 1, spectrum.shape[0]))
    for k in range(starts.size - 1):
        for step in range(spectrum.shape[0]):
            image = spectrum[step]
            for i in range(starts[k], starts[k + 1]):
                if weights[i] != 0:  # cells beyond the last row or column have none
                    sums[k, step] += weights[i] * image[cells[i]]
    return sums
