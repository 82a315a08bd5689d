"""Convex hulls and what follows from them: areas and Feret diameters.

Hulls are built in whole pixels from the first and last pixel of every row, so that every decision
is exact.
"""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels
from levelfield.labels.row_extents import RowExtents

_EMPTY = 1 << 40  # the extreme column of a row without object pixels


@njit(cache=True)
def hulls(labels: Labels, boxes: Integers) -> tuple[Integers, Integers]:
    """Return the convex hulls of the pixel centres of all objects.

    Returns
    -------
    vertices : (V, 2) int64
        Row and column of the vertices, object after object. Each hull begins at its leftmost
        vertex (the upper one of two) and runs along its upper side first.
    starts : (n + 1,) int64
        Object `k` owns `vertices[starts[k]:starts[k + 1]]`.
    """
    count = boxes.shape[0]
    starts = np.zeros(count + 1, np.int64)
    vertices = np.empty((2 * np.sum(boxes[:, 1] - boxes[:, 0]), 2), np.int64)
    for k in range(count):
        left, right = _row_extremes(labels, k + 1, boxes[k])
        hull = _hull(left, right)
        size = hull.shape[0]
        for i in range(size):
            vertices[starts[k] + i, 0] = hull[i, 0] + boxes[k, 0]
            vertices[starts[k] + i, 1] = hull[i, 1]
        starts[k + 1] = starts[k] + size
    return vertices[: starts[count]].copy(), starts


@njit(cache=True)
def _row_extremes(labels: Labels, label: int, box: Integers) -> tuple[Integers, Integers]:
    """Return the first and the negated last column of the object in every row of its box."""
    height = box[1] - box[0]
    left = np.full(height, _EMPTY)
    right = np.full(height, _EMPTY)
    for y in range(height):
        for column in range(box[2], box[3]):
            if labels[box[0] + y, column] == label:
                left[y] = min(left[y], column)
                right[y] = -column
    return left, right


@njit(cache=True)
def _chain(columns: Integers) -> Integers:
    """Return the rows of the vertices on the convex side where columns are smallest."""
    rows = np.empty(columns.size, np.int64)
    size = 0
    for row in range(columns.size):
        if columns[row] == _EMPTY:
            continue
        while size >= 2:
            first, second = rows[size - 2], rows[size - 1]
            bend = (columns[second] - columns[first]) * (row - first)
            if bend < (columns[row] - columns[first]) * (second - first):
                break  # the middle vertex lies outside the line from the first to the new one
            size -= 1
        rows[size] = row
        size += 1
    return rows[:size]


@njit(cache=True)
def _hull(left: Integers, right: Integers) -> Integers:
    """Join the two sides of a hull: up along the left, down along the right."""
    up, down = _chain(left), _chain(right)
    joined = np.empty((up.size + down.size, 2), np.int64)
    size = 0
    for row in up[::-1]:
        joined[size, 0], joined[size, 1] = row, left[row]
        size += 1
    for row in down:
        if row == joined[0, 0] and -right[row] == joined[0, 1]:
            continue
        if row == joined[size - 1, 0] and -right[row] == joined[size - 1, 1]:
            continue
        joined[size, 0], joined[size, 1] = row, -right[row]
        size += 1
    begin = 0
    for i in range(size):
        further_left = joined[i, 1] - joined[begin, 1]
        if further_left < 0 or (further_left == 0 and joined[i, 0] < joined[begin, 0]):
            begin = i
    return np.concatenate((joined[begin:size], joined[:begin]))


@njit(cache=True)
def feret_diameters(vertices: Integers, starts: Integers) -> Floats:
    """Return the (n, 2) smallest and largest distances in px between parallel tangents."""
    result = np.zeros((starts.size - 1, 2))
    for k in range(starts.size - 1):
        hull = vertices[starts[k] : starts[k + 1]]
        largest, smallest = 0, np.inf
        for i in range(hull.shape[0]):
            ahead = hull[(i + 1) % hull.shape[0]]
            row_step, column_step = ahead[0] - hull[i, 0], ahead[1] - hull[i, 1]
            width = 0
            for j in range(hull.shape[0]):
                rows, columns = hull[j, 0] - hull[i, 0], hull[j, 1] - hull[i, 1]
                largest = max(largest, rows * rows + columns * columns)
                width = max(width, abs(row_step * columns - column_step * rows))
            if row_step != 0 or column_step != 0:
                smallest = min(smallest, width / math.hypot(row_step, column_step))
        result[k, 0] = smallest if hull.shape[0] > 2 else 0.0
        result[k, 1] = math.sqrt(largest)
    return result


@njit(cache=True)
def convex_areas(labels: Labels, boxes: Integers) -> Floats:
    """Return the (n,) numbers of pixels whose centre is in the hull of the pixels' edge centres.

    Works on a grid of half pixels: the edge centres of pixel (r, c) are (2r ± 1, 2c) and
    (2r, 2c ± 1) (scikit-image's ``convex_hull_image``).
    """
    areas = np.empty(boxes.shape[0])
    for k in range(boxes.shape[0]):
        left, right = _row_extremes(labels, k + 1, boxes[k])
        firsts = _pixels_before(_edge_centres(left))
        lasts = _pixels_before(_edge_centres(right))
        total = 0
        for row in range(left.size):
            total += max(-lasts[row] - firsts[row] + 1, 0)
        areas[k] = total
    return areas


@njit(cache=True)
def _edge_centres(columns: Integers) -> Integers:
    """Return the smallest half-pixel column of the edge centres in each half-pixel row."""
    halves = np.full(2 * columns.size + 1, _EMPTY)
    for row in range(columns.size):
        if columns[row] != _EMPTY:
            column = 2 * columns[row]
            halves[2 * row] = min(halves[2 * row], column)
            halves[2 * row + 1] = column - 1
            halves[2 * row + 2] = column
    return halves


@njit(cache=True)
def _pixels_before(halves: Integers) -> Integers:
    """Return, for each pixel row, the first pixel column that is not outside the chain."""
    chain = _chain(halves)
    columns = np.empty(halves.size // 2, np.int64)
    segment = 0
    for row in range(columns.size):
        half = 2 * row + 1
        while chain[segment + 1] < half:
            segment += 1
        top, bottom = chain[segment], chain[segment + 1]
        rise = halves[top] * (bottom - half) + halves[bottom] * (half - top)
        columns[row] = -((-rise) // (2 * (bottom - top)))  # rounded up to a whole pixel
    return columns


def hull_areas(extents: RowExtents, pairs: Integers | None = None) -> Floats:
    """Areas of the convex hulls around pixel squares, per label or per union of two labels.

    Parameters
    ----------
    extents : RowExtents
        From `levelfield.labels.row_extents.row_extents`.
    pairs : (p, 2) int64, optional
        Labels whose union is wanted; every single label without it.

    Returns
    -------
    (n,) or (p,) float64
        Area in px, exact for the outlines of the pixels; 0 for a label without pixels.
    """
    if pairs is None:
        single = np.arange(1, len(extents.top) + 1)
        pairs = np.stack([single, single], axis=1)
    return _hull_areas(pairs, *extents.arrays())


@njit(cache=True)
def _hull_areas(
    pairs: Integers, top: Integers, height: Integers, start: Integers, left: Labels, right: Labels
) -> Floats:
    """Return the areas between the chains along the left and the right corners of the pixels."""
    areas = np.zeros(len(pairs))
    for index in range(len(pairs)):
        first, second = pairs[index, 0] - 1, pairs[index, 1] - 1
        if height[first] == 0 or height[second] == 0:
            continue
        begin = min(top[first], top[second])
        rows = max(top[first] + height[first], top[second] + height[second]) - begin
        low, high = np.full(rows + 1, _EMPTY), np.full(rows + 1, _EMPTY)
        for label in (first, second):
            for row in range(height[label]):
                at = start[label] + row
                if right[at] < 0:
                    continue
                for corner in range(2):
                    y = top[label] + row + corner - begin
                    low[y] = min(low[y], left[at])
                    high[y] = min(high[y], -right[at])
        areas[index] = -_area_before(low) - _area_before(high)
    return areas


@njit(cache=True)
def _area_before(columns: Integers) -> float:
    """Integrate the columns of a chain over the rows that it spans."""
    chain = _chain(columns)
    area = 0.0
    for i in range(chain.size - 1):
        above, below = chain[i], chain[i + 1]
        area += (below - above) * (columns[above] + columns[below]) / 2
    return area
