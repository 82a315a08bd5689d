"""Neighbors: how crowded an object is, and which objects are closest to it.

Definitions of CellProfiler's MeasureObjectNeighbors for objects of one set, in three ways:
*Adjacent* (touching pixels), *Expanded* (all objects grown until they meet, then adjacent) and
within a distance in px (the number ends the name).

cp_measure 0.3.0 departs from CellProfiler and from its own documentation in two points: it reports
each object as its own closest neighbour, and it grows the objects but not their neighbours.
Levelfield follows CellProfiler.
"""

import numpy as np
from numba import njit
from scipy import ndimage
from scipy.spatial import cKDTree

from levelfield.arrays import Floats, Integers, Labels
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, features
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels, centres, edge_pixels, object_pixels

FEATURES = features(
    "Neighbors",
    """
    NumberOfNeighbors_{kind} | count | Number of objects with a pixel within the distance (1 px for
        Adjacent and Expanded).
    PercentTouching_{kind} | % | Share of the outline pixels that another object reaches (distance +
        0.5 px).
    FirstClosestObjectNumber_{kind} | label | Number of the object with the closest centre; 0 if
        there is none.
    FirstClosestDistance_{kind} | length | Distance to that centre; 0 if there is none.
    SecondClosestObjectNumber_{kind} | label | Number of the object with the second closest centre;
        0 if there is none.
    SecondClosestDistance_{kind} | length | Distance to that centre; 0 if there is none.
    AngleBetweenNeighbors_{kind} | degree | Angle between the directions to the two closest centres;
        0 if there are not two.
    """,
)

# More centres than these at exactly one distance do not occur on a pixel grid of separate objects.
_CANDIDATES = 9


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: all features of one kind of neighbourhood, then of the next."""
    kinds = ("Adjacent", "Expanded", *parameters.neighbor_distances)
    return [feature.column(kind=kind) for kind in kinds for feature in FEATURES]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) neighbour features in the order of `columns`."""
    pixels = objects.pixels
    expanded = object_pixels(_grow_until_adjacent(pixels.labels))
    numbers = pixels.numbers
    parts = [_measure_kind(pixels, numbers, 1), _measure_kind(expanded, numbers, 1)]
    parts += [_measure_kind(pixels, numbers, int(d)) for d in parameters.neighbor_distances]
    return np.concatenate(parts, axis=1)


def _grow_until_adjacent(labels: Labels) -> Labels:
    """Give every background pixel the label of the nearest object."""
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    return labels[tuple(nearest)]


def _measure_kind(pixels: ObjectPixels, numbers: Labels, distance: int) -> Floats:
    outline = edge_pixels(pixels, diagonal=True, border=True)
    lengths = np.bincount(pixels.owner[outline], minlength=pixels.count)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    found = np.zeros((2, pixels.count), np.int64)
    seen_by = np.full(pixels.count + 1, -1)
    steps = _disc(distance)
    positions = pixels.positions[outline]
    _count(pixels.labels, starts, positions, steps, distance**2, seen_by, found)
    return np.column_stack([found[0], 100 * found[1] / lengths, _closest(pixels, numbers)])


def _disc(distance: int) -> Integers:
    """Return the (S, 3) steps within distance + 0.5: rows, columns and squared length."""
    down, across = np.mgrid[-distance : distance + 1, -distance : distance + 1]
    squared = down**2 + across**2
    near = (squared <= (distance + 0.5) ** 2) & (squared > 0)
    return np.column_stack([down[near], across[near], squared[near]])


def _closest(pixels: ObjectPixels, numbers: Labels) -> Floats:
    """Return number and distance of the two closest objects by centre, and the angle between."""
    middles = centres(pixels)
    result = np.zeros((pixels.count, 5))
    others = min(pixels.count, _CANDIDATES)
    if others < 2:
        return result
    found = np.sort(cKDTree(middles).query(middles, others)[1], axis=1)  # lowest number of equals
    distances = np.linalg.norm(middles[found] - middles[:, None], axis=2)
    distances[found == np.arange(pixels.count)[:, None]] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :2]
    rank = np.take_along_axis(found, order, axis=1)
    result[:, 0] = numbers[rank[:, 0]]
    result[:, 1] = np.take_along_axis(distances, order, axis=1)[:, 0]
    if others > 2:
        result[:, 2] = numbers[rank[:, 1]]
        result[:, 3] = np.take_along_axis(distances, order, axis=1)[:, 1]
        first, second = (middles[rank[:, i]] - middles for i in range(2))
        with np.errstate(invalid="ignore"):  # two objects of one centre have no direction: NaN
            cosine = (first * second).sum(axis=1) / (result[:, 1] * result[:, 3])
        result[:, 4] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return result


@njit(cache=True)
def _count(
    labels: Labels,
    starts: Integers,
    positions: Integers,
    steps: Integers,
    reach: int,
    seen_by: Integers,
    found: Integers,
) -> None:
    """Fill in the numbers of neighbours, and of outline pixels that others reach: (2, n)."""
    rows, columns = labels.shape
    for k in range(starts.size - 1):
        for i in range(starts[k], starts[k + 1]):
            touches = False
            for step in range(steps.shape[0]):
                row = positions[i] // columns + steps[step, 0]
                column = positions[i] % columns + steps[step, 1]
                if not (0 <= row < rows and 0 <= column < columns):
                    continue
                other = labels[row, column]
                if other == 0 or other == k + 1:
                    continue
                touches = True
                if steps[step, 2] <= reach and seen_by[other] != k:
                    seen_by[other] = k
                    found[0, k] += 1
            if touches:
                found[1, k] += 1
