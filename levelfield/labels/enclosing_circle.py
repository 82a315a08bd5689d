"""The smallest circle around every object."""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers


def enclosing_circles(vertices: Integers, starts: Integers) -> tuple[Floats, Floats]:
    """Return the smallest circle around each object's pixel centres: centres (n, 2), radii (n,).

    Chrystal (1885), *On the problem to construct the minimum circle enclosing n given points in a
    plane*: start from one side of the hull; while the point that sees it under the smallest angle
    forms an obtuse triangle with it, replace the corner of the obtuse angle by that point. In px;
    the radius of a single pixel is 0.
    """
    points = vertices.astype(float)
    corners = np.empty((starts.size - 1, 3), np.int64)
    _find_corners(points, starts, corners)
    a, b, c = (points[corner] for corner in corners.T)
    on_two = corners[:, 2] < 0
    with np.errstate(divide="ignore", invalid="ignore"):  # two points leave the third open
        centres = np.where(on_two[:, None], (a + b) / 2, _circumcentres(a.T, b.T, c.T))
    step = a - np.where(on_two[:, None], b, centres)
    lengths = np.sqrt(step[:, 0] ** 2 + step[:, 1] ** 2)
    return centres, np.where(on_two, lengths / 2, lengths)


@njit(cache=True)
def _find_corners(points: Floats, starts: Integers, corners: Integers) -> None:
    """Find the two or three vertices that lie on each circle; the third is -1 where two do."""
    for k in range(starts.size - 1):
        begin, end = int(starts[k]), int(starts[k + 1])
        first, second, third = begin, min(begin + 1, end - 1), -1
        while end - begin > 2:
            narrowest, at_first, at_second = np.inf, 0.0, 0.0
            for i in range(begin, end):
                if i != first and i != second:
                    left = _angle(points, first, second, i)
                    right = _angle(points, second, first, i)
                    if math.pi - right - left < narrowest:
                        narrowest = math.pi - right - left
                        third, at_first, at_second = i, left, right
            if math.pi - at_second - at_first >= math.pi / 2:
                third = -1
                break
            if at_first <= math.pi / 2 and at_second <= math.pi / 2:
                break
            if at_first > math.pi / 2:
                first = third
            else:
                second = third
        corners[k, 0] = first
        corners[k, 1] = second
        corners[k, 2] = third


@njit(cache=True)
def _angle(points: Floats, corner: int, end: int, other: int) -> float:
    """Return the angle in radians at a corner between the directions to two points."""
    a, b = points[end, 0] - points[corner, 0], points[end, 1] - points[corner, 1]
    c, d = points[other, 0] - points[corner, 0], points[other, 1] - points[corner, 1]
    cosine = (a * c + b * d) / math.sqrt((a * a + b * b) * (c * c + d * d))
    return abs(math.acos(min(max(cosine, -1.0), 1.0)))


def _circumcentres(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return the (n, 2) centres of the circles through three points, each (2, n)."""
    area = 2 * (a[1] * (b[0] - c[0]) + b[1] * (c[0] - a[0]) + c[1] * (a[0] - b[0]))
    first, second, third = (point[0] ** 2 + point[1] ** 2 for point in (a, b, c))
    row = (first * (c[1] - b[1]) + second * (a[1] - c[1]) + third * (b[1] - a[1])) / area
    column = (first * (b[0] - c[0]) + second * (c[0] - a[0]) + third * (a[0] - b[0])) / area
    return np.column_stack([row, column])
