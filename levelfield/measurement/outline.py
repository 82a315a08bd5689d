"""Outlines: perimeter, Euler number and filled area of every object."""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels

# Contribution to Crofton's perimeter and to the Euler number (8-connected object) of each pattern
# of four neighbouring pixels; bits: pixel 1, above 2, left 4, above left 8.
_DIAGONAL = math.sqrt(0.5)
_CROFTON_STEPS = (
    *(0, 1 + _DIAGONAL, _DIAGONAL, 2 * _DIAGONAL, 0, 1 + _DIAGONAL, 0, _DIAGONAL),
    *(1, 2, _DIAGONAL, _DIAGONAL, 1, 2, 0, 0),
)
_CROFTON = math.pi / 4 * np.array(_CROFTON_STEPS)
_EULER = np.array([0, 0, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0, 0, -1, 0])


def perimeters(labels: Labels, positions: Integers, starts: Integers) -> Floats:
    """Return the (n,) lengths of the outlines in px.

    A pixel with a 4-neighbour outside the object is on the outline; it counts 1, (1 + √2) / 2 or
    √2 after the number of its straight and diagonal neighbours on the outline (Benkrid and
    Crookes, *Design and FPGA implementation of a perimeter estimator*; scikit-image's perimeter).
    """
    steps = _outline_steps(_outline(labels, positions), positions, starts)
    return steps @ np.array([1.0, (1 + math.sqrt(2)) / 2, math.sqrt(2)])


def crofton_and_euler(labels: Labels, boxes: Integers) -> tuple[Floats, Floats]:
    """Return the (n,) perimeters by Crofton's formula in four directions (px) and Euler numbers."""
    patterns = _patterns(labels, boxes)
    return patterns @ _CROFTON, (patterns @ _EULER).astype(float)


@njit(cache=True)
def _outline(labels: Labels, positions: Integers) -> Labels:
    """Return the labels of the outline pixels, 0 elsewhere."""
    rows, columns = labels.shape
    outline = np.zeros_like(labels)
    for position in positions:
        row, column = position // columns, position % columns
        label = labels[row, column]
        if (
            row == 0
            or column == 0
            or row == rows - 1
            or column == columns - 1
            or labels[row - 1, column] != label
            or labels[row + 1, column] != label
            or labels[row, column - 1] != label
            or labels[row, column + 1] != label
        ):
            outline[row, column] = label
    return outline


@njit(cache=True)
def _outline_steps(outline: Labels, positions: Integers, starts: Integers) -> Floats:
    """Count, per object, outline pixels of weight 1, (1 + √2) / 2 and √2."""
    rows, columns = outline.shape
    steps = np.zeros((starts.size - 1, 3))
    for k in range(starts.size - 1):
        for i in range(starts[k], starts[k + 1]):
            row, column = positions[i] // columns, positions[i] % columns
            if outline[row, column] == 0:
                continue
            straight, diagonal = 0, 0
            for y in range(max(row - 1, 0), min(row + 2, rows)):
                for x in range(max(column - 1, 0), min(column + 2, columns)):
                    if outline[y, x] == k + 1:
                        if y != row and x != column:
                            diagonal += 1
                        elif y != row or x != column:
                            straight += 1
            if diagonal <= 2 and (straight == 2 or straight == 3):
                steps[k, 0] += 1
            elif straight == 1 and (diagonal == 1 or diagonal == 2):
                steps[k, 1] += 1
            elif (straight == 0 and diagonal == 2) or (straight == 1 and diagonal == 3):
                steps[k, 2] += 1
    return steps


@njit(cache=True)
def _patterns(labels: Labels, boxes: Integers) -> Floats:
    """Count, per object, the 16 patterns of four neighbouring pixels."""
    columns = labels.shape[1]
    patterns = np.zeros((boxes.shape[0], 16))
    for k in range(boxes.shape[0]):
        top, bottom, left, right = boxes[k]
        for row in range(top, bottom + 1):
            above, here = 0, 0  # the two pixels of the column on the left: upper 8, lower 4
            for column in range(left, right + 1):
                new_above, new_here = 0, 0
                if column < columns:
                    if row > top and labels[row - 1, column] == k + 1:
                        new_above = 1
                    if row < bottom and labels[row, column] == k + 1:
                        new_here = 1
                patterns[k, new_here + 2 * new_above + 4 * here + 8 * above] += 1
                above, here = new_above, new_here
    return patterns


@njit(cache=True)
def filled_areas(labels: Labels, boxes: Integers) -> Floats:
    """Return the (n,) areas with holes filled, in px².

    A hole is background that is not 8-connected to the outside of the object's bounding box.
    """
    areas = np.empty(boxes.shape[0])
    for k in range(boxes.shape[0]):
        top, bottom, left, right = boxes[k]
        height, width = bottom - top + 2, right - left + 2
        reached = np.zeros((height, width), np.bool_)  # the box with a margin of one pixel
        stack = np.empty(height * width, np.int64)
        stack[0], waiting, outside = 0, 1, 1
        reached[0, 0] = True
        while waiting:
            waiting -= 1
            row, column = stack[waiting] // width, stack[waiting] % width
            for y in range(max(row - 1, 0), min(row + 2, height)):
                for x in range(max(column - 1, 0), min(column + 2, width)):
                    if reached[y, x]:
                        continue
                    inside = 0 < y < height - 1 and 0 < x < width - 1
                    if inside and labels[top + y - 1, left + x - 1] == k + 1:
                        continue
                    reached[y, x] = True
                    outside += 1
                    stack[waiting] = y * width + x
                    waiting += 1
        areas[k] = height * width - outside
    return areas
