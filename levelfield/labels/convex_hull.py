"""Convex hulls and what follows from them: areas and Feret diameters.

Hulls are built in whole pixels from the first and last pixel of every row, so that every decision
is exact. Only the search for the vertices and the Feret diameters are compiled.
"""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Mask
from levelfield.labels.row_extents import RowExtents

_EMPTY = 1 << 40  # the extreme column of a row without object pixels


def hulls(extents: RowExtents) -> tuple[Integers, Integers]:
    """Return the convex hulls of all objects' pixel centres: vertices (V, 2) and starts (n + 1,).

    Object `k` owns `vertices[starts[k]:starts[k + 1]]`, row and column. Each hull begins at its
    leftmost vertex (the upper one of two) and runs along its upper side first.
    """
    left, right = _sides(extents)
    on_left, on_right = (_vertices(side, extents.start) for side in (left, right))
    filled = np.flatnonzero(extents.height)
    for end in (extents.start[filled], extents.start[filled + 1] - 1):
        on_right[end] &= left[end] != -right[end]  # a single pixel is on the left already
    places = np.concatenate([np.flatnonzero(on_left), np.flatnonzero(on_right)])
    is_right = np.arange(places.size) >= np.count_nonzero(on_left)
    owner = np.repeat(np.arange(len(extents.top)), extents.height)
    # Up along the left, down along the right.
    order = np.lexsort((np.where(is_right, places, -places), is_right, owner[places]))
    places, is_right = places[order], is_right[order]
    rows = (places - extents.start[owner[places]]) + extents.top[owner[places]]
    vertices = np.column_stack([rows, np.where(is_right, -right[places], left[places])])
    sizes = np.bincount(owner[places], minlength=len(extents.top))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    leftmost = np.lexsort((*vertices.T, owner[places]))[starts[:-1][sizes > 0]]
    return vertices[_rotated(np.repeat(leftmost, sizes[sizes > 0]), starts, sizes)], starts


def _rotated(leftmost: Integers, starts: Integers, sizes: Integers) -> Integers:
    """Return the places of the vertices if each hull begins at its leftmost one."""
    first, size = np.repeat(starts[:-1], sizes), np.repeat(sizes, sizes)
    return first + (np.arange(first.size) - first + leftmost - first) % size


def _sides(extents: RowExtents) -> tuple[Integers, Integers]:
    """Return the first and the negated last column of every row."""
    empty = extents.right < 0
    left, last = extents.left.astype(np.int64), extents.right.astype(np.int64) - 1
    return np.where(empty, _EMPTY, left), np.where(empty, _EMPTY, -last)


def _vertices(columns: Integers, starts: Integers) -> Mask:
    """Mark the vertices on the convex side where columns are smallest, in each run of rows."""
    is_vertex = np.zeros(columns.size, bool)
    _mark_vertices(columns, starts, np.empty(np.diff(starts).max(initial=0), np.int64), is_vertex)
    return is_vertex


@njit(cache=True)
def _mark_vertices(columns: Integers, starts: Integers, chain: Integers, is_vertex: Mask) -> None:
    for k in range(starts.size - 1):
        size = 0
        for row in range(starts[k], starts[k + 1]):
            if columns[row] == _EMPTY:
                continue
            while size >= 2:
                first, second = chain[size - 2], chain[size - 1]
                bend = (columns[second] - columns[first]) * (row - first)
                if bend < (columns[row] - columns[first]) * (second - first):
                    break  # the middle vertex lies outside the line from the first to the new one
                size -= 1
            chain[size] = row
            size += 1
        for i in range(size):
            is_vertex[chain[i]] = True


def feret_diameters(vertices: Integers, starts: Integers) -> Floats:
    """Return the (n, 2) smallest and largest distances in px between parallel tangents."""
    result = np.zeros((starts.size - 1, 2))
    _feret(vertices, starts, result)
    return result


@njit(cache=True)
def _feret(vertices: Integers, starts: Integers, result: Floats) -> None:
    for k in range(starts.size - 1):
        largest, smallest, size = 0, np.inf, starts[k + 1] - starts[k]
        for i in range(starts[k], starts[k + 1]):
            ahead = i + 1 if i + 1 < starts[k + 1] else starts[k]
            row_step = vertices[ahead, 0] - vertices[i, 0]
            column_step = vertices[ahead, 1] - vertices[i, 1]
            width = 0
            for j in range(starts[k], starts[k + 1]):
                rows, columns = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1]
                largest = max(largest, rows * rows + columns * columns)
                width = max(width, abs(row_step * columns - column_step * rows))
            if row_step != 0 or column_step != 0:
                smallest = min(smallest, width / math.hypot(row_step, column_step))
        result[k, 0] = smallest if size > 2 else 0.0
        result[k, 1] = math.sqrt(largest)


def convex_areas(extents: RowExtents) -> Floats:
    """Return the (n,) numbers of pixels whose centre is in the hull of the pixels' edge centres.

    Works on a grid of half pixels: the edge centres of pixel (r, c) are (2r ± 1, 2c) and
    (2r, 2c ± 1) (scikit-image's ``convex_hull_image``).
    """
    owner = np.repeat(np.arange(len(extents.top)), extents.height)
    first, last = (_pixels_before(side, owner, extents.start) for side in _sides(extents))
    sizes = np.maximum(1 - last - first, 0)
    return np.bincount(owner, sizes, minlength=len(extents.top)).astype(float)


def _pixels_before(columns: Integers, owner: Integers, starts: Integers) -> Integers:
    """Return, for each pixel row, the first pixel column that is not outside the convex side."""
    half_starts = 2 * starts + np.arange(starts.size)
    halves = np.full(half_starts[-1], _EMPTY)
    middle = 2 * np.arange(columns.size) + owner + 1
    filled = columns != _EMPTY
    at, twice = middle[filled], 2 * columns[filled]
    halves[at - 1], halves[at] = twice, twice - 1
    halves[at + 1] = np.minimum(halves[at + 1], twice)
    vertices = np.flatnonzero(_vertices(halves, half_starts))
    below = np.searchsorted(vertices, middle)
    top, bottom = vertices[below - 1], vertices[below]
    rise = halves[top] * (bottom - middle) + halves[bottom] * (middle - top)
    return -((-rise) // (2 * (bottom - top)))  # rounded up to a whole pixel


def hull_areas(extents: RowExtents, pairs: Integers | None = None) -> Floats:
    """Areas in px of the convex hulls around pixel squares, per label or per union of two labels.

    Exact for the outlines of the pixels; 0 for a label without pixels. (p,) for `pairs` (p, 2), the
    labels whose union is wanted; (n,), every single label, without.
    """
    if pairs is None:
        pairs = np.arange(1, len(extents.top) + 1)[:, None]
    members = pairs - 1
    begin = extents.top[members].min(axis=1)
    rows = (extents.top + extents.height)[members].max(axis=1) - begin
    rows[(extents.height[members] == 0).any(axis=1)] = -1
    starts = np.concatenate([[0], np.cumsum(rows + 1)])
    group, label = np.repeat(np.arange(len(pairs)), members.shape[1]), members.ravel()
    group, label = (values[rows[group] >= 0] for values in (group, label))
    # Every row of every member, and where it lies among the rows of its group.
    height = extents.height[label]
    within = np.arange(height.sum()) - np.repeat(np.cumsum(height) - height, height)
    at = np.repeat(extents.start[label], height) + within
    place = np.repeat(starts[group] + extents.top[label] - begin[group], height) + within
    left, last = _sides(extents)
    right = np.where(last == _EMPTY, _EMPTY, last - 1)  # of the pixel squares
    return 0.0 - _areas_before(left[at], place, starts) - _areas_before(right[at], place, starts)


def _areas_before(columns: Integers, place: Integers, starts: Integers) -> Floats:
    """Integrate the convex side of each group over its rows, by the corners of the pixels."""
    corners = np.full(starts[-1], _EMPTY)
    for below in (0, 1):
        np.minimum.at(corners, place + below, columns)
    at = np.flatnonzero(_vertices(corners, starts))
    group = np.searchsorted(starts, at, side="right") - 1
    strips = np.diff(at) * (corners[at][1:] + corners[at][:-1]) / 2
    strips[np.diff(group) > 0] = 0
    return np.bincount(group[1:], strips, len(starts) - 1).astype(float)
