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

from levelfield.arrays import Floats, Integers, Labels, Mask
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, Feature, length
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels, object_pixels, weighted_centres

FEATURES = (
    Feature(
        "Neighbors_NumberOfNeighbors_{kind}",
        "1",
        "Number of objects with a pixel within the distance (1 px for Adjacent and Expanded).",
        integer=True,
    ),
    Feature(
        "Neighbors_PercentTouching_{kind}",
        "%",
        "Share of the outline pixels that another object reaches (distance + 0.5 px).",
    ),
    Feature(
        "Neighbors_FirstClosestObjectNumber_{kind}",
        "label",
        "Number of the object with the closest centre; 0 if there is none.",
        integer=True,
    ),
    length("Neighbors_FirstClosestDistance_{kind}", "Distance to that centre; 0 if there is none."),
    Feature(
        "Neighbors_SecondClosestObjectNumber_{kind}",
        "label",
        "Number of the object with the second closest centre; 0 if there is none.",
        integer=True,
    ),
    length(
        "Neighbors_SecondClosestDistance_{kind}", "Distance to that centre; 0 if there is none."
    ),
    Feature(
        "Neighbors_AngleBetweenNeighbors_{kind}",
        "degree",
        "Angle between the directions to the two closest centres; 0 if there are not two.",
    ),
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
    outline = _outline(pixels.labels, pixels.positions)
    steps = _disc(distance)
    counts, touching, lengths = _neighbors(
        pixels.labels, pixels.starts, pixels.positions, outline, steps, distance
    )
    return np.column_stack([counts, 100 * touching / lengths, _closest(pixels, numbers)])


def _disc(distance: int) -> Integers:
    """Return the (S, 3) steps within distance + 0.5: rows, columns and squared length."""
    down, across = np.mgrid[-distance : distance + 1, -distance : distance + 1]
    squared = down**2 + across**2
    near = (squared <= (distance + 0.5) ** 2) & (squared > 0)
    return np.column_stack([down[near], across[near], squared[near]])


def _closest(pixels: ObjectPixels, numbers: Labels) -> Floats:
    """Return number and distance of the two closest objects by centre, and the angle between."""
    ones = np.ones((1, pixels.positions.size))
    sums = weighted_centres(ones, pixels.starts, pixels.positions, pixels.shape[1])
    centres = sums[0, :, 1:3]
    result = np.zeros((pixels.count, 5))
    others = min(pixels.count, _CANDIDATES)
    if others < 2:
        return result
    found = np.sort(cKDTree(centres).query(centres, others)[1], axis=1)  # lowest number of equals
    distances = np.linalg.norm(centres[found] - centres[:, None], axis=2)
    distances[found == np.arange(pixels.count)[:, None]] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :2]
    rank = np.take_along_axis(found, order, axis=1)
    result[:, 0] = numbers[rank[:, 0]]
    result[:, 1] = np.take_along_axis(distances, order, axis=1)[:, 0]
    if others > 2:
        result[:, 2] = numbers[rank[:, 1]]
        result[:, 3] = np.take_along_axis(distances, order, axis=1)[:, 1]
        one, two = (centres[rank[:, i]] - centres for i in range(2))
        with np.errstate(invalid="ignore"):  # two objects of one centre have no direction: NaN
            cosine = (one * two).sum(axis=1) / (result[:, 1] * result[:, 3])
        result[:, 4] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return result


@njit(cache=True)
def _outline(labels: Labels, positions: Integers) -> Mask:
    """Mark the object pixels at the image border or with one of 8 neighbours that differs."""
    rows, columns = labels.shape
    outline = np.zeros(positions.size, np.bool_)
    for i in range(positions.size):
        row, column = positions[i] // columns, positions[i] % columns
        if row == 0 or column == 0 or row == rows - 1 or column == columns - 1:
            outline[i] = True
            continue
        for y in range(row - 1, row + 2):
            for x in range(column - 1, column + 2):
                outline[i] |= labels[y, x] != labels[row, column]
    return outline


@njit(cache=True)
def _neighbors(
    labels: Labels,
    starts: Integers,
    positions: Integers,
    outline: Mask,
    steps: Integers,
    distance: int,
) -> tuple[Integers, Integers, Integers]:
    """Return (n,) numbers of neighbours, of outline pixels reached by others, and of all."""
    rows, columns = labels.shape
    count = starts.size - 1
    counts = np.zeros(count, np.int64)
    touching = np.zeros(count, np.int64)
    lengths = np.zeros(count, np.int64)
    seen_by = np.full(count + 1, -1)
    for k in range(count):
        for i in range(starts[k], starts[k + 1]):
            if not outline[i]:
                continue
            lengths[k] += 1
            touches = False
            for down, across, squared in steps:
                row, column = positions[i] // columns + down, positions[i] % columns + across
                if not (0 <= row < rows and 0 <= column < columns):
                    continue
                other = labels[row, column]
                if other == 0 or other == k + 1:
                    continue
                touches = True
                if squared <= distance * distance and seen_by[other] != k:
                    seen_by[other] = k
                    counts[k] += 1
            touching[k] += touches
    return counts, touching, lengths
