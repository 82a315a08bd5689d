"""Affinities: a mutex watershed joins pairs of pixels that belong together (Wolf et al. 2018).

The most certain pair comes first. A pair that attracts joins two clusters, unless they exclude each
other; a pair that repels makes two clusters exclude each other for good. No seeds, no threshold on
sizes.

Wolf et al., "The mutex watershed: efficient, parameter-free image partitioning", ECCV 2018.
"""

import numpy as np
from numba import njit

from levelfield.arrays import Labels, Mask, Plane
from levelfield.labels.objects import equivalent_diameters, keep_objects
from levelfield.labels.union_find import root_of
from levelfield.segmentation.decoder_options import AffinityOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.small_network.prediction import FAR_STEP, Prediction
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_NEAR

_LEVELS = 65535  # of certainty: so that a radix sort serves, which is stable and fast

Pairs = tuple[Labels, Labels, Plane]


def affinity(prediction: Prediction, options: AffinityOptions) -> Labels:
    """Join the pixels of the foreground by their affinities."""
    mask = prediction.foreground > options.foreground
    n_pixels = int(mask.sum())
    numbers = np.full(mask.shape, -1, np.int32)
    numbers[mask] = np.arange(n_pixels, dtype=np.int32)
    maps = [*prediction.affinities, *prediction.far_affinities]
    pairs = [
        _pairs(numbers, joined, offset, number < N_NEAR, options)
        for number, (joined, offset) in enumerate(zip(maps, AFFINITY_OFFSETS, strict=True))
    ]
    first, second, attraction = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    certainty = np.minimum(np.abs(attraction) * _LEVELS, _LEVELS).astype(np.uint16)
    order = np.argsort(_LEVELS - certainty, kind="stable")
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = _clusters(first[order], second[order], attraction[order] > 0, n_pixels)
    # Doubtful edges crumble; the crumbs belong to the objects beside them.
    objects = keep_objects(labels, equivalent_diameters(labels) >= options.minimum_diameter)
    labels = flood(objects, mask, prediction.foreground)
    return finish(labels, prediction.foreground, options)


def _pairs(
    numbers: Labels, joined: Plane, offset: tuple[int, int], near: bool, options: AffinityOptions
) -> Pairs:
    """Return pairs in the foreground, and how much they attract each other; distant ones repel."""
    step, least = (1, options.joining) if near else (FAR_STEP, options.dividing)
    rows, columns = (_overlapping(n, d, step) for n, d in zip(numbers.shape, offset, strict=True))
    first, second = numbers[rows[0], columns[0]], numbers[rows[1], columns[1]]
    inside = joined[rows[0].start // step :, columns[0].start // step :]
    attraction = inside[: first.shape[0], : first.shape[1]] - np.float32(least)
    useful = (first >= 0) & (second >= 0) & (near | (attraction < 0))
    return first[useful], second[useful], attraction[useful]


def _overlapping(length: int, shift: int, step: int) -> tuple[slice, slice]:
    """Return where an axis lies in itself, and in itself shifted."""
    start, stop = max(0, -shift), max(length - max(0, shift), max(0, -shift))
    return slice(start, stop, step), slice(start + shift, stop + shift, step)


def _clusters(first: Labels, second: Labels, attracts: Mask, n_nodes: int) -> Labels:
    """Return the cluster (1..n) of every node; pairs come with the most certain first."""
    nodes = np.zeros((5, n_nodes), np.int32)
    nodes[0], nodes[1], nodes[2:4] = np.arange(n_nodes), 1, -1
    entries = np.empty((2, 2 * np.count_nonzero(~attracts)), np.int32)
    _join(first, second, attracts, nodes, entries)
    clusters = np.zeros((2, n_nodes), np.int32)
    _number(nodes[0], clusters)
    return clusters[0]


# numba: each pair depends on those before it. What a cluster excludes is a linked list, so that two
# clusters' lists join in one step.
@njit(cache=True, nogil=True)
def _join(first: Labels, second: Labels, attracts: Mask, nodes: Labels, entries: Labels) -> None:
    """Join nodes to clusters: nodes in one have one root among their parents."""
    parents, sizes, heads, tails, n_excluded = nodes[0], nodes[1], nodes[2], nodes[3], nodes[4]
    excluded, following = entries[0], entries[1]
    n_entries = 0
    for pair in range(len(first)):
        small, large = root_of(parents, first[pair]), root_of(parents, second[pair])
        if small == large:
            continue
        if n_excluded[small] > n_excluded[large]:
            small, large = large, small
        entry = heads[small]
        while entry >= 0 and root_of(parents, excluded[entry]) != large:
            entry = following[entry]
        if entry >= 0:
            continue
        if attracts[pair]:
            if sizes[small] > sizes[large]:
                small, large = large, small
            parents[small] = large
            sizes[large] += sizes[small]
            n_excluded[large] += n_excluded[small]
            if heads[small] >= 0:
                if heads[large] >= 0:
                    following[tails[large]] = heads[small]
                else:
                    heads[large] = heads[small]
                tails[large] = tails[small]
            continue
        for mine, theirs in ((small, large), (large, small)):
            excluded[n_entries], following[n_entries] = theirs, heads[mine]
            if heads[mine] < 0:
                tails[mine] = n_entries
            heads[mine] = n_entries
            n_excluded[mine] += 1
            n_entries += 1


@njit(cache=True, nogil=True)
def _number(parents: Labels, clusters: Labels) -> None:
    """Write down each node's cluster (1..n), in the order in which roots appear."""
    own, numbers = clusters[0], clusters[1]
    n_clusters = 0
    for node in range(len(parents)):
        root = root_of(parents, node)
        if numbers[root] == 0:
            n_clusters += 1
            numbers[root] = n_clusters
        own[node] = numbers[root]
