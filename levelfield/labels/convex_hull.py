"""Convex hulls and what follows from them: Feret diameters, convex area, enclosing circle.

Hulls are built in whole pixels from the first and last pixel of every row, so that every decision
is exact.
"""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels

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
                break  # the middle one lies outside the line from the first to the new one
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


@njit(cache=True)
def enclosing_circles(vertices: Integers, starts: Integers) -> tuple[Floats, Floats]:
    """Return the smallest circle around the pixel centres of each object.

    Chrystal (1885), *On the problem to construct the minimum circle enclosing n given points in a
    plane*: start from one side of the hull; while the point that sees it under the smallest angle
    forms an obtuse triangle with it, replace the corner of the obtuse angle by that point.

    Returns
    -------
    centres : (n, 2) float64
        Row and column in px.
    radii : (n,) float64
        In px; 0 for a single pixel.
    """
    centres = np.zeros((starts.size - 1, 2))
    radii = np.zeros(starts.size - 1)
    for k in range(starts.size - 1):
        hull = vertices[starts[k] : starts[k + 1]].astype(np.float64)
        size = hull.shape[0]
        if size == 1:
            centres[k] = hull[0]
            continue
        first, second, third = 0, 1, -1
        while size > 2:
            third, at_first, at_second = _narrowest(hull, first, second)
            at_third = math.pi - at_second - at_first
            if at_third >= math.pi / 2:
                third = -1
                break
            if at_first <= math.pi / 2 and at_second <= math.pi / 2:
                break
            if at_first > math.pi / 2:
                first = third
            else:
                second = third
        if third < 0:
            centres[k] = (hull[first] + hull[second]) / 2
            step = hull[first] - hull[second]
            radii[k] = math.sqrt(step[0] ** 2 + step[1] ** 2) / 2
        else:
            centres[k] = _circumcentre(hull[first], hull[second], hull[third])
            step = hull[first] - centres[k]
            radii[k] = math.sqrt(step[0] ** 2 + step[1] ** 2)
    return centres, radii


@njit(cache=True)
def _narrowest(hull: Floats, first: int, second: int) -> tuple[int, float, float]:
    """Return the point that sees a chord under the smallest angle, and the angles at its ends."""
    best, narrowest, at_first, at_second = -1, np.inf, 0.0, 0.0
    for i in range(hull.shape[0]):
        if i != first and i != second:
            one = _angle(hull[first], hull[second], hull[i])
            two = _angle(hull[second], hull[first], hull[i])
            seen = math.pi - two - one
            if seen < narrowest:
                best, narrowest, at_first, at_second = i, seen, one, two
    return best, at_first, at_second


@njit(cache=True)
def _angle(corner: Floats, one: Floats, two: Floats) -> float:
    """Return the angle in radians at a corner between the directions to two points."""
    a, b = one[0] - corner[0], one[1] - corner[1]
    c, d = two[0] - corner[0], two[1] - corner[1]
    cosine = (a * c + b * d) / math.sqrt((a * a + b * b) * (c * c + d * d))
    return abs(math.acos(min(max(cosine, -1.0), 1.0)))


@njit(cache=True)
def _circumcentre(one: Floats, two: Floats, three: Floats) -> Floats:
    """Return the (row, column) of the circle through three points."""
    area = 2 * (
        one[1] * (two[0] - three[0]) + two[1] * (three[0] - one[0]) + three[1] * (one[0] - two[0])
    )
    first = one[0] ** 2 + one[1] ** 2
    second = two[0] ** 2 + two[1] ** 2
    third = three[0] ** 2 + three[1] ** 2
    row = (
        first * (three[1] - two[1]) + second * (one[1] - three[1]) + third * (two[1] - one[1])
    ) / area
    column = (
        first * (two[0] - three[0]) + second * (three[0] - one[0]) + third * (one[0] - two[0])
    ) / area
    return np.array([row, column])
