"""Threshold bias: how far the mask's edge lies outside the edge in the image.

Positive: the masks are too large (the threshold was too low); negative: too small. The edge in
the image is where the intensity, followed along the outward normal, falls to a level (40 % by
default) between the object's core and its background. Where zero lies is a convention, since people
who draw outlines differ; differences between control classes do not depend on it.

Up to 32 boundary pixels per object that face background send a ray along the outward normal. Rays
end where another object begins. The object's profile is the median over its rays, from
max(4, 0.35 D) px inside, D being the median diameter of the field's objects. Foreground is the
median of the object's core (the pixels deeper than half its depth), background the lowest value of
the profile as far outside, and the edge the crossing of the level nearest to the mask. The
background is looked for again from the edge that was found, so that it does not depend on where the
mask ends.

Levelfield's own method. With masks moved by a known distance it moves by that distance; compared
with reference outlines its zero differs from one annotator to the next.
"""

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import AnyArray, Floats, Image, Integers, Labels
from levelfield.images.smoothing import gaussian
from levelfield.labels.boundaries import inner_boundary, inner_distance
from levelfield.labels.labelwise import (
    areas,
    largest_per_label,
    median_diameter,
    percentiles_per_label,
)
from levelfield.qc.evidence.background import background_noise
from levelfield.qc.evidence.checked_field import checked_field

RAYS_PER_OBJECT = 32
STEP_PX = 0.5
NORMAL_SMOOTHING_PX = 1.5
IMAGE_SMOOTHING_PX = 0.7
FEWEST_RAYS = 5
SHARE_OF_RAYS = 0.3
SHORTEST_REACH_PX = 4.0
REACH_PER_DIAMETER = 0.35
OUTWARD_PER_REACH = 1.6
ROUNDS = 3
INNER_BLUR_PX = 2


def threshold_bias(
    labels: Labels,
    image: Image,
    level: float = 0.4,
    *,
    inner: Labels | None = None,
    depth: Image | None = None,
    noise: float | None = None,
) -> Floats:
    """Signed distance in px from the edge in the image to the edge of each mask.

    Parameters
    ----------
    labels, image : (Y, X) int32 and float32
        Objects, and the channel in which they were segmented. It may be clipped at zero.
    level : float
        Share of the way from background to foreground at which the edge lies, between 0 and 1.
    inner : (Y, X) int32, optional
        Objects that lie inside (the nuclei of cells). Rays end at them, and foreground is then the
        brightest point of the profile between them and 1 px outside the mask (at least 2 px away
        from them where the rim is wide enough), so that a stain that moves between nucleus and
        cytoplasm is not mistaken for a moved edge.
    depth, noise : (Y, X) float32 and float, optional
        `inner_distance` of the labels and `background_noise`, where they are known already.

    Returns
    -------
    (n,) float64
        px, element 0 for label 1; NaN without a free boundary, contrast, or crossing within reach.

    Raises
    ------
    ValueError
        When labels and image do not fit each other, or the level is not between 0 and 1.
    """
    labels, image, inner = checked_field(labels, image, inner)
    if not 0 < level < 1:
        raise ValueError(
            f"Edge level {level}: the level is a share of the way from background (0) to "
            "foreground (1), so it must lie between them. The default is 0.4."
        )
    if not labels.any():
        return np.full(0, np.nan)
    depth = inner_distance(labels) if depth is None else depth
    noise = background_noise(labels, image) if noise is None else noise
    edge = _edge_offsets(labels, image, level, inner, depth, noise)
    edge[areas(labels) == 0] = np.nan
    return -edge


def _edge_offsets(
    labels: Labels, image: Image, level: float, inner: Labels | None, depth: Image, noise: float
) -> Floats:
    """Offset in px of each object's edge in the image, outwards from that of its mask."""
    smooth = gaussian(image, IMAGE_SMOOTHING_PX)
    deepest = largest_per_label(labels, depth, int(labels.max()))
    reach = max(SHORTEST_REACH_PX, REACH_PER_DIAMETER * median_diameter(labels))
    profiles, offsets = _profiles(labels, smooth, reach, inner)
    profiles[offsets[None, :] < -0.9 * deepest[:, None]] = np.nan
    if inner is None:
        foreground = _core_intensity(labels, smooth, depth, deepest)
    else:
        foreground = _rim_intensity(labels, smooth, reach, inner, profiles, offsets)
    return _find_edge(profiles, offsets, foreground, level, reach, noise)


def _core_intensity(labels: Labels, image: Image, depth: Image, deepest: Floats) -> Floats:
    """Median intensity of each object deeper than half its depth."""
    limit = np.concatenate([[np.inf], np.maximum(0.5 * deepest, 1)])
    core = np.where(depth >= limit[labels], labels, 0)
    return percentiles_per_label(core, image, (50,), len(deepest))[0]


def _rim_intensity(
    labels: Labels, image: Image, reach: float, inner: Labels, profiles: Floats, offsets: Floats
) -> Floats:
    """Brightest point of the profile outside inner objects, and outside their blur if possible."""
    wider = ndimage.binary_dilation(inner > 0, iterations=INNER_BLUR_PX)
    clear, _ = _profiles(labels, image, reach, wider.astype(np.int32))
    brightest, brightest_clear = (
        _largest(np.where(offsets <= 1, each, np.nan)) for each in (profiles, clear)
    )
    wide_rim = np.isfinite(np.where(offsets <= -1.5, clear, np.nan)).any(axis=1)
    return np.where(wide_rim, brightest_clear, brightest)


def _profiles(
    labels: Labels, smooth: Image, reach: float, inner: Labels | None
) -> tuple[AnyArray, AnyArray]:
    """Median intensity profile per object (n, t) and the offsets t in px, 0 at the mask's edge."""
    inward, outward = round(reach / STEP_PX), round(OUTWARD_PER_REACH * reach / STEP_PX)
    offsets = STEP_PX * np.arange(-inward, outward + 1, dtype=float)
    barrier = np.zeros((0, 0), np.int32) if inner is None else inner
    outside = gaussian((labels == 0).astype(np.float32), NORMAL_SMOOTHING_PX)
    y, x = np.nonzero(inner_boundary(labels, background_only=True))
    order, first, sizes = _chosen_rays(labels[y, x], int(labels.max()))
    y, x = y[order], x[order]
    below, right = np.minimum(y + 1, labels.shape[0] - 1), np.minimum(x + 1, labels.shape[1] - 1)
    down = outside[below, x] - outside[np.maximum(y - 1, 0), x]
    across = outside[y, right] - outside[y, np.maximum(x - 1, 0)]
    direction = np.stack([down, across], axis=1).astype(np.float64)
    length = np.hypot(direction[:, 0], direction[:, 1])
    direction /= np.maximum(length, 1e-9)[:, None]
    start = np.stack([y, x], axis=1).astype(np.float64)
    samples = np.full((len(start), offsets.size), np.nan)
    _sample_rays((labels, smooth, barrier), start, direction, offsets, inward, samples)
    samples[length < 1e-6] = np.nan
    profiles = np.full((sizes.size, offsets.size), np.nan)
    _find_medians(samples, first, sizes, np.empty(RAYS_PER_OBJECT), profiles)
    return profiles, offsets


def _chosen_rays(label_of_pixel: Labels, count: int) -> tuple[AnyArray, AnyArray, AnyArray]:
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
def _sample_rays(
    field: tuple[Labels, Image, Labels],
    start: Floats,
    direction: Floats,
    offsets: Floats,
    zero: int,
    samples: Floats,
) -> None:
    """Find the intensity along each ray, up to where it meets what ends it."""
    # That is the image border, another object, an inner object on the way in or, more than 1 px
    # outside, the object itself again.
    labels, image, barrier = field
    height, width = labels.shape
    for ray in range(len(start)):
        own = labels[int(start[ray, 0]), int(start[ray, 1])]
        for way in (-1, 1):
            at = zero if way == 1 else zero - 1
            while 0 <= at < offsets.size:
                y = start[ray, 0] + direction[ray, 0] * (offsets[at] + 0.5)
                x = start[ray, 1] + direction[ray, 1] * (offsets[at] + 0.5)
                if y < 0 or x < 0 or y > height - 1 or x > width - 1:
                    break
                near_y, near_x = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
                met = labels[near_y, near_x]
                if met > 0 and (met != own or offsets[at] > 1):
                    break
                if way == -1 and barrier.size > 0 and barrier[near_y, near_x] > 0:
                    break
                samples[ray, at] = _interpolate(image, y, x)
                at += way


@njit(cache=True)
def _interpolate(image: Image, y: float, x: float) -> float:
    row, column = min(int(y), image.shape[0] - 2), min(int(x), image.shape[1] - 2)
    part_y, part_x = y - row, x - column
    upper = (1 - part_x) * image[row, column] + part_x * image[row, column + 1]
    lower = (1 - part_x) * image[row + 1, column] + part_x * image[row + 1, column + 1]
    return (1 - part_y) * upper + part_y * lower


# numba: many medians of at most 32 numbers, some of them NaN, over a ragged axis; an insertion sort
# is compiled in a tenth of the time of numpy's median
@njit(cache=True)
def _find_medians(
    samples: Floats, first: Integers, sizes: Integers, known: Floats, profiles: Floats
) -> None:
    for index in range(sizes.size):
        fewest = max(FEWEST_RAYS, SHARE_OF_RAYS * sizes[index])
        for at in range(samples.shape[1]):
            count = 0
            for ray in range(first[index], first[index] + sizes[index]):
                value = samples[ray, at]
                if np.isnan(value):
                    continue
                place = count
                while place > 0 and known[place - 1] > value:
                    known[place] = known[place - 1]
                    place -= 1
                known[place] = value
                count += 1
            if count >= fewest:
                profiles[index, at] = (known[(count - 1) // 2] + known[count // 2]) / 2


def _find_edge(
    profiles: Floats, offsets: Floats, foreground: Floats, level: float, reach: float, noise: float
) -> Floats:
    """Offset in px at which each profile falls through the level; NaN where it cannot be told."""
    edge = np.zeros(len(profiles))
    for _ in range(ROUNDS):
        beyond = (offsets > edge[:, None]) & (offsets <= edge[:, None] + reach)
        contrast = foreground + _largest(np.where(beyond, -profiles, np.nan))
        crossing = _crossing_nearest_mask(profiles, offsets, foreground - (1 - level) * contrast)
        edge = np.where(np.isnan(crossing), edge, crossing)
    farthest = _largest(np.where(np.isnan(profiles), np.nan, offsets))
    usable = (contrast > noise) & (farthest >= 1.5)
    return np.where(usable, crossing, np.nan)


def _largest(values: Floats) -> Floats:
    """Maximum of each row without NaN; NaN for a row of nothing else."""
    largest = np.max(np.where(np.isnan(values), -np.inf, values), axis=1)
    return np.where(np.isinf(largest), np.nan, largest)


def _crossing_nearest_mask(profiles: Floats, offsets: Floats, threshold: Floats) -> Floats:
    """Offset at which each profile falls through its threshold, the one nearest to 0, or NaN."""
    above = threshold[:, None]
    before, after = profiles[:, :-1], profiles[:, 1:]
    falls = (before >= above) & (after < above)
    drop = np.where(falls, before - after, 1)
    position = np.where(falls, offsets[:-1] + (before - above) / drop * STEP_PX, np.inf)
    nearest = np.argmin(np.abs(position), axis=1)
    crossing = position[np.arange(len(position)), nearest]
    return np.where(np.isinf(crossing), np.nan, crossing)
