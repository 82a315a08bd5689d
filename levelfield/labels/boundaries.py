"""Boundaries of objects, and distances to them."""

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Image, Labels, Mask


def inner_distance(labels: Labels) -> Image:
    """Distance of each object pixel to the edge of its own object, in px.

    Touching objects are treated as apart, in one Euclidean transform for the whole image: pixels
    on an inner boundary are half a pixel from the edge, the others half a pixel more than their
    distance to the nearest such pixel. The border of the image is not an edge.
    """
    boundary = inner_boundary(labels, background_only=False)
    foreground = labels > 0
    if not boundary.any():
        return np.where(foreground, np.float32(np.hypot(*labels.shape)), np.float32(0))
    return np.where(foreground, distance_to(boundary, foreground) + 0.5, 0).astype(np.float32)


def distance_to(targets: Mask, wanted: Mask) -> Floats:
    """Euclidean distance in px to the nearest target, of one at least; 0 where it is not wanted."""
    along, squared = np.empty(targets.shape, np.int32), np.zeros(targets.shape)
    _square_distances(targets, wanted, along, squared)
    return np.sqrt(squared)


# numba: exact, and quicker than the transform of a whole image: objects are small, so that the
# nearest target is a few columns away
@njit(cache=True)
def _square_distances(targets: Mask, wanted: Mask, along: Labels, squared: Floats) -> None:
    """Find squared distances; those to the nearest target of a column are left in `along`."""
    height, width = targets.shape
    none = height + width
    for x in range(width):
        along[0, x] = 0 if targets[0, x] else none
    for y in range(1, height):
        for x in range(width):
            along[y, x] = 0 if targets[y, x] else min(along[y - 1, x] + 1, none)
    for y in range(height - 2, -1, -1):
        for x in range(width):
            along[y, x] = min(along[y, x], along[y + 1, x] + 1)
    for y in range(height):
        for x in range(width):
            if not wanted[y, x]:
                continue
            least = np.int64(along[y, x]) ** 2
            reach = 1
            while reach * reach < least and reach < width:
                for other in (x - reach, x + reach):
                    if 0 <= other < width:
                        least = min(least, reach * reach + np.int64(along[y, other]) ** 2)
                reach += 1
            squared[y, x] = least


def inner_boundary(labels: Labels, background_only: bool) -> Mask:
    """Mark object pixels with a 4-neighbour of another label (or, if asked, of background)."""
    boundary = np.zeros(labels.shape, bool)
    _mark_boundary(labels, background_only, boundary)
    return boundary


@njit(cache=True)
def _mark_boundary(labels: Labels, background_only: bool, boundary: Mask) -> None:
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            own = labels[y, x]
            if own <= 0:
                continue
            for other_y, other_x in ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)):
                if 0 <= other_y < height and 0 <= other_x < width:
                    other = labels[other_y, other_x]
                    if other == 0 if background_only else other != own:
                        boundary[y, x] = True
