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


def object_areas(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Count pixels per label.

    Parameters
    ----------
    labels : (Y, X) int
        Label image, 0 is background.

    Returns
    -------
    (n,) int64
        Areas in px; element 0 belongs to label 1, and a missing label has area 0.
    """
    return np.bincount(labels.ravel())[1:]


def typical_diameter(labels: NDArray[np.int32]) -> float:
    """Median diameter in px of the circles that have the objects' areas; NaN without objects."""
    areas = object_areas(labels)
    areas = areas[areas > 0]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if areas.size else float("nan")


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
    distance = ndimage.distance_transform_edt(~boundary) + 0.5
    return np.where(foreground, distance, 0).astype(np.float32)


def inner_boundary(labels: NDArray[np.int32], *, background_only: bool) -> NDArray[np.bool_]:
    """Mark object pixels with a 4-neighbour of another label (or, if asked, of background)."""
    boundary = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        here = labels[1:] if axis == 0 else labels[:, 1:]
        there = labels[:-1] if axis == 0 else labels[:, :-1]
        mark_here, mark_there = (
            (boundary[1:], boundary[:-1]) if axis == 0 else (boundary[:, 1:], boundary[:, :-1])
        )
        mark_here |= (there == 0) if background_only else (here != there)
        mark_there |= (here == 0) if background_only else (here != there)
    return boundary & (labels > 0)


@dataclass(frozen=True)
class Contacts:
    """Places where two labels touch: one row per pair of facing pixels.

    Attributes
    ----------
    pairs : (p, 2) int64
        Touching labels, lower label first, sorted.
    pair_of_contact : (c,) int64
        Row of ``pairs`` that a contact belongs to.
    intensity : (c,) float32
        Image at the contact: the lower of the facing pixels, or the gap pixel between them.
    """

    pairs: NDArray[np.int64]
    pair_of_contact: NDArray[np.int64]
    intensity: NDArray[np.float32]


def contacts(labels: NDArray[np.int32], image: NDArray[np.float32]) -> Contacts:
    """Find every place where two labels face each other, directly or over a gap of one pixel.

    The gap counts because some methods leave a dividing line of background between objects.
    """
    found = []
    for view, pixels in ((labels, image), (labels.T, image.T)):
        found.append(_facing(view[:-1], view[1:], np.minimum(pixels[:-1], pixels[1:])))
        gap = view[1:-1] == 0
        found.append(_facing(view[:-2] * gap, view[2:] * gap, pixels[1:-1]))
    first, second, intensity = (np.concatenate(part) for part in zip(*found, strict=True))
    base = int(labels.max(initial=0)) + 1
    keys, pair_of_contact = np.unique(first * base + second, return_inverse=True)
    pairs = np.stack([keys // base, keys % base], axis=1)
    return Contacts(pairs, pair_of_contact.ravel(), intensity)


def _facing(here: NDArray, there: NDArray, intensity: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    touching = (here != there) & (here > 0) & (there > 0)
    one, other = here[touching].astype(np.int64), there[touching].astype(np.int64)
    return np.minimum(one, other), np.maximum(one, other), intensity[touching]


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


def percentile_per_label(
    labels: NDArray[np.int32], image: NDArray[np.float32], percentile: float, count: int
) -> NDArray[np.float64]:
    """Percentile (nearest rank) of the image within labels 1 to count; NaN for a missing one."""
    inside = np.flatnonzero(labels.ravel())
    values, group = image.ravel()[inside], labels.ravel()[inside] - 1
    return percentile_per_group(values, group, count, percentile)


def percentile_per_group(
    values: NDArray, group: NDArray[np.integer], count: int, percentile: float
) -> NDArray[np.float64]:
    """Percentile (nearest rank) of the values of each group 0..count-1; NaN for an empty one."""
    order = np.lexsort((values, group))
    sizes = np.bincount(group, minlength=count)
    starts = np.cumsum(sizes) - sizes
    ranks = starts + np.round((sizes - 1) * percentile / 100).astype(np.int64)
    result = np.full(count, np.nan)
    result[sizes > 0] = values[order[ranks[sizes > 0]]]
    return result


def coordinate_sums(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Sum 1, y, x, yy, xx and xy over the pixels of every label: (n, 6), additive over unions."""
    count = int(labels.max(initial=0))
    y, x = np.nonzero(labels)
    label_of_pixel = labels[y, x]
    y, x = y.astype(np.float64), x.astype(np.float64)
    weights = (np.ones_like(y), y, x, y * y, x * x, x * y)
    sums = [np.bincount(label_of_pixel, weight, minlength=count + 1)[1:] for weight in weights]
    return np.stack(sums, axis=1)


def axis_lengths(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Major and minor axis in px of the ellipses with the same second moments.

    Pixels count as squares, not as points, so that a single pixel has axes too.

    Parameters
    ----------
    sums : (n, 6) float64
        From `coordinate_sums`; rows may be added for unions.
    """
    number, y, x, yy, xx, xy = np.maximum(sums[:, :1], 1).T[0], *sums[:, 1:].T
    variance_y = yy / number - (y / number) ** 2 + 1 / 12
    variance_x = xx / number - (x / number) ** 2 + 1 / 12
    covariance = xy / number - x * y / number**2
    middle = (variance_y + variance_x) / 2
    spread = np.hypot((variance_y - variance_x) / 2, covariance)
    return 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 1 / 12))


def enlarged(coarse: NDArray, shape: tuple[int, int], step: tuple[float, float]) -> NDArray:
    """Interpolate a coarse image on a finer grid, one axis after the other.

    Parameters
    ----------
    coarse : (y, x)
        Values at the middles of its pixels.
    shape : (int, int)
        Of the result.
    step : (float, float)
        Coarse pixels per pixel of the result, along y and x.
    """
    y, x = (
        np.clip((np.arange(length) + 0.5) * each - 0.5, 0, given - 1)
        for length, each, given in zip(shape, step, coarse.shape, strict=True)
    )
    y0, x0 = (
        np.minimum(at.astype(int), max(given - 2, 0))
        for at, given in zip((y, x), coarse.shape, strict=True)
    )
    y1, x1 = np.minimum(y0 + 1, coarse.shape[0] - 1), np.minimum(x0 + 1, coarse.shape[1] - 1)
    part_y, part_x = (y - y0)[:, None], (x - x0)[None, :]
    rows = coarse[y0] * (1 - part_y) + coarse[y1] * part_y
    return rows[:, x0] * (1 - part_x) + rows[:, x1] * part_x


def resized(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bring an image to another shape by linear interpolation."""
    step = tuple(given / length for given, length in zip(image.shape, shape, strict=True))
    return enlarged(image, shape, step).astype(np.float32)
