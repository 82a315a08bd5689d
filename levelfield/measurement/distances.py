"""Distance of every object pixel to the nearest pixel outside its object."""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels
from levelfield.measurement.pixels import ObjectPixels

# The squared distance where no pixel lies outside the object.
NO_OUTSIDE = 1 << 30


def squared_distances(pixels: ObjectPixels, border_is_outside: bool) -> Integers:
    """Return the (P,) squared distances in px² to the nearest pixel outside the object.

    One exact Euclidean transform per bounding box (Felzenszwalb and Huttenlocher 2012), so that
    touching objects do not shadow each other and the cost follows the objects. What lies beyond the
    image is outside of all objects on demand: so for CellProfiler's radii, not for its radial
    distribution.
    """
    result = np.empty(pixels.positions.size, np.int64)
    height, width = (pixels.boxes[:, 1::2] - pixels.boxes[:, ::2]).max(axis=0) + 2
    where = (pixels.labels, pixels.starts, pixels.positions, pixels.boxes)
    field, line = np.empty((height, width), np.int64), np.empty((3, width + 1))
    _transform(*where, border_is_outside, field, line, result)
    return result


@njit(cache=True)
def _transform(
    labels: Labels,
    starts: Integers,
    positions: Integers,
    boxes: Integers,
    border_is_outside: bool,
    field: Integers,
    line: Floats,
    result: Integers,
) -> None:
    """Fill in the result; `field` and `line` are room for the largest box and its rows."""
    columns = labels.shape[1]
    for k in range(boxes.shape[0]):
        top, left = boxes[k, 0] - 1, boxes[k, 2] - 1
        height, width = boxes[k, 1] - top + 1, boxes[k, 3] - left + 1
        for x in range(width):
            _column_distances(labels, k + 1, top, left + x, border_is_outside, field, height, x)
        for y in range(height):
            _row_distances(field, y, width, line)
        for i in range(starts[k], starts[k + 1]):
            result[i] = field[positions[i] // columns - top, positions[i] % columns - left]


@njit(cache=True)
def _column_distances(
    labels: Labels,
    label: int,
    top: int,
    column: int,
    border_is_outside: bool,
    field: Integers,
    height: int,
    x: int,
) -> None:
    """Squared distance to the nearest outside pixel in the same column; box with a 1 px margin."""
    rows, columns = labels.shape
    distance = NO_OUTSIDE
    for y in range(height):
        row = top + y
        outside = border_is_outside
        if 0 <= row < rows and 0 <= column < columns:
            outside = labels[row, column] != label
        distance = 0 if outside else min(distance + 1, NO_OUTSIDE)
        field[y, x] = distance
    distance = NO_OUTSIDE
    for y in range(height - 1, -1, -1):
        distance = min(distance + 1, field[y, x])
        field[y, x] = distance * distance if distance < NO_OUTSIDE else NO_OUTSIDE


@njit(cache=True)
def _row_distances(field: Integers, y: int, width: int, line: Floats) -> None:
    """Complete the transform along a row, in place, by the lower envelope of parabolas."""
    heights, apex, begin = 0, 1, 2  # rows of `line`
    last = -1
    for x in range(width):
        line[heights, x] = field[y, x]
        if field[y, x] >= NO_OUTSIDE:
            continue
        start = -np.inf
        while last >= 0:
            other = int(line[apex, last])
            rise = field[y, x] + x * x - line[heights, other] - other * other
            start = rise / (2.0 * (x - other))
            if start > line[begin, last]:
                break
            last -= 1
            start = -np.inf
        last += 1
        line[apex, last] = x
        line[begin, last] = start
    if last < 0:
        return
    line[begin, last + 1] = np.inf
    piece = 0
    for x in range(width):
        while line[begin, piece + 1] < x:
            piece += 1
        other = int(line[apex, piece])
        field[y, x] = line[heights, other] + (x - other) ** 2


def radii(squared: Integers, starts: Integers) -> Floats:
    """Return the (n, 3) largest, mean and median distances in px of each object."""
    result = np.empty((starts.size - 1, 3))
    _radii(squared, starts, np.zeros(squared.max() + 1, np.int64), result)
    return result


@njit(cache=True)
def _radii(squared: Integers, starts: Integers, tally: Integers, result: Floats) -> None:
    """Fill in the result by a tally of squared distances, all zero again after each object."""
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
