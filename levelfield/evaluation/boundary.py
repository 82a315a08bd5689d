"""Distances between the outlines of a predicted object and of its reference object."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from levelfield.arrays import Floats, Integers, Labels, Mask
from levelfield.labels.overlap import NumberedLabels

NEIGHBOUR_REACH = 2
MINIMUM_EDGE_PIXELS = 5
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class OutlinePoints:
    """Pixels along the outlines of some objects: ``position`` (n, 2), row and column in px.

    ``owner`` (n,) is the 0-based place of the object in the list of compared pairs.
    """

    owner: Integers
    position: Integers


def compare_outlines(
    prediction: NumberedLabels, reference: NumberedLabels, pairs: Integers
) -> tuple[Floats, Floats]:
    """Hausdorff-95 and signed boundary bias of pairs of objects, (n,) each in px.

    The outline of an object is its pixels with a 4-neighbour outside it; the image frame counts as
    outside. All pairs are compared at once: the pair's number, times more than the image is wide,
    is a third coordinate of the nearest-neighbour search, so that pairs never mix. `pairs` (n, 2)
    are 0-based positions of a predicted and a reference object; no object occurs twice.

    Hausdorff-95 (Maier-Hein et al., "Metrics Reloaded", Nature Methods 2024) is the larger of the
    95th percentiles of the two directed outline distances. The bias is the mean signed distance
    from the reference edge to the mask edge on the part of the outline that faces background;
    positive = mask too large. It is the average of both directions (predicted outline to reference,
    and back), so that it has no preferred side. NaN for objects within 2 px of the image frame,
    which have an edge that no one can see, and where fewer than 5 background-facing pixels remain
    on either side.
    """
    images = [
        _number_by_pair(side, column)
        for side, column in ((prediction, pairs[:, 0]), (reference, pairs[:, 1]))
    ]
    inner = [_inner_outline(image) for image in images]
    n_pairs = len(pairs)
    both = [(0, 1), (1, 0)]
    unsigned = [_distance_to(inner[a], inner[b], images[0].shape) for a, b in both]
    percentile = [
        _percentile95(inner[a].owner, d, n_pairs) for (a, _), d in zip(both, unsigned, strict=True)
    ]
    free = [_faces_background(inner[a], prediction.image, reference.image, pairs) for a in range(2)]
    offsets = [_mean_offset(inner[a], unsigned[a], images[b], free[a], n_pairs) for a, b in both]
    bias = 0.5 * (offsets[0] - offsets[1])
    bias[_near_frame(inner, images[0].shape, n_pairs)] = np.nan
    return np.maximum(*percentile), bias


def _number_by_pair(side: NumberedLabels, members: Integers) -> Labels:
    number = np.zeros(len(side.labels) + 1, np.int32)
    number[members + 1] = np.arange(1, len(members) + 1)
    return number[side.image]


def _steps_out(image: Labels) -> list[tuple[Mask, tuple[int, int]]]:
    """For each 4-neighbour step, which object pixels leave their object by it."""
    padded = np.pad(image, 1)
    rows, columns = image.shape
    return [
        (
            (image > 0) & (image != padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]),
            (dy, dx),
        )
        for dy, dx in STEPS
    ]


def _inner_outline(image: Labels) -> OutlinePoints:
    """Object pixels with a 4-neighbour outside their object."""
    leaves = np.logical_or.reduce([leaving for leaving, _ in _steps_out(image)])
    position = np.argwhere(leaves)
    return OutlinePoints(image[leaves].astype(np.int64) - 1, position)


def _outer_outline(image: Labels) -> OutlinePoints:
    """Pixels outside an object with a 4-neighbour inside it; one pixel may serve two objects."""
    owners, positions = [], []
    for leaving, step in _steps_out(image):
        owners.append(image[leaving].astype(np.int64) - 1)
        positions.append(np.argwhere(leaving) + step)
    return OutlinePoints(np.concatenate(owners), np.concatenate(positions))


def _distance_to(points: OutlinePoints, targets: OutlinePoints, shape: tuple[int, int]) -> Floats:
    """Distance in px from each point to the nearest target of the same pair."""
    if len(points.owner) == 0:
        return np.zeros(0)
    apart = 2 * (shape[0] + shape[1]) + 4
    tree = cKDTree(np.column_stack([targets.owner * apart, targets.position]))
    return np.asarray(tree.query(np.column_stack([points.owner * apart, points.position]))[0])


def _percentile95(owner: Integers, distance: Floats, n_pairs: int) -> Floats:
    quantile = pd.Series(distance).groupby(owner).quantile(0.95)
    return quantile.reindex(range(n_pairs)).to_numpy(np.float64)


def _mean_offset(
    points: OutlinePoints, unsigned: Floats, other: Labels, free: Mask, n_pairs: int
) -> Floats:
    """Mean signed distance from one object's outline to the other's, per pair."""
    row, column = points.position.T
    inside = other[row, column] == points.owner + 1
    offset = unsigned.copy()
    within = OutlinePoints(points.owner[inside], points.position[inside])
    # A pixel inside lies as far in as its distance to the nearest pixel outside, less the one
    # pixel that two identical outlines are apart.
    offset[inside] = 1 - _distance_to(within, _outer_outline(other), other.shape)
    count = np.bincount(points.owner[free], minlength=n_pairs)
    total = np.bincount(points.owner[free], offset[free], minlength=n_pairs)
    return np.where(count >= MINIMUM_EDGE_PIXELS, total / np.maximum(count, 1), np.nan)


def _faces_background(
    points: OutlinePoints, prediction: Labels, reference: Labels, pairs: Integers
) -> Mask:
    """Whether no third object, predicted or reference, is within 2 city-block steps."""
    reach = range(-NEIGHBOUR_REACH, NEIGHBOUR_REACH + 1)
    steps = [(dy, dx) for dy in reach for dx in reach if abs(dy) + abs(dx) <= NEIGHBOUR_REACH]
    free = np.ones(len(points.owner), bool)
    row, column = points.position.T + NEIGHBOUR_REACH
    for image, members in ((prediction, pairs[:, 0]), (reference, pairs[:, 1])):
        padded = np.pad(image, NEIGHBOUR_REACH)
        own = members[points.owner] + 1
        for dy, dx in steps:
            neighbour = padded[row + dy, column + dx]
            free &= (neighbour == 0) | (neighbour == own)
    return free


def _near_frame(outlines: list[OutlinePoints], shape: tuple[int, int], n_pairs: int) -> Mask:
    near = np.zeros(n_pairs, bool)
    for outline in outlines:
        to_frame = np.minimum(outline.position, np.array(shape) - 1 - outline.position)
        near[outline.owner[(to_frame < NEIGHBOUR_REACH).any(axis=1)]] = True
    return near
