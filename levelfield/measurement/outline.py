"""Outlines: perimeter, Euler number and filled area of every object."""

import itertools
import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels, Mask
from levelfield.measurement.pixels import ObjectPixels, edge_pixels

# Contribution to Crofton's perimeter and to the Euler number (8-connected object) of each pattern
# of four neighbouring pixels; bits: pixel 1, above 2, left 4, above left 8.
_DIAGONAL = math.sqrt(0.5)
_CROFTON_STEPS = (
    *(0, 1 + _DIAGONAL, _DIAGONAL, 2 * _DIAGONAL, 0, 1 + _DIAGONAL, 0, _DIAGONAL),
    *(1, 2, _DIAGONAL, _DIAGONAL, 1, 2, 0, 0),
)
_CROFTON = math.pi / 4 * np.array(_CROFTON_STEPS)
_EULER = np.array([0, 0, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0, 0, -1, 0])


def perimeters(pixels: ObjectPixels) -> Floats:
    """Return the (n,) lengths of the outlines in px.

    A pixel with a 4-neighbour outside the object is on the outline; it counts 1, (1 + √2) / 2 or
    √2 after the number of its straight and diagonal neighbours on the outline (Benkrid and
    Crookes, *Design and FPGA implementation of a perimeter estimator*; scikit-image's perimeter).
    """
    edge = edge_pixels(pixels, border=True)
    rows, columns = (places[edge] + 1 for places in pixels.places)
    owner = pixels.owner[edge]
    outline = np.full((pixels.shape[0] + 2, pixels.shape[1] + 2), -1)
    outline[rows, columns] = owner
    beside = np.zeros((2, owner.size), int)  # neighbours on the outline: straight, diagonal
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        if down or right:
            beside[abs(down * right)] += outline[rows + down, columns + right] == owner
    straight, diagonal = beside
    kinds = (
        (diagonal <= 2) & ((straight == 2) | (straight == 3)),
        (straight == 1) & ((diagonal == 1) | (diagonal == 2)),
        ((straight == 0) & (diagonal == 2)) | ((straight == 1) & (diagonal == 3)),
    )
    steps = np.column_stack([np.bincount(owner, kind, pixels.count) for kind in kinds])
    return steps @ np.array([1.0, (1 + math.sqrt(2)) / 2, math.sqrt(2)])


def crofton_and_euler(labels: Labels, boxes: Integers) -> tuple[Floats, Floats]:
    """Return the (n,) perimeters by Crofton's formula in four directions (px) and Euler numbers."""
    patterns = np.zeros((len(boxes), 16))
    _count_patterns(labels, boxes, patterns)
    return patterns @ _CROFTON, (patterns @ _EULER).astype(float)


@njit(cache=True)
def _count_patterns(labels: Labels, boxes: Integers, patterns: Floats) -> None:
    """Count, per object, the 16 patterns of four neighbouring pixels."""
    columns = labels.shape[1]
    for k in range(boxes.shape[0]):
        top, bottom = boxes[k, 0], boxes[k, 1]
        for row in range(top, bottom + 1):
            left = 0  # the two pixels of the column on the left: upper 8, lower 4
            for column in range(boxes[k, 2], boxes[k, 3] + 1):
                here = 0
                if column < columns:
                    if row > top and labels[row - 1, column] == k + 1:
                        here = 2
                    if row < bottom and labels[row, column] == k + 1:
                        here += 1
                patterns[k, here + 4 * left] += 1
                left = here


def filled_areas(labels: Labels, boxes: Integers) -> Floats:
    """Return the (n,) areas with holes filled, in px².

    A hole is background that is not 8-connected to the outside of the object's bounding box.
    """
    areas = np.empty(len(boxes))
    largest = int(
        ((boxes[:, 1] - boxes[:, 0] + 2) * (boxes[:, 3] - boxes[:, 2] + 2)).max(initial=0)
    )
    _fill(labels, boxes, np.empty(largest, bool), np.empty(largest, np.int64), areas)
    return areas


@njit(cache=True)
def _fill(labels: Labels, boxes: Integers, reached: Mask, stack: Integers, areas: Floats) -> None:
    """Count what is not reached from the corner of each box, which has a margin of one pixel."""
    for k in range(boxes.shape[0]):
        top, left = boxes[k, 0] - 1, boxes[k, 2] - 1
        height, width = boxes[k, 1] - top + 1, boxes[k, 3] - left + 1
        for i in range(height * width):
            reached[i] = i == 0
        stack[0] = 0
        waiting, outside = 1, 1
        while waiting:
            waiting -= 1
            row, column = stack[waiting] // width, stack[waiting] % width
            for y in range(max(row - 1, 0), min(row + 2, height)):
                for x in range(max(column - 1, 0), min(column + 2, width)):
                    margin = y == 0 or x == 0 or y == height - 1 or x == width - 1
                    open_to = margin or labels[top + y, left + x] != k + 1
                    if open_to and not reached[y * width + x]:
                        reached[y * width + x] = True
                        outside += 1
                        stack[waiting] = y * width + x
                        waiting += 1
        areas[k] = height * width - outside
