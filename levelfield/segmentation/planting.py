"""Alter labels (Y, X) by a known amount, to see whether the QC finds it.

Where a share of the objects (0 to 1; a ValueError beyond that) is altered, the number of objects is
the share of those in the image, rounded up or down at random so that the mean over images is
exactly the share. The same state of the random generator, which chooses the objects, alters the
same objects and more at a larger share.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from scipy import ndimage

from levelfield.arrays import AnyFloats, Floats, Integers, Labels, Mask
from levelfield.labels.labelwise import areas
from levelfield.labels.objects import expand, keep_objects, object_numbers

_SMALLEST_SPLIT_PX = 30  # what is smaller has no halves that anybody would take for objects
_BETWEEN_PIXELS = 1.5  # a path of pixels lies at most so far beside the straight line


def plant_error(labels: Labels, error: str, amount: float, names: Sequence[str | int]) -> Labels:
    """Plant an error as a config names it.

    Parameters
    ----------
    labels : (Y, X) int32
    error : str
        ``grow_px``, ``drop_percent``, ``split_percent`` or ``merge_percent``.
    amount : float
        Px or percent, as `error` says.
    names : sequence of str or int
        Plate, well, site and object set: they alone decide what is drawn, so that every run and
        every division of the work alters the same objects.
    """
    if error == "grow_px":
        return plant_growth(labels, amount)
    plant = {
        "drop_percent": plant_drops,
        "split_percent": plant_splits,
        "merge_percent": plant_merges,
    }[error]
    digest = sha256("/".join(map(str, names)).encode()).digest()
    return plant(labels, amount / 100, np.random.default_rng(int.from_bytes(digest)))


def plant_growth(labels: Labels, grow_px: float) -> Labels:
    """Grow all objects into the background, or shrink them away from it.

    Objects keep their numbers, so that each can be compared with what it was. Where two grow
    towards each other, a pixel goes to the nearer one; seams between objects that touch stay.
    Shrunk objects may vanish, and pixels outside of the image count as object.

    Background whose centre is at most `grow_px` from the centre of an object's pixel joins the
    object; below 0, pixels of objects that are at most so far from background leave them. On the
    grid of pixels an outline so moves by whole pixels: 1.5 px moves it by 1 px along the axes, by
    1.41 px along the diagonals, and by 1.27 px (4/π) in the mean of all directions.
    """
    if grow_px >= 0:
        return expand(labels, grow_px)
    if labels.all():  # there is no background to be measured from
        return labels.copy()
    from_background = ndimage.distance_transform_edt(labels > 0)
    return np.where(from_background > -grow_px, labels, 0).astype(np.int32)


def plant_drops(
    labels: Labels,
    share: float,
    rng: np.random.Generator,
    order: Integers | AnyFloats | None = None,
) -> Labels:
    """Remove a share of the objects; the others keep their numbers and pixels.

    `order` holds a value for each of the n objects by ascending number, for instance `size_order`
    or `dimness_order`: the lowest go first, equal ones at random. Left out, all go at random.

    Raises
    ------
    ValueError
        If `order` has another length.
    """
    numbers = object_numbers(labels)
    wanted = _count(share, len(numbers), rng)
    chosen = rng.permutation(len(numbers))
    if order is not None:
        if np.shape(order) != (len(numbers),):
            raise ValueError(
                f"order has the shape {np.shape(order)}, but there are {len(numbers)} objects: "
                "it needs one value for each."
            )
        chosen = chosen[np.argsort(np.asarray(order)[chosen], kind="stable")]
    keep = np.ones(int(labels.max(initial=0)), bool)
    keep[numbers[chosen[:wanted]] - 1] = False
    return keep_objects(labels, keep)


def size_order(labels: Labels) -> Integers:
    """Return the area of every object in px, (n,) by ascending number: the smallest go first."""
    return areas(labels)[object_numbers(labels) - 1]


def dimness_order(labels: Labels, image: AnyFloats) -> Floats:
    """Return the mean of an image (Y, X) in every object, (n,): the dimmest go first."""
    return ndimage.mean(image, labels, object_numbers(labels))


def plant_splits(labels: Labels, share: float, rng: np.random.Generator) -> Labels:
    """Cut a share of the objects in two, across their long axis near the centroid.

    Objects below 30 px are not cut; where too few are larger, fewer are cut than the share says.
    One half keeps the number, the other gets one above all there are. The halves touch. Each cut is
    moved by up to a tenth of half the object's length.
    """
    result, numbers = labels.copy(), object_numbers(labels)
    wanted = _count(share, len(numbers), rng)
    large = numbers[size_order(labels) >= _SMALLEST_SPLIT_PX]
    boxes = ndimage.find_objects(labels)
    new = int(labels.max(initial=0))
    places, shifts = rng.permutation(len(large)), rng.uniform(-0.1, 0.1, len(large))
    for number, shift in zip(large[places][:wanted], shifts, strict=False):
        new += 1
        box = boxes[number - 1]
        result[box][_far_half(labels[box] == number, shift)] = new
    return result


def _far_half(mask: Mask, shift: float) -> Mask:
    """Return one side of the cut across an object's long axis, (Y, X).

    The cut is moved along the axis by `shift`, a fraction of the object's reach from its centroid.
    """
    places = np.argwhere(mask)
    away = places - places.mean(axis=0)
    along = away @ np.linalg.svd(away.T @ away)[0][:, 0]
    half = np.zeros(mask.shape, bool)
    half[tuple(places[along > shift * np.abs(along).max()].T)] = True
    return half


def plant_merges(
    labels: Labels, share: float, rng: np.random.Generator, reach_px: float = 2.0
) -> Labels:
    """Join neighbours, so that the image lacks a share of its objects.

    Neighbours are objects whose outlines touch once each has grown by `reach_px`, half of the
    widest gap that is bridged; what lies between the two becomes object as well. Three or more may
    become one. Where there are fewer neighbours, fewer are joined than the share says. A joined
    object has the lowest number.
    """
    result, numbers = labels.copy(), object_numbers(labels)
    wanted = _count(share, len(numbers), rng)
    if not len(numbers):
        return result
    pairs = _touching_pairs(expand(labels, reach_px))
    belongs = np.arange(int(labels.max()) + 1, dtype=np.int32)
    boxes = ndimage.find_objects(labels)
    for pair in pairs[rng.permutation(len(pairs))]:
        if not wanted:
            break
        low, high = np.sort(belongs[pair])
        if low == high:
            continue
        _bridge(result, labels, pair, boxes, reach_px)
        belongs[belongs == high] = low
        wanted -= 1
    return belongs[result]


def _touching_pairs(labels: Labels) -> Integers:
    """Return the numbers of objects with pixels side by side, (p, 2), each pair once."""
    found = []
    for view in (labels, labels.T):
        sides = np.stack([view[1:], view[:-1]], axis=-1)
        seam = (sides[..., 0] != sides[..., 1]) & (sides > 0).all(axis=-1)
        found.append(np.sort(sides[seam], axis=1))
    return np.unique(np.concatenate(found), axis=0).astype(np.int64)


def _bridge(
    result: Labels, labels: Labels, pair: Integers, boxes: list[Any], reach_px: float
) -> None:
    """Give the first object the background between two, in place: each gap of 2 `reach_px`."""
    margin = int(np.ceil(reach_px)) + 1
    box = tuple(
        slice(max(min(a.start, b.start) - margin, 0), max(a.stop, b.stop) + margin)
        for a, b in zip(*(boxes[number - 1] for number in pair), strict=True)
    )
    apart = sum(ndimage.distance_transform_edt(labels[box] != number) for number in pair)
    between = (apart <= 2 * reach_px + 1 + _BETWEEN_PIXELS) & (result[box] == 0)
    result[box][between] = pair[0]


def _count(share: float, n_objects: int, rng: np.random.Generator) -> int:
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share:g} cannot be planted: it goes from 0 to 1.")
    return int(np.floor(share * n_objects + rng.random()))
