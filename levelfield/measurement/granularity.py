"""Granularity: how much of an object's intensity each opening of the image takes away.

Definitions of CellProfiler's MeasureGranularity. The image's part is in `granular_spectrum`; here
its steps are averaged over the objects at full resolution.
"""

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from levelfield.arrays import Floats, Integers
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, Feature
from levelfield.measurement.granular_spectrum import linear_weights, spread_places, subsampled_shape
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
    averages = _averages(pixels, shape)
    means = objects.intensity_sums[:, :, 0] / pixels.areas
    spectra = []
    for mean, spectrum in zip(means, objects.site.granular_spectra, strict=True):
        left = averages @ spectrum.T
        steps = -np.diff(np.column_stack([mean, left]), axis=1)
        spectra.append(100 * steps / np.maximum(mean, np.finfo(float).eps)[:, None])
    return np.concatenate(spectra, axis=1)


def _averages(pixels: ObjectPixels, shape: tuple[int, int]) -> csr_array:
    """Return the (n, N) weights of a subsampled image in the mean of each object at full size."""
    # Interpolating and averaging are linear: an object is a list of weights on its `cells`.
    lines: list[Floats] = [
        np.stack(linear_weights(spread_places(count, size), size)).astype(float)
        for count, size in zip(pixels.shape, shape, strict=True)
    ]
    rows, columns = lines
    (tops, lefts), (bottoms, rights) = (
        (rows[0, boxes[:, side]].astype(int), columns[0, boxes[:, side + 2]].astype(int))
        for side, boxes in ((0, pixels.boxes), (1, pixels.boxes - 1))
    )
    heights, widths = bottoms - tops + 2, rights - lefts + 2
    ends = np.concatenate([[0], np.cumsum(heights * widths)])
    weights = np.zeros(ends[-1])
    origins = ends[:-1] - tops * widths - lefts
    _add_weights(pixels.starts, pixels.positions, rows, columns, origins, widths, weights)
    used = np.flatnonzero(weights)  # cells beyond the last row or column have no weight
    k = np.searchsorted(ends, used, side="right") - 1
    down, across = np.divmod(used - ends[k], widths[k])
    cells = (tops[k] + down) * shape[1] + lefts[k] + across
    starts = np.searchsorted(used, ends)
    return csr_array((weights[used], cells, starts), shape=(pixels.count, shape[0] * shape[1]))


@njit(cache=True)
def _add_weights(
    starts: Integers,
    positions: Integers,
    rows: Floats,
    columns: Floats,
    origins: Integers,
    widths: Integers,
    weights: Floats,
) -> None:
    """Add up what each pixel takes from the four cells around it."""
    for k in range(starts.size - 1):
        share = 1 / (starts[k + 1] - starts[k])
        for i in range(starts[k], starts[k + 1]):
            row, column = positions[i] // columns.shape[1], positions[i] % columns.shape[1]
            if rows[2, row] == 0 or columns[2, column] == 0:
                continue
            below, right = rows[1, row], columns[1, column]
            cell = origins[k] + int(rows[0, row]) * widths[k] + int(columns[0, column])
            weights[cell] += share * (1 - below) * (1 - right)
            weights[cell + 1] += share * (1 - below) * right
            weights[cell + widths[k]] += share * below * (1 - right)
            weights[cell + widths[k] + 1] += share * below * right
