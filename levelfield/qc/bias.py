"""Threshold bias: how far the mask's edge lies outside the edge in the image.

Positive: the masks are too large (the threshold was too low); negative: too small. The edge in
the image is where the intensity, followed along the outward normal, falls to a level (40 % by
default) between the object's core and its background. Where zero lies is a convention, since people
who draw outlines differ; differences between control classes do not depend on it.
"""

from __future__ import annotations

import warnings

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.qc.geometry import (
    check_field,
    inner_boundary,
    inner_distance,
    object_areas,
    typical_diameter,
)

RAYS_PER_OBJECT = 32
STEP_PX = 0.5
NORMAL_SMOOTHING_PX = 1.5
IMAGE_SMOOTHING_PX = 0.7
FEWEST_RAYS = 5
SHARE_OF_RAYS = 0.3


def threshold_bias(
    labels: NDArray[np.int32],
    image: NDArray[np.float32],
    level: float = 0.4,
    *,
    inner: NDArray[np.int32] | None = None,
) -> NDArray[np.float64]:
    """Signed distance in px from the edge in the image to the edge of each mask.

    Up to 32 boundary pixels per object that face background send a ray along the outward normal,
    from max(4, 0.35 D) px inside to as far outside, D being the median diameter of the field's
    objects. Rays end where another object begins. The object's profile is the median over its rays;
    foreground is the median of its core (the pixels deeper than half its depth), background the
    lowest value of the profile outside, and the edge the crossing of the level nearest to the mask.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects; 0 is background.
    image : (Y, X) float32
        The channel in which the objects were segmented. May be clipped at zero.
    level : float
        Share of the way from background to foreground at which the edge lies, between 0 and 1.
    inner : (Y, X) int32, optional
        Objects that lie inside (the nuclei of cells). They are left out of the core, so that a
        stain that moves between nucleus and cytoplasm is not mistaken for a moved edge.

    Returns
    -------
    (n,) float64
        px, element 0 for label 1; NaN where it cannot be measured: no free boundary, no contrast,
        or no crossing within reach.

    Raises
    ------
    ValueError
        When labels and image do not fit each other, or the level is not between 0 and 1.

    Notes
    -----
    Levelfield's own method. With masks moved by a known distance it moves by that distance;
    compared with reference outlines its zero differs from one annotator to the next.
    """
    check_field(labels, image)
    if not 0 < level < 1:
        raise ValueError(
            f"Edge level {level}: the level is a share of the way from background (0) to "
            "foreground (1), so it must lie between them. The default is 0.4."
        )
    count = int(labels.max(initial=0))
    if count == 0:
        return np.full(0, np.nan)
    smooth = ndimage.gaussian_filter(image.astype(np.float32, copy=False), IMAGE_SMOOTHING_PX)
    depth = inner_distance(labels)
    reach = max(4.0, 0.35 * typical_diameter(labels))
    profiles, offsets = _profiles(labels, smooth, reach)
    deepest = ndimage.maximum(depth, labels, np.arange(1, count + 1))
    profiles[offsets[None, :] < -0.9 * np.asarray(deepest)[:, None]] = np.nan
    foreground = core_intensity(labels, smooth, depth, inner)
    noise = _background_noise(labels, image)
    edge = _crossing_nearest_mask(profiles, offsets, foreground, level, noise)
    edge[object_areas(labels) == 0] = np.nan
    return -edge


def core_intensity(
    labels: NDArray[np.int32],
    image: NDArray[np.float32],
    depth: NDArray[np.float32],
    inner: NDArray[np.int32] | None = None,
) -> NDArray[np.float64]:
    """Median intensity of each object deeper than half its depth, without the inner objects.

    Where inner objects fill the core (a large nucleus in a small cell), all pixels of the object
    outside them and off its edge serve instead.
    """
    numbers = np.arange(1, int(labels.max(initial=0)) + 1)
    deepest = np.concatenate([[0], ndimage.maximum(depth, labels, numbers)])
    core = (depth >= np.maximum(0.5 * deepest, 1)[labels]) & (labels > 0)
    if inner is not None:
        core &= inner == 0
    value = _median_per_label(labels, image, core, len(numbers))
    if inner is not None and np.isnan(value).any():
        rest = _median_per_label(labels, image, (depth >= 1) & (inner == 0), len(numbers))
        value = np.where(np.isnan(value), rest, value)
    return value


def _median_per_label(labels: NDArray, image: NDArray, where: NDArray, count: int) -> NDArray:
    chosen = np.flatnonzero((where & (labels > 0)).ravel())
    label_of_pixel = labels.ravel()[chosen]
    values = image.ravel()[chosen]
    values = values[np.lexsort((values, label_of_pixel))]
    sizes = np.bincount(label_of_pixel, minlength=count + 1)[1:]
    starts = np.cumsum(sizes) - sizes
    medians = np.full(count, np.nan)
    some = sizes > 0
    low, high = starts + (sizes - 1) // 2, starts + sizes // 2
    medians[some] = (values[low[some]] + values[high[some]].astype(np.float64)) / 2
    return medians


def _background_noise(labels: NDArray, image: NDArray) -> float:
    """Robust standard deviation of background pixels; 0 where the camera clipped them."""
    background = image[labels == 0]
    if background.size == 0:
        return 0.0
    return float(1.4826 * np.median(np.abs(background - np.median(background))))


def _profiles(labels: NDArray, smooth: NDArray, reach: float) -> tuple[NDArray, NDArray]:
    """Median intensity profile per object (n, t) and the offsets t in px, 0 at the mask's edge."""
    half = round(reach / STEP_PX)
    offsets = np.arange(-half, half + 1) * STEP_PX
    outside = ndimage.gaussian_filter((labels == 0).astype(np.float32), NORMAL_SMOOTHING_PX)
    y, x = np.nonzero(inner_boundary(labels, background_only=True))
    order, first, sizes = _chosen_rays(labels[y, x], int(labels.max()))
    y, x = y[order], x[order]
    direction = np.stack(
        [
            (outside[np.minimum(y + 1, labels.shape[0] - 1), x] - outside[np.maximum(y - 1, 0), x]),
            (outside[y, np.minimum(x + 1, labels.shape[1] - 1)] - outside[y, np.maximum(x - 1, 0)]),
        ],
        axis=1,
    ).astype(np.float64)
    length = np.hypot(direction[:, 0], direction[:, 1])
    direction /= np.maximum(length, 1e-9)[:, None]
    samples = _sample_rays(
        labels, smooth, y.astype(np.float64), x.astype(np.float64), direction, offsets
    )
    samples[length < 1e-6] = np.nan
    return _median_profiles(samples, first, sizes), offsets


def _chosen_rays(label_of_pixel: NDArray, count: int) -> tuple[NDArray, NDArray, NDArray]:
    """Up to 32 boundary pixels per object, evenly spread over them in raster order."""
    order = np.argsort(label_of_pixel, kind="stable")
    sizes = np.bincount(label_of_pixel, minlength=count + 1)[1:]
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    size = np.repeat(sizes, sizes)
    taken = np.minimum(size, RAYS_PER_OBJECT)
    # The k-th of n pixels is taken when a multiple of n / taken falls into it.
    keep = (rank * taken) // size != ((rank - 1) * taken) // size
    taken_sizes = np.minimum(sizes, RAYS_PER_OBJECT)
    return order[keep], np.cumsum(taken_sizes) - taken_sizes, taken_sizes


# numba: interpolation stops where a ray leaves its validity, which saves most of the samples
@njit(cache=True)
def _sample_rays(labels, image, y, x, direction, offsets):  # noqa: ANN001, ANN202
    """Intensity along each ray, NaN from where it is no longer valid.

    That is the image border, another object or, more than 1 px outside, the object itself again.
    """
    samples = np.full((y.size, offsets.size), np.nan)
    middle = offsets.size // 2
    height, width = labels.shape
    for ray in range(y.size):
        own = labels[int(y[ray]), int(x[ray])]
        for way in (-1, 1):
            for step in range(0 if way == 1 else 1, middle + 1):
                at = middle + way * step
                distance = offsets[at] + 0.5
                py = y[ray] + direction[ray, 0] * distance
                px = x[ray] + direction[ray, 1] * distance
                if py < 0 or px < 0 or py > height - 1 or px > width - 1:
                    break
                met = labels[int(np.floor(py + 0.5)), int(np.floor(px + 0.5))]
                if met > 0 and (met != own or offsets[at] > 1):
                    break
                y0, x0 = min(int(py), height - 2), min(int(px), width - 2)
                fy, fx = py - y0, px - x0
                samples[ray, at] = (1 - fy) * (
                    (1 - fx) * image[y0, x0] + fx * image[y0, x0 + 1]
                ) + fy * ((1 - fx) * image[y0 + 1, x0] + fx * image[y0 + 1, x0 + 1])
    return samples


# numba: many medians of at most 32 numbers; NaN-aware medians over a ragged axis
@njit(cache=True)
def _median_profiles(samples, first, sizes):  # noqa: ANN001, ANN202
    profiles = np.full((sizes.size, samples.shape[1]), np.nan)
    for index in range(sizes.size):
        fewest = max(FEWEST_RAYS, SHARE_OF_RAYS * sizes[index])
        for at in range(samples.shape[1]):
            column = samples[first[index] : first[index] + sizes[index], at]
            valid = column[~np.isnan(column)]
            if valid.size >= fewest:
                profiles[index, at] = np.median(valid)
    return profiles


def _crossing_nearest_mask(
    profiles: NDArray, offsets: NDArray, foreground: NDArray, level: float, noise: float
) -> NDArray[np.float64]:
    """Offset in px at which each profile falls through the level, the one nearest to 0."""
    outside = np.where(offsets > 0, profiles, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # objects without any valid ray
        background = np.nanmin(outside, axis=1)
        farthest = np.nanmax(np.where(np.isnan(profiles), np.nan, offsets), axis=1)
    contrast = foreground - background
    threshold = background + level * contrast
    before, after = profiles[:, :-1], profiles[:, 1:]
    falls = (before >= threshold[:, None]) & (after < threshold[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (before - threshold[:, None]) / (before - after)
    position = np.where(falls, offsets[:-1] + part * STEP_PX, np.inf)
    nearest = np.argmin(np.abs(position), axis=1)
    edge = position[np.arange(len(position)), nearest]
    usable = np.isfinite(edge) & (contrast > noise) & (farthest >= 1.5)
    return np.where(usable, edge, np.nan)
