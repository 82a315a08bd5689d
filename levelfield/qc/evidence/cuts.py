"""The best virtual cut of every object: where it would come apart if it were two.

A map that is high at object centres (distance to the edge, or smoothed intensity) is flooded from
its peaks downwards, all objects at once. Where two basins of one object meet is a saddle; the lower
the saddle is, relative to the lower of the two peaks, the more the object looks like two. This is
the hierarchy of the watershed (Beucher 1994; Najman & Schmitt 1996), and persistence of its peaks.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from levelfield.arrays import AnyArray, Floats, Image, Integers, Labels, Mask
from levelfield.labels.labelwise import areas
from levelfield.labels.union_find import root_of

_Flooded = tuple[Integers, Integers, Integers, Floats]
"""Basin of every pixel; peak, parent, and ratio of saddle to peak of every basin."""


@dataclass(frozen=True)
class Cuts:
    """The best cut of every object of a label image.

    ``saddle`` (n,) is over the lower peak, 0 to 1; 1 when the object has a single peak. ``side``
    (Y, X) is true on one of the two sides of each object that has a cut.
    """

    saddle: Floats
    side: Mask


def best_cuts(labels: Labels, relief: Image, smallest_part: float) -> Cuts:
    """Cut every object in two along the lowest saddle of a relief.

    The relief (Y, X) is not negative within objects, and high at their centres. A cut that would
    leave a part smaller than `smallest_part` px is noise and is passed over.
    """
    count = int(labels.max(initial=0))
    flat = np.ascontiguousarray(labels, np.int32).ravel()
    heights = np.ascontiguousarray(relief, np.float32).ravel()
    order = _falling(flat, heights)
    flooded = _flooded(flat, heights, order, labels.shape[1])
    saddle, cut = np.ones(count), np.full(count, -1, np.int64)
    sizes = np.zeros(len(flooded[1]), np.int64)
    _find_lowest(flat, flooded, areas(flat), sizes, float(smallest_part), saddle, cut)
    side = np.zeros(labels.shape, bool)
    _mark_side(flat, flooded, cut, side.ravel())
    return Cuts(saddle, side)


def _falling(labels: Labels, relief: Image) -> Integers:
    """Return the pixels of each object, one object after the other, the highest first."""
    # Ties fall in raster order on every machine. A sort per object is quicker than one of all
    # pixels, and so is the flood after it, which then stays in one place.
    sizes = areas(labels)
    stops = np.cumsum(sizes)
    keys = np.empty(sizes.sum(), np.uint64)
    _fill_keys(labels, relief.view(np.uint32), stops - sizes, keys)
    for start, stop in zip(stops - sizes, stops, strict=True):
        keys[start:stop].sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


# numba: a counting sort by object; the bits of positive floats are in the order of the floats
@njit(cache=True)
def _fill_keys(labels: Labels, bits: AnyArray, at: Integers, keys: AnyArray) -> None:
    """Put keys of each object's pixels side by side: falling height, then the pixel's index."""
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0:
            depth = np.uint64(0xFFFFFFFF) - np.uint64(bits[pixel])
            keys[at[label - 1]] = (depth << np.uint64(32)) | np.uint64(pixel)
            at[label - 1] += 1


def _flooded(labels: Labels, relief: Image, order: Integers, width: int) -> _Flooded:
    """Grow basins from all peaks."""
    basin = np.full(labels.size, -1, np.int64)
    basins, saddles = np.empty((3, order.size), np.int64), np.zeros(order.size)
    count = _flood(labels, relief, order, width, basin, basins, saddles, np.empty(8, np.int64))
    return basin, basins[0, :count], basins[1, :count], saddles[:count]


# numba: union-find over pixels in falling order, sequential by nature
@njit(cache=True)
def _flood(
    labels: Labels,
    relief: Image,
    order: Integers,
    width: int,
    basin: Integers,
    of_basins: Integers,
    saddles: Floats,
    near: Integers,
) -> int:
    """Grow basins; an absorbed basin keeps its parent and the ratio of saddle to its own peak."""
    peaks, parent, root = of_basins[0], of_basins[1], of_basins[2]
    basins = 0
    for pixel in order:
        count = _flooded_neighbours(pixel, labels, basin, width, near)
        if count == 0:
            basin[pixel] = basins
            peaks[basins], parent[basins], root[basins] = pixel, basins, basins
            basins += 1
            continue
        highest = near[0]
        for other in near[1:count]:
            if relief[other] > relief[highest]:
                highest = other
        basin[pixel] = basin[highest]
        for other in near[:count]:
            own, met = root_of(root, basin[pixel]), root_of(root, basin[other])
            if own != met:
                # Basins are numbered in falling order of their peaks: the higher number is lower.
                high, low = min(own, met), max(own, met)
                parent[low], root[low] = high, high
                saddles[low] = np.float64(relief[pixel]) / np.float64(relief[peaks[low]])
    return basins


@njit(cache=True)
def _flooded_neighbours(
    pixel: int, labels: Labels, basin: Integers, width: int, near: Integers
) -> int:
    """Collect the neighbours (of eight) in the same object that belong to a basin already."""
    y, x = pixel // width, pixel % width
    count = 0
    for ny in range(max(y - 1, 0), min(y + 2, labels.size // width)):
        for nx in range(max(x - 1, 0), min(x + 2, width)):
            other = ny * width + nx
            if basin[other] >= 0 and labels[other] == labels[pixel]:
                near[count] = other
                count += 1
    return count


@njit(cache=True)
def _find_lowest(
    labels: Labels,
    flooded: _Flooded,
    object_areas: Integers,
    sizes: Integers,
    smallest_part: float,
    saddle: Floats,
    cut: Integers,
) -> None:
    """Per object the lowest ratio of saddle to lower peak whose parts are both large enough."""
    basin, peaks, parent, saddles = flooded
    for pixel in range(labels.size):
        if basin[pixel] >= 0:
            sizes[basin[pixel]] += 1
    # A parent has a lower number than its children, and an absorbed basin absorbs no more:
    # adding up from the highest number gives the full area of the lower side of each saddle.
    for index in range(peaks.size - 1, -1, -1):
        if parent[index] != index:
            sizes[parent[index]] += sizes[index]
    for index in range(peaks.size):
        if parent[index] == index:
            continue
        label = labels[peaks[index]]
        smaller = min(sizes[index], object_areas[label - 1] - sizes[index])
        if smaller >= smallest_part and saddles[index] < saddle[label - 1]:
            saddle[label - 1] = saddles[index]
            cut[label - 1] = index


@njit(cache=True)
def _mark_side(labels: Labels, flooded: _Flooded, cut: Integers, side: Mask) -> None:
    basin, _, parent, _ = flooded
    for pixel in range(labels.size):
        if basin[pixel] < 0:
            continue
        target = cut[labels[pixel] - 1]
        if target < 0:
            continue
        current = basin[pixel]
        while current != target and parent[current] != current:
            current = parent[current]
        side[pixel] = current == target
