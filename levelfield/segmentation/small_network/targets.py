"""What the network learns to predict: every classic representation of a label image.

A pixel of label -1 is *unknown*: nobody has said what it is, and no loss looks at it.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Labels = NDArray[np.int32]

N_RAYS = 32
# Near pairs join pixels to objects, far pairs tell objects apart; (y, x) in px.
AFFINITY_OFFSETS = (
    *((-1, 0), (0, -1)),
    *((-3, 0), (0, -3)),
    *((-7, 0), (0, -7), (-6, -6), (-6, 6)),
    *((-13, 0), (0, -13)),
)
N_NEAR = 2  # the first offsets join pixels, the others tell objects apart
BACKGROUND, INTERIOR, BOUNDARY = 0, 1, 2
UNKNOWN_PAIR, BOTH_BACKGROUND, OBJECT_AND_BACKGROUND, SAME_OBJECT, DIFFERENT_OBJECTS = range(5)
_OFFSETS = np.array(AFFINITY_OFFSETS)
_NOWHERE = 1e4  # px; further than any object is wide


@dataclass(frozen=True)
class Targets:
    """A label image in all representations.

    Attributes
    ----------
    known : (Y, X) bool
        Pixels that somebody annotated.
    foreground : (Y, X) bool
        Pixels of objects.
    classes : (Y, X) uint8
        `BACKGROUND`, `INTERIOR` or `BOUNDARY` (Caicedo et al. 2019).
    distance : (Y, X) float32
        Distance to the nearest pixel outside of the object, 1 at the object's centre.
    flow : (2, Y, X) float32
        Unit vectors (y, x) up the heat that spreads from the object's centre (Cellpose, Stringer
        et al. 2021); 0 in the background.
    pairs : (n_offsets, Y, X) uint8
        What the pixel and the one at each of `AFFINITY_OFFSETS` are to each other: `UNKNOWN_PAIR`,
        `BOTH_BACKGROUND`, `OBJECT_AND_BACKGROUND`, `SAME_OBJECT` or `DIFFERENT_OBJECTS` (the
        affinities of Wolf et al. 2018).
    star_distances : (N_RAYS, Y/2, X/2) float32
        px from every second pixel to the object's edge, along evenly spread rays that start along
        +x and turn towards +y (StarDist, Schmidt et al. 2018); 0 in the background.
    """

    known: NDArray[np.bool_]
    foreground: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    distance: NDArray[np.float32]
    flow: NDArray[np.float32]
    pairs: NDArray[np.uint8]
    star_distances: NDArray[np.float32]


def make_targets(labels: Labels) -> Targets:
    """Turn labels (Y, X), -1 where unknown, into every representation that the network predicts.

    Raises
    ------
    ValueError
        If the image is not two-dimensional with even sides.
    """
    if labels.ndim != 2 or labels.shape[0] % 2 or labels.shape[1] % 2:
        raise ValueError(f"labels of shape {labels.shape}; targets need (Y, X) with even sides")
    objects = _consecutive(labels)
    distance = distance_to_outside(objects)
    inside = objects > 0
    peaks = np.zeros(objects.max() + 1, np.float32)
    np.maximum.at(peaks, objects[inside], np.where(distance < _NOWHERE, distance, 0)[inside])
    normalised = np.zeros(labels.shape, np.float32)
    own_peak = peaks[objects[inside]]
    normalised[inside] = np.minimum(distance[inside], own_peak) / np.maximum(own_peak, 1)
    return Targets(
        known=labels >= 0,
        foreground=inside,
        classes=_classes(objects),
        distance=normalised,
        flow=_heat_flow(objects),
        pairs=_pairs(objects, _OFFSETS),
        star_distances=_star_distances(objects, N_RAYS),
    )


def _consecutive(labels: Labels) -> Labels:
    """Give the objects the numbers 1..n, so that tables over them stay short."""
    present = np.bincount(labels[labels > 0], minlength=1) > 0
    numbers = np.cumsum(present, dtype=np.int32)
    return np.where(labels > 0, numbers[np.maximum(labels, 0)], np.minimum(labels, 0))


@njit(cache=True, nogil=True)
def _classes(labels: Labels) -> NDArray[np.uint8]:
    # Boundary: object pixels beside anything else, and background squeezed between two objects, so
    # that what is left of touching objects never touches.
    height, width = labels.shape
    classes = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            own, first, edge, between = labels[y, x], 0, False, False
            for other_y in range(max(y - 1, 0), min(y + 2, height)):
                for other_x in range(max(x - 1, 0), min(x + 2, width)):
                    other = labels[other_y, other_x]
                    edge = edge or (other != own and other >= 0)
                    if other > 0:
                        between = between or (first != 0 and other != first)
                        first = other
            if own > 0:
                classes[y, x] = BOUNDARY if edge else INTERIOR
            elif between:
                classes[y, x] = BOUNDARY
    return classes


@njit(cache=True, nogil=True)
def distance_to_outside(labels: Labels) -> NDArray[np.float32]:
    """Return each object pixel's distance (px) to the nearest pixel that is not its object's.

    All objects at once, touching or not, which an exact transform would have to visit one by one:
    a chamfer of 5 x 5 px, within 2 % of the Euclidean distance (Borgefors 1986). Where the image or
    what is known ends, no object ends.
    """
    height, width = labels.shape
    distance = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if labels[y, x] <= 0:
                continue
            edge = False
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    other = labels[y + dy, x + dx]
                    edge = edge or (other != labels[y, x] and other >= 0)
            distance[y, x] = 1.0 if edge else _NOWHERE
    for sweep in range(2):
        sign = -1 if sweep == 0 else 1
        for row in range(height):
            for column in range(width):
                y = row if sweep == 0 else height - 1 - row
                x = column if sweep == 0 else width - 1 - column
                nearest = distance[y, x]
                if nearest <= 1:
                    continue
                for dy, dx, step in (
                    (0, sign, 1.0),
                    (sign, 0, 1.0),
                    (sign, sign, 1.4),
                    (sign, -sign, 1.4),
                    (sign, 2, 2.2),
                    (sign, -2, 2.2),
                    (2 * sign, 1, 2.2),
                    (2 * sign, -1, 2.2),
                ):
                    if not (0 <= y + dy < height and 0 <= x + dx < width):
                        continue
                    if labels[y + dy, x + dx] == labels[y, x]:
                        nearest = min(nearest, distance[y + dy, x + dx] + step)
                distance[y, x] = nearest
    return distance


@njit(cache=True, nogil=True)
def _heat_flow(labels: Labels) -> NDArray[np.float32]:
    height, width = labels.shape
    flow = np.zeros((2, height, width), np.float32)
    n_objects = max(labels.max(), 0)
    top = np.full(n_objects + 1, height)
    left = np.full(n_objects + 1, width)
    bottom = np.zeros(n_objects + 1, np.int64)
    right = np.zeros(n_objects + 1, np.int64)
    for y in range(height):
        for x in range(width):
            label = max(labels[y, x], 0)
            top[label], bottom[label] = min(top[label], y), max(bottom[label], y)
            left[label], right[label] = min(left[label], x), max(right[label], x)
    for label in range(1, n_objects + 1):
        first_y, first_x = top[label], left[label]
        box = labels[first_y : bottom[label] + 1, first_x : right[label] + 1]
        _object_flow(box, label, flow[:, first_y : bottom[label] + 1, first_x : right[label] + 1])
    return flow


@njit(cache=True, nogil=True)
def _object_flow(box: Labels, label: int, flow: NDArray[np.float32]) -> None:
    height, width = box.shape
    # One pixel of margin that belongs to nobody, so that neighbours need no bounds checks.
    inside = np.zeros((height + 2, width + 2), np.float32)
    for y in range(height):
        for x in range(width):
            inside[y + 1, x + 1] = box[y, x] == label
    centre_y, centre_x = _central_pixel(inside)
    heat = np.zeros((height + 2, width + 2), np.float32)
    # Sweeping in place, forwards and back, spreads the heat in far fewer rounds than steps that
    # all read the round before.
    for sweep in range((height + width) // 3 + 8):
        heat[centre_y, centre_x] += 1
        for row in range(1, height + 1):
            y = row if sweep % 2 == 0 else height + 1 - row
            for column in range(1, width + 1):
                x = column if sweep % 2 == 0 else width + 1 - column
                if inside[y, x]:
                    above = heat[y - 1, x - 1] + heat[y - 1, x] + heat[y - 1, x + 1]
                    beside = heat[y, x - 1] + heat[y, x] + heat[y, x + 1]
                    below = heat[y + 1, x - 1] + heat[y + 1, x] + heat[y + 1, x + 1]
                    heat[y, x] = (above + beside + below) / 9
    level = np.log(heat + np.float32(1e-12))
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            if not inside[y, x]:
                continue
            own = level[y, x]
            # Outside of the object the heat counts as one e-fold lower: vectors point inwards.
            up = level[y - 1, x] if inside[y - 1, x] else own - 1
            down = level[y + 1, x] if inside[y + 1, x] else own - 1
            before = level[y, x - 1] if inside[y, x - 1] else own - 1
            after = level[y, x + 1] if inside[y, x + 1] else own - 1
            length = np.sqrt((down - up) ** 2 + (after - before) ** 2) + np.float32(1e-6)
            flow[0, y - 1, x - 1] = (down - up) / length
            flow[1, y - 1, x - 1] = (after - before) / length


@njit(cache=True, nogil=True)
def _central_pixel(inside: NDArray[np.float32]) -> tuple[int, int]:
    """Return the object's pixel that is nearest to its centre of mass."""
    area, sum_y, sum_x = 0, 0, 0
    for y in range(inside.shape[0]):
        for x in range(inside.shape[1]):
            if inside[y, x]:
                area += 1
                sum_y += y
                sum_x += x
    mean_y, mean_x = sum_y / area, sum_x / area
    best, best_y, best_x = np.inf, 0, 0
    for y in range(inside.shape[0]):
        for x in range(inside.shape[1]):
            squared = (y - mean_y) ** 2 + (x - mean_x) ** 2
            if inside[y, x] and squared < best:
                best, best_y, best_x = squared, y, x
    return best_y, best_x


@njit(cache=True, nogil=True)
def _pairs(labels: Labels, offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    height, width = labels.shape
    pairs = np.full((len(offsets), height, width), UNKNOWN_PAIR, np.uint8)
    for number in range(len(offsets)):
        dy, dx = offsets[number]
        for y in range(max(0, -dy), height - max(0, dy)):
            for x in range(max(0, -dx), width - max(0, dx)):
                own, other = labels[y, x], labels[y + dy, x + dx]
                if own < 0 or other < 0:
                    continue
                if own == other:
                    pairs[number, y, x] = SAME_OBJECT if own > 0 else BOTH_BACKGROUND
                elif own == 0 or other == 0:
                    pairs[number, y, x] = OBJECT_AND_BACKGROUND
                else:
                    pairs[number, y, x] = DIFFERENT_OBJECTS
    return pairs


@njit(cache=True, nogil=True)
def _star_distances(labels: Labels, n_rays: int) -> NDArray[np.float32]:
    height, width = labels.shape
    distances = np.zeros((n_rays, height // 2, width // 2), np.float32)
    step = 0.5  # px; finer steps change no polygon by a pixel
    for ray in range(n_rays):
        angle = 2 * np.pi * ray / n_rays
        dy, dx = step * np.sin(angle), step * np.cos(angle)
        for half_y in range(height // 2):
            for half_x in range(width // 2):
                label = labels[2 * half_y, 2 * half_x]
                if label <= 0:
                    continue
                # 0.5 for rounding to the nearest pixel by cutting off.
                y, x, length = 2 * half_y + 0.5, 2 * half_x + 0.5, 0.0
                while True:
                    y, x, length = y + dy, x + dx, length + step
                    if y < 0 or y >= height or x < 0 or x >= width:
                        break
                    if labels[int(y), int(x)] != label:
                        break
                distances[ray, half_y, half_x] = length
    return distances
