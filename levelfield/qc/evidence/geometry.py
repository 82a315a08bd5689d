"""Geometry of all objects of a label image at once: hulls, contacts and distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

_NO_ROW = np.iinfo(np.int32).max


def checked_field(
    labels: NDArray, image: NDArray, inner: NDArray | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32] | None]:
    """Return labels, image and inner labels in the types that all of the QC computes with.

    Raises
    ------
    ValueError
        When the shapes differ, the labels are not integers or negative, or pixels are not finite.
    """
    if labels.ndim != 2 or labels.shape != image.shape:
        raise ValueError(
            f"Labels of shape {labels.shape} and image of shape {image.shape}: the QC compares an "
            "object's outline with the pixels under it, so both must be (Y, X) of one shape. "
            "Pass the one channel in which the objects were segmented."
        )
    if inner is not None and inner.shape != labels.shape:
        raise ValueError(
            f"Labels of shape {labels.shape} and inner labels of shape {inner.shape}: nuclei and "
            "cells must come from the same field."
        )
    if not np.issubdtype(labels.dtype, np.integer) or (labels.size and labels.min() < 0):
        raise ValueError(
            f"Labels of type {labels.dtype} with minimum {labels.min()}: labels are whole numbers, "
            "0 for background. Convert the label image to int32."
        )
    if not np.isfinite(image).all():
        raise ValueError(
            "The image holds NaN or infinite pixels, which would spread into every number of the "
            "QC. Exclude the field or repair the illumination correction that made them."
        )
    # One type and memory layout, or numba would compile every kernel again for each.
    return (
        np.ascontiguousarray(labels, np.int32),
        np.ascontiguousarray(image, np.float32),
        None if inner is None else np.ascontiguousarray(inner, np.int32),
    )


def inner_distance(labels: NDArray[np.int32]) -> NDArray[np.float32]:
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


def distance_to(targets: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Euclidean distance in px to the nearest target, at the pixels where it is wanted.

    Parameters
    ----------
    targets : (Y, X) bool
        At least one.
    wanted : (Y, X) bool
        Elsewhere the result is 0.
    """
    return np.sqrt(_squared_distances(targets, wanted))


# numba: exact, and quicker than the transform of a whole image: objects are small, so that the
# nearest target is a few columns away
@njit(cache=True)
def _squared_distances(targets, wanted):  # noqa: ANN001, ANN202
    height, width = targets.shape
    none = height + width
    along = np.empty((height, width), np.int32)  # distance to the nearest target of the column
    for x in range(width):
        along[0, x] = 0 if targets[0, x] else none
    for y in range(1, height):
        for x in range(width):
            along[y, x] = 0 if targets[y, x] else min(along[y - 1, x] + 1, none)
    for y in range(height - 2, -1, -1):
        for x in range(width):
            along[y, x] = min(along[y, x], along[y + 1, x] + 1)
    squared = np.zeros((height, width))
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
    return squared


def inner_boundary(labels: NDArray[np.int32], *, background_only: bool) -> NDArray[np.bool_]:
    """Mark object pixels with a 4-neighbour of another label (or, if asked, of background)."""
    return _boundary(labels, background_only)


@njit(cache=True)
def _boundary(labels, background_only):  # noqa: ANN001, ANN202
    height, width = labels.shape
    boundary = np.zeros((height, width), np.bool_)
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
    return boundary


@dataclass(frozen=True)
class Contacts:
    """Places where two labels touch: one row per pair of facing pixels.

    Attributes
    ----------
    pairs : (p, 2) int64
        Touching labels, lower label first, sorted.
    pair_of_contact : (c,) int64
        Row of ``pairs`` that a contact belongs to.
    pixels : (c, 2) int64
        Flat indices of the facing pixels; where a gap lies between them, twice that of the gap.
    """

    pairs: NDArray[np.int64]
    pair_of_contact: NDArray[np.int64]
    pixels: NDArray[np.int64]

    def lower(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image at each contact (c,): the lower of the facing pixels, or the gap."""
        return image.ravel()[self.pixels].min(axis=1)

    def higher(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image at each contact (c,): the higher of the facing pixels, or the gap."""
        return image.ravel()[self.pixels].max(axis=1)


def contacts(labels: NDArray[np.int32]) -> Contacts:
    """Find every place where two labels face each other, directly or over a gap of one pixel.

    The gap counts because some methods leave a dividing line of background between objects.
    """
    facing = np.empty((_facing(labels, np.empty((0, 4), np.int64)), 4), np.int64)
    _facing(labels, facing)
    base = int(labels.max(initial=0)) + 1
    keys, pair_of_contact = np.unique(facing[:, 0] * base + facing[:, 1], return_inverse=True)
    pairs = np.stack([keys // base, keys % base], axis=1)
    return Contacts(pairs, pair_of_contact.ravel(), np.ascontiguousarray(facing[:, 2:]))


# numba: contacts are rare; array operations would go over the whole image a dozen times
@njit(cache=True)
def _facing(labels, found):  # noqa: ANN001, ANN202
    """Count contacts, and note as many as there is room for: two labels and two pixels each."""
    height, width = labels.shape
    count = 0
    for y in range(height):
        for x in range(width):
            one = labels[y, x]
            if one <= 0:
                continue
            for down, right in ((1, 0), (0, 1)):
                if y + down >= height or x + right >= width:
                    continue
                other = labels[y + down, x + right]
                first = y * width + x
                second = first + down * width + right
                if other == 0 and y + 2 * down < height and x + 2 * right < width:
                    other = labels[y + 2 * down, x + 2 * right]
                    first = second
                if other <= 0 or other == one:
                    continue
                if count < len(found):
                    found[count, 0], found[count, 1] = min(one, other), max(one, other)
                    found[count, 2], found[count, 3] = first, second
                count += 1
    return count


@dataclass(frozen=True)
class RowExtents:
    """First and last pixel column of every label on every row that it spans.

    ``left[start[k] + r]`` and ``right[...]`` belong to label k + 1 and its row ``top[k] + r``;
    ``right`` is exclusive. Rows that a label skips hold the largest int32 in ``left``.
    """

    top: NDArray[np.int64]
    height: NDArray[np.int64]
    start: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


def row_extents(labels: NDArray[np.int32]) -> RowExtents:
    """Collect the horizontal extent of every label, in one pass."""
    count = int(labels.max(initial=0))
    top = np.zeros(count, np.int64)
    height = np.zeros(count, np.int64)
    for index, box in enumerate(ndimage.find_objects(labels)):
        if box is not None:
            top[index], height[index] = box[0].start, box[0].stop - box[0].start
    start = np.concatenate([[0], np.cumsum(height)])
    left = np.full(start[-1], _NO_ROW, np.int32)
    right = np.full(start[-1], -1, np.int32)
    _fill_extents(labels, top, start, left, right)
    return RowExtents(top, height, start, left, right)


# numba: a scan over all pixels with one comparison each, for every label at once
@njit(cache=True)
def _fill_extents(labels, top, start, left, right):  # noqa: ANN001, ANN202
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                row = start[label - 1] + y - top[label - 1]
                left[row] = min(left[row], x)
                right[row] = max(right[row], x + 1)


def hull_areas(extents: RowExtents, pairs: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Areas of the convex hulls around pixel squares, per label or per union of two labels.

    Parameters
    ----------
    extents : RowExtents
        From `row_extents`.
    pairs : (p, 2) int64, optional
        Labels whose union is wanted; every single label without it.

    Returns
    -------
    (n,) or (p,) float64
        Area in px, exact for the outlines of the pixels; 0 for a label without pixels.
    """
    if pairs is None:
        single = np.arange(1, len(extents.top) + 1)
        pairs = np.stack([single, single], axis=1)
    return _hull_areas(
        pairs, extents.top, extents.height, extents.start, extents.left, extents.right
    )


# numba: a monotone chain per object; scipy's ConvexHull costs 100 times more for small objects
@njit(cache=True)
def _hull_areas(pairs, top, height, start, left, right):  # noqa: ANN001, ANN202
    areas = np.zeros(len(pairs))
    for index in range(len(pairs)):
        one, other = pairs[index, 0] - 1, pairs[index, 1] - 1
        if height[one] == 0 or height[other] == 0:
            continue
        first = min(top[one], top[other])
        rows = max(top[one] + height[one], top[other] + height[other]) - first
        low = np.full(rows + 1, 1e9)
        high = np.full(rows + 1, -1e9)
        for label in (one, other):
            for row in range(height[label]):
                at = start[label] + row
                if right[at] < 0:
                    continue
                for corner in range(2):
                    y = top[label] + row + corner - first
                    low[y] = min(low[y], left[at])
                    high[y] = max(high[y], right[at])
        areas[index] = _area_below(high) + _area_below(-low)
    return areas


@njit(cache=True)
def _area_below(height_at):  # noqa: ANN001, ANN202
    """Integral of the upper concave envelope of the points (row, value)."""
    stack = np.empty(len(height_at), np.int64)
    size = 0
    for row in range(len(height_at)):
        if height_at[row] <= -1e9:
            continue
        while size >= 2:
            before, last = stack[size - 2], stack[size - 1]
            rise = (height_at[last] - height_at[before]) * (row - before)
            if rise > (height_at[row] - height_at[before]) * (last - before):
                break
            size -= 1
        stack[size] = row
        size += 1
    area = 0.0
    for k in range(size - 1):
        one, other = stack[k], stack[k + 1]
        area += (other - one) * (height_at[one] + height_at[other]) / 2
    return area
