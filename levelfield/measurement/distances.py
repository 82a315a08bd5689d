"""Distance of every object pixel to the nearest pixel outside its object."""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels

# The squared distance where no pixel lies outside the object.
NO_OUTSIDE = 1 << 30


@njit(cache=True)
def squared_distances(
    labels: Labels, starts: Integers, positions: Integers, boxes: Integers, border_is_outside: bool
) -> Integers:
    """Return the (P,) squared distances in px² to the nearest pixel outside the object.

    One exact Euclidean transform per bounding box (Felzenszwalb and Huttenlocher 2012), so that
    touching objects do not shadow each other and the cost follows the objects.

    Parameters
    ----------
    border_is_outside : bool
        Whether what lies beyond the image counts as outside the object (CellProfiler's radii) or
        not (CellProfiler's radial distribution).
    """
    width = labels.shape[1]
    result = np.empty(positions.size, np.int64)
    for k in range(boxes.shape[0]):
        field = _column_distances(labels, k + 1, boxes[k], border_is_outside)
        _row_distances(field)
        for i in range(starts[k], starts[k + 1]):
            row, column = positions[i] // width, positions[i] % width
            result[i] = field[row - boxes[k, 0] + 1, column - boxes[k, 2] + 1]
    return result


@njit(cache=True)
def _column_distances(
    labels: Labels, label: int, box: Integers, border_is_outside: bool
) -> Integers:
    """Squared distance to the nearest outside pixel in the same column; box with a 1 px margin."""
    rows, columns = labels.shape
    height, width = box[1] - box[0] + 2, box[3] - box[2] + 2
    field = np.empty((height, width), np.int64)
    for x in range(width):
        column = box[2] + x - 1
        distance = NO_OUTSIDE
        for y in range(height):
            row = box[0] + y - 1
            if 0 <= row < rows and 0 <= column < columns:
                outside = labels[row, column] != label
            else:
                outside = border_is_outside
            distance = 0 if outside else min(distance + 1, NO_OUTSIDE)
            field[y, x] = distance
        distance = NO_OUTSIDE
        for y in range(height - 1, -1, -1):
            distance = min(distance + 1, field[y, x])
            field[y, x] = distance * distance if distance < NO_OUTSIDE else NO_OUTSIDE
    return field


@njit(cache=True)
def _row_distances(field: Integers) -> None:
    """Complete the transform along rows, in place, by the lower envelope of parabolas."""
    width = field.shape[1]
    apex = np.empty(width, np.int64)
    begin = np.empty(width + 1)
    heights = np.empty(width, np.int64)
    for y in range(field.shape[0]):
        heights[:] = field[y]
        last = -1
        for x in range(width):
            if heights[x] >= NO_OUTSIDE:
                continue
            start = -np.inf
            while last >= 0:
                other = apex[last]
                start = (heights[x] + x * x - heights[other] - other * other) / (2.0 * (x - other))
                if start > begin[last]:
                    break
                last -= 1
                start = -np.inf
            last += 1
            apex[last] = x
            begin[last] = start
        if last < 0:
            continue
        begin[last + 1] = np.inf
        piece = 0
        for x in range(width):
            while begin[piece + 1] < x:
                piece += 1
            field[y, x] = heights[apex[piece]] + (x - apex[piece]) ** 2


@njit(cache=True)
def radii(squared: Integers, starts: Integers) -> Floats:
    """Return the (n, 3) largest, mean and median distances in px of each object."""
    result = np.empty((starts.size - 1, 3))
    tally = np.zeros(np.max(squared) + 1, np.int64)  # all zero again after each object
    for k in range(starts.size - 1):
        size, largest = starts[k + 1] - starts[k], 0
        for i in range(starts[k], starts[k + 1]):
            tally[squared[i]] += 1
            largest = max(largest, squared[i])
        total, counted, lower, upper = 0.0, 0, -1, -1
        for square in range(largest + 1):
            if tally[square]:
                total += tally[square] * math.sqrt(square)
                counted += tally[square]
                tally[square] = 0
                if lower < 0 and counted > (size - 1) // 2:
                    lower = square
                if upper < 0 and counted > size // 2:
                    upper = square
        result[k, 0] = math.sqrt(largest)
        result[k, 1] = total / size
        result[k, 2] = (math.sqrt(lower) + math.sqrt(upper)) / 2
    return result
