"""Affinities: a mutex watershed joins pairs of pixels that belong together (Wolf et al. 2018).

The most certain pair comes first. A pair that attracts joins two clusters, unless they exclude each
other; a pair that repels makes two clusters exclude each other for good. No seeds, no threshold on
sizes.

Wolf et al., "The mutex watershed: efficient, parameter-free image partitioning", ECCV 2018.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Labels
from levelfield.labels.objects import equivalent_diameters, keep_objects
from levelfield.segmentation.decoder_options import AffinityOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.small_network.prediction import FAR_STEP, Prediction
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_NEAR

_LEVELS = 65535  # of certainty: so that a radix sort serves, which is stable and fast

Pairs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def affinity(prediction: Prediction, options: AffinityOptions) -> Labels:
    """Join the pixels of the foreground by their affinities.

    Parameters
    ----------
    prediction : Prediction
        What the network says.
    options : AffinityOptions
        See there.

    Returns
    -------
    (Y, X) int32
        Numbered 1..n in raster order.
    """
    mask = prediction.foreground > options.foreground
    n_pixels = int(mask.sum())
    numbers = np.full(mask.shape, -1, np.int32)
    numbers[mask] = np.arange(n_pixels, dtype=np.int32)
    pairs = [
        _near_pairs(numbers, together, offset, options.joining)
        for together, offset in zip(prediction.affinities, AFFINITY_OFFSETS[:N_NEAR], strict=True)
    ]
    pairs += [
        _far_pairs(numbers, together, offset, options.dividing)
        for together, offset in zip(
            prediction.far_affinities, AFFINITY_OFFSETS[N_NEAR:], strict=True
        )
    ]
    first, second, attraction = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    certainty = np.minimum(np.abs(attraction) * _LEVELS, _LEVELS).astype(np.uint16)
    order = np.argsort(_LEVELS - certainty, kind="stable")
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = _mutex_watershed(first[order], second[order], attraction[order] > 0, n_pixels)
    # Doubtful edges crumble; the crumbs belong to the objects beside them.
    objects = keep_objects(labels, equivalent_diameters(labels) >= options.minimum_diameter)
    labels = flood(objects, mask, prediction.foreground)
    return finish(labels, prediction.foreground, options)


def _near_pairs(
    numbers: NDArray[np.int32],
    together: NDArray[np.float32],
    offset: tuple[int, int],
    joining: float,
) -> Pairs:
    """Return the pairs of neighbours in the foreground, and how much they attract each other."""
    rows, columns = (_overlapping(n, d, 1) for n, d in zip(numbers.shape, offset, strict=True))
    first, second = numbers[rows[0], columns[0]], numbers[rows[1], columns[1]]
    attraction = together[rows[0], columns[0]] - np.float32(joining)
    useful = (first >= 0) & (second >= 0)
    return first[useful], second[useful], attraction[useful]


def _far_pairs(
    numbers: NDArray[np.int32],
    together: NDArray[np.float32],
    offset: tuple[int, int],
    dividing: float,
) -> Pairs:
    """Return the distant pairs in the foreground that repel each other, and how much."""
    rows, columns = (
        _overlapping(n, d, FAR_STEP) for n, d in zip(numbers.shape, offset, strict=True)
    )
    first, second = numbers[rows[0], columns[0]], numbers[rows[1], columns[1]]
    inside = together[rows[0].start // FAR_STEP :, columns[0].start // FAR_STEP :]
    attraction = inside[: first.shape[0], : first.shape[1]] - np.float32(dividing)
    useful = (first >= 0) & (second >= 0) & (attraction < 0)
    return first[useful], second[useful], attraction[useful]


def _overlapping(length: int, shift: int, step: int) -> tuple[slice, slice]:
    """Return where an axis lies in itself, and in itself shifted."""
    start, stop = max(0, -shift), max(length - max(0, shift), max(0, -shift))
    return slice(start, stop, step), slice(start + shift, stop + shift, step)


@njit(cache=True, nogil=True)
def _root(parents: NDArray[np.int32], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@njit(cache=True, nogil=True)
def _mutex_watershed(
    first: NDArray[np.int32], second: NDArray[np.int32], attracts: NDArray[np.bool_], n_nodes: int
) -> NDArray[np.int32]:
    """Return the cluster (1..n) of every node; pairs come with the most certain first.

    Compiled because each pair depends on those before it. What a cluster excludes is a linked list,
    so that two clusters' lists join in one step.
    """
    parents = np.arange(n_nodes, dtype=np.int32)
    sizes = np.ones(n_nodes, np.int32)
    heads = np.full(n_nodes, -1, np.int32)
    tails = np.full(n_nodes, -1, np.int32)
    n_excluded = np.zeros(n_nodes, np.int32)
    n_entries = 0
    capacity = 2 * (len(attracts) - attracts.sum())
    following = np.empty(capacity, np.int32)
    excluded = np.empty(capacity, np.int32)
    for pair in range(len(first)):
        one, other = _root(parents, first[pair]), _root(parents, second[pair])
        if one == other:
            continue
        if n_excluded[one] > n_excluded[other]:
            one, other = other, one
        entry = heads[one]
        while entry >= 0 and _root(parents, excluded[entry]) != other:
            entry = following[entry]
        if entry >= 0:
            continue
        if attracts[pair]:
            if sizes[one] > sizes[other]:
                one, other = other, one
            parents[one] = other
            sizes[other] += sizes[one]
            n_excluded[other] += n_excluded[one]
            if heads[one] >= 0:
                if heads[other] >= 0:
                    following[tails[other]] = heads[one]
                else:
                    heads[other] = heads[one]
                tails[other] = tails[one]
            continue
        for mine, theirs in ((one, other), (other, one)):
            excluded[n_entries], following[n_entries] = theirs, heads[mine]
            if heads[mine] < 0:
                tails[mine] = n_entries
            heads[mine] = n_entries
            n_excluded[mine] += 1
            n_entries += 1
    clusters = np.zeros(n_nodes, np.int32)
    numbers = np.zeros(n_nodes, np.int32)
    n_clusters = 0
    for node in range(n_nodes):
        root = _root(parents, node)
        if numbers[root] == 0:
            n_clusters += 1
            numbers[root] = n_clusters
        clusters[node] = numbers[root]
    return clusters
