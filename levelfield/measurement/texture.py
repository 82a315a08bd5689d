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
    place = np.full(pixels.labels.size, -1)
    place[pixels.positions] = np.arange(pixels.positions.size)
    scales = [
        _haralick(levels, pixels.labels, pixels.starts, pixels.positions, place, int(scale))
        for scale in parameters.texture_scales
    ]
    return np.stack(scales, axis=2).reshape(pixels.count, -1)


def gray_levels(values: Floats, count: int) -> NDArray[np.uint8]:
    """Return the grey levels, 0 to `count` - 1, of intensities; outside 0–1 they saturate."""
    levels = np.rint(np.clip(values, 0, 1) * 255)
    if count != 256:
        levels = levels / 255 * (count - 1)
    return levels.astype(np.uint8)


def _haralick(
    levels: NDArray[np.uint8],
    labels: Labels,
    starts: Integers,
    positions: Integers,
    place: Integers,
    scale: int,
) -> Floats:
    """Return the (n, C, 4, 13) features at one scale."""
    largest = int(np.diff(starts).max())
    result = np.empty((starts.size - 1, levels.shape[0], len(_DIRECTIONS), len(FEATURES)))
    logarithms = _entropy_terms(2 * largest)
    for direction, (down, across) in enumerate(_DIRECTIONS):
        pairs, ends = _pixel_pairs(labels, starts, positions, place, down * scale, across * scale)
        _measure_direction(levels, starts, pairs, ends, logarithms, result[:, :, direction])
    result[np.isnan(result).any(axis=(2, 3))] = np.nan
    return result


def _entropy_terms(highest: int) -> Floats:
    """Return n log2 n for n from 0 to `highest`."""
    numbers = np.arange(highest + 1, dtype=float)
    return numbers * np.log2(np.maximum(numbers, 1))


@njit(cache=True)
def _pixel_pairs(
    labels: Labels, starts: Integers, positions: Integers, place: Integers, down: int, across: int
) -> tuple[Integers, Integers]:
    """Return the (Q, 2) pixels of each pair, object after object, and where each object ends."""
    rows, columns = labels.shape
    pairs = np.empty((positions.size, 2), np.int64)
    ends = np.empty(starts.size - 1, np.int64)
    size = 0
    for k in range(starts.size - 1):
        for i in range(starts[k], starts[k + 1]):
            row = positions[i] // columns + down
            column = positions[i] % columns + across
            if row < rows and 0 <= column < columns and labels[row, column] == k + 1:
                pairs[size, 0] = i
                pairs[size, 1] = place[row * columns + column]
                size += 1
        ends[k] = size
    return pairs[:size], ends


@njit(cache=True)
def _measure_direction(
    levels: NDArray[np.uint8],
    starts: Integers,
    pairs: Integers,
    ends: Integers,
    logarithms: Floats,
    out: Floats,
) -> None:
    """Fill in the (n, C, 13) features of one direction."""
    matrix = np.zeros(256 * 256, np.int32)  # all zero again after each object
    cells = np.empty(pairs.shape[0], np.int64)
    sums, differences = np.zeros(511, np.int64), np.zeros(256, np.int64)
    single = np.zeros(256, np.int64)
    for k in range(starts.size - 1):
        first = ends[k - 1] if k else 0
        for channel in range(levels.shape[0]):
            level = levels[channel]
            highest = level[starts[k] : starts[k + 1]].max()
            size = 0
            for i in range(first, ends[k]):
                one, two = np.int64(level[pairs[i, 0]]), np.int64(level[pairs[i, 1]])
                if one == 0 or two == 0:
                    continue
                cells[size] = max(one, two) * 256 + min(one, two)
                matrix[cells[size]] += 1
                size += 1
                single[one] += 1
                single[two] += 1
                sums[one + two] += 1
                differences[abs(one - two)] += 1
            squares, entropy = _matrix_sums(matrix, cells[:size], logarithms)
            if size == 0:
                out[k, channel] = np.nan
            else:
                counts = (single, sums, differences)
                _features(size, highest, squares, entropy, counts, logarithms, out[k, channel])
            single[: highest + 1] = 0
            sums[: 2 * highest + 1] = 0
            differences[: highest + 1] = 0


@njit(cache=True)
def _matrix_sums(
    matrix: NDArray[np.int32], cells: Integers, logarithms: Floats
) -> tuple[np.int64, float]:
    """Sum the squared counts and n log2 n over the symmetric matrix, and clear its cells.

    The matrix holds one triangle; a count off the diagonal stands for two cells.
    """
    squares, entropy = np.int64(0), 0.0
    for cell in cells:
        count = np.int64(matrix[cell])
        if count == 0:
            continue
        matrix[cell] = 0
        if cell // 256 == cell % 256:
            squares += 4 * count * count
            entropy += logarithms[2 * count]
        else:
            squares += 2 * count * count
            entropy += 2 * logarithms[count]
    return squares, entropy


@njit(cache=True)
def _features(
    size: int,
    highest: int,
    squares: np.int64,
    pair_entropy: float,
    counts: tuple[Integers, Integers, Integers],
    logarithms: Floats,
    out: Floats,
) -> None:
    """Write the 13 features of one object, channel and direction from its counts.

    These are of single levels, and of the sums and the differences of two.
    """
    single, sums, differences = counts
    total = 2 * size  # every pair counts in both orders
    average, level_terms = 0.0, 0.0
    for level in range(highest + 1):
        average += 2 * level * single[level] / total
        level_terms += logarithms[single[level]]
    sum_variance, sum_terms = 0.0, 0.0
    for level in range(2 * highest + 1):
        count = 2 * sums[level]
        sum_variance += (level - average) ** 2 * count / total
        sum_terms += logarithms[count]
    contrast, difference_terms, similarity, uneven = 0.0, 0.0, 0.0, 0.0
    for step in range(highest + 1):
        count = 2 * differences[step]
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
    out[0] = squares / total / total
    out[1] = contrast
    out[2] = (sum_variance - contrast) / spread if spread else 1.0
    out[3] = spread / 4
    out[4] = similarity
    out[5] = average
    out[6] = sum_variance
    out[7] = (logarithms[total] - sum_terms) / total
    out[8] = entropy
    out[9] = uneven / (highest + 1)
    out[10] = (logarithms[total] - difference_terms) / total
    out[11] = -shared / level_entropy if level_entropy else 0.0
    out[12] = np.sqrt(max(0.0, 1 - np.exp(-2 * shared)))
