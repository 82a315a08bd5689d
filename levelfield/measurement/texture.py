"""Texture: Haralick's features of every object, from counts of neighbouring grey levels.

Definitions of CellProfiler's MeasureTexture, which takes them from mahotas. Intensities are cut
into grey levels on one scale for the whole image (0 to 1, never stretched to the object); level 0
does not count. Per scale and direction, pairs of pixels of one object that lie that far apart are
counted by their two grey levels.

All sums run over the pixel pairs and over histograms of level, sum and difference, never over the
whole 256 x 256 matrix.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Integers, Labels
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, Feature
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels

_HARALICK = "Haralick et al. 1973, IEEE Trans. SMC 3:610"
_NAME = "Texture_{name}_{{channel}}_{{scale}}_{{direction:02d}}_{{levels}}"
_DEFINITIONS = (
    ("AngularSecondMoment", "1", "Sum of the squared shares: 1 for a uniform object."),
    ("Contrast", "levels²", "Mean squared difference of the levels of a pair."),
    ("Correlation", "1", "Correlation of the levels of a pair; 1 if there is only one level."),
    ("Variance", "levels²", "Variance of the levels."),
    ("InverseDifferenceMoment", "1", "Mean of 1 / (1 + squared difference)."),
    ("SumAverage", "levels", "Mean of the sums of the two levels."),
    ("SumVariance", "levels²", "Variance of the sums of the two levels."),
    ("SumEntropy", "bit", "Entropy of the sums of the two levels."),
    ("Entropy", "bit", "Entropy of the pairs of levels."),
    ("DifferenceVariance", "1", "Variance of the shares of the differences, over all levels."),
    ("DifferenceEntropy", "bit", "Entropy of the differences of the two levels."),
    ("InfoMeas1", "1", "Mutual information of the two levels over the entropy of one, negated."),
    ("InfoMeas2", "1", "√(1 - exp(-2 mutual information))."),
)
FEATURES = tuple(
    Feature(_NAME.format(name=name), unit, definition, source=_HARALICK)
    for name, unit, definition in _DEFINITIONS
)

# Steps (rows, columns) of the directions 00 (horizontal), 01, 02 (vertical) and 03.
_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: by channel, scale, direction and feature."""
    return [
        feature.column(
            channel=channel, scale=scale, direction=direction, levels=parameters.texture_gray_levels
        )
        for channel in parameters.channels
        for scale in parameters.texture_scales
        for direction in range(len(_DIRECTIONS))
        for feature in FEATURES
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) texture features in the order of `columns`.

    An object without any pair of pixels in one of the directions has NaN in all of them.
    """
    pixels = objects.pixels
    levels = gray_levels(objects.values, parameters.texture_gray_levels)
    scales = [_haralick(levels, pixels, int(scale)) for scale in parameters.texture_scales]
    return np.stack(scales, axis=2).reshape(pixels.count, -1)


def gray_levels(values: Floats, count: int) -> NDArray[np.uint8]:
    """Return the grey levels, 0 to `count` - 1, of intensities; outside 0–1 they saturate."""
    levels = np.rint(np.clip(values, 0, 1) * 255)
    if count != 256:
        levels = levels / 255 * (count - 1)
    return levels.astype(np.uint8)


def _haralick(levels: NDArray[np.uint8], pixels: ObjectPixels, scale: int) -> Floats:
    """Return the (n, C, 4, 13) features at one scale."""
    result = np.full((len(levels), len(_DIRECTIONS), pixels.count, len(FEATURES)), np.nan)
    logarithms = _entropy_terms(2 * int(pixels.areas.max()))
    matrix = np.zeros(256 * 256, np.int32)
    tallies = np.zeros((3, 511), np.int64)
    place = np.empty(pixels.labels.size, np.int64)
    place[pixels.positions] = np.arange(pixels.positions.size)
    for direction, (down, across) in enumerate(_DIRECTIONS):
        pairs, ends = _pixel_pairs(pixels, place, down * scale, across * scale)
        for level, found in zip(levels, result[:, direction], strict=True):
            _measure_pairs(level, pixels.starts, pairs, ends, logarithms, matrix, tallies, found)
    result = np.moveaxis(result, 2, 0)
    result[np.isnan(result).any(axis=(2, 3))] = np.nan
    return result


def _entropy_terms(highest: int) -> Floats:
    """Return n log2 n for n from 0 to `highest`."""
    numbers = np.arange(highest + 1, dtype=float)
    return numbers * np.log2(np.maximum(numbers, 1))


def _pixel_pairs(
    pixels: ObjectPixels, place: Integers, down: int, across: int
) -> tuple[Integers, Integers]:
    """Return the (2, Q) pixels of each pair, object after object, and where each object ends."""
    pairs = np.empty((2, pixels.positions.size), np.int64)
    ends = np.empty(pixels.count, np.int64)
    where = (pixels.labels, pixels.starts, pixels.positions)
    _pair_up(*where, place, down, across, pairs, ends)
    return pairs, ends


@njit(cache=True)
def _pair_up(
    labels: Labels,
    starts: Integers,
    positions: Integers,
    place: Integers,
    down: int,
    across: int,
    pairs: Integers,
    ends: Integers,
) -> None:
    rows, columns = labels.shape
    size = 0
    for k in range(starts.size - 1):
        for i in range(starts[k], starts[k + 1]):
            row = positions[i] // columns + down
            column = positions[i] % columns + across
            if row < rows and 0 <= column < columns and labels[row, column] == k + 1:
                pairs[0, size] = i
                pairs[1, size] = place[row * columns + column]
                size += 1
        ends[k] = size


@njit(cache=True)
def _measure_pairs(
    level: NDArray[np.uint8],
    starts: Integers,
    pairs: Integers,
    ends: Integers,
    logarithms: Floats,
    matrix: NDArray[np.int32],
    tallies: Integers,
    out: Floats,
) -> None:
    """Fill in the (n, 13) features of one channel and direction where an object has pairs."""
    # The matrix and the tallies are all zero again after each object.
    first = np.int64(0)
    for k in range(starts.size - 1):
        highest, size = np.int64(0), np.int64(0)
        for i in range(starts[k], starts[k + 1]):
            highest = max(highest, np.int64(level[i]))
        for i in range(first, ends[k]):
            low, high = np.int64(level[pairs[0, i]]), np.int64(level[pairs[1, i]])
            if low == 0 or high == 0:
                continue
            size += 1
            matrix[max(low, high) * 256 + min(low, high)] += 1
            tallies[0, low] += 1
            tallies[0, high] += 1
            tallies[1, low + high] += 1
            tallies[2, abs(low - high)] += 1
        squares, entropy = _matrix_sums(level, pairs, first, ends[k], matrix, logarithms)
        if size:
            _features(size, highest, squares, entropy, tallies, logarithms, k, out)
        for i in range(2 * highest + 1):
            tallies[1, i] = 0
            if i <= highest:
                tallies[0, i] = 0
                tallies[2, i] = 0
        first = ends[k]


@njit(cache=True)
def _matrix_sums(
    level: NDArray[np.uint8],
    pairs: Integers,
    first: np.int64,
    end: np.int64,
    matrix: NDArray[np.int32],
    logarithms: Floats,
) -> tuple[np.int64, float]:
    """Sum the squared counts and n log2 n over the symmetric matrix, and clear its cells."""
    # The matrix holds one triangle; a count off the diagonal stands for two cells.
    squares, entropy = np.int64(0), 0.0
    for i in range(first, end):
        low, high = np.int64(level[pairs[0, i]]), np.int64(level[pairs[1, i]])
        cell = max(low, high) * 256 + min(low, high)
        count = np.int64(matrix[cell])
        if count == 0:
            continue
        matrix[cell] = 0
        if low == high:
            squares += 4 * count * count
            entropy += logarithms[2 * count]
        else:
            squares += 2 * count * count
            entropy += 2 * logarithms[count]
    return squares, entropy


@njit(cache=True)
def _features(
    size: np.int64,
    highest: np.int64,
    squares: np.int64,
    pair_entropy: float,
    tallies: Integers,
    logarithms: Floats,
    k: int,
    out: Floats,
) -> None:
    """Write the 13 features of one object, channel and direction."""
    total = 2 * size  # every pair counts in both orders
    average, level_terms = 0.0, 0.0
    for level in range(highest + 1):
        average += 2 * level * tallies[0, level] / total
        level_terms += logarithms[tallies[0, level]]
    sum_variance, sum_terms = 0.0, 0.0
    for level in range(2 * highest + 1):
        count = 2 * tallies[1, level]
        sum_variance += (level - average) ** 2 * count / total
        sum_terms += logarithms[count]
    contrast, difference_terms, similarity, uneven = 0.0, 0.0, 0.0, 0.0
    for step in range(highest + 1):
        count = 2 * tallies[2, step]
        contrast += step * step * count / total
        difference_terms += logarithms[count]
        similarity += count / (1 + step * step) / total
        uneven += (count / total - 1 / (highest + 1)) ** 2
    entropy = (logarithms[total] - pair_entropy) / total
    level_entropy = (logarithms[total] - level_terms) / total
    shared = 2 * level_entropy - entropy
    # With s and d the sum and the difference of two levels, and m their mean:
    # (i - m)(j - m) = ((s - 2m)² - d²) / 4 and (i - m)² + (j - m)² = ((s - 2m)² + d²) / 2.
    spread = sum_variance + contrast
    out[k, 0] = squares / total / total
    out[k, 1] = contrast
    out[k, 2] = (sum_variance - contrast) / spread if spread else 1.0
    out[k, 3] = spread / 4
    out[k, 4] = similarity
    out[k, 5] = average
    out[k, 6] = sum_variance
    out[k, 7] = (logarithms[total] - sum_terms) / total
    out[k, 8] = entropy
    out[k, 9] = uneven / (highest + 1)
    out[k, 10] = (logarithms[total] - difference_terms) / total
    out[k, 11] = -shared / level_entropy if level_entropy else 0.0
    out[k, 12] = np.sqrt(max(0.0, 1 - np.exp(-2 * shared)))
