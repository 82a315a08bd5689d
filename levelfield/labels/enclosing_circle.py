"""The smallest circle around every object."""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers


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
            left = _angle(hull[first], hull[second], hull[i])
            right = _angle(hull[second], hull[first], hull[i])
            seen = math.pi - right - left
            if seen < narrowest:
                best, narrowest, at_first, at_second = i, seen, left, right
    return best, at_first, at_second


@njit(cache=True)
def _angle(corner: Floats, end: Floats, other: Floats) -> float:
    """Return the angle in radians at a corner between the directions to two points."""
    a, b = end[0] - corner[0], end[1] - corner[1]
    c, d = other[0] - corner[0], other[1] - corner[1]
    cosine = (a * c + b * d) / math.sqrt((a * a + b * b) * (c * c + d * d))
    return abs(math.acos(min(max(cosine, -1.0), 1.0)))


@njit(cache=True)
def _circumcentre(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return the (row, column) of the circle through three points."""
    area = 2 * (a[1] * (b[0] - c[0]) + b[1] * (c[0] - a[0]) + c[1] * (a[0] - b[0]))
    first = a[0] ** 2 + a[1] ** 2
    second = b[0] ** 2 + b[1] ** 2
    third = c[0] ** 2 + c[1] ** 2
    row = (first * (c[1] - b[1]) + second * (a[1] - c[1]) + third * (b[1] - a[1])) / area
    column = (first * (b[0] - c[0]) + second * (c[0] - a[0]) + third * (a[0] - b[0])) / area
    return np.array([row, column])
