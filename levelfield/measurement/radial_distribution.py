"""RadialDistribution: how intensity is spread from the centre of an object to its edge.

Definitions of CellProfiler's MeasureObjectIntensityDistribution. The centre of an object is the
pixel farthest from its outside (the first in raster order among equals; what lies beyond the image
does not count as outside). Every pixel is put into a ring by its distance from the centre, walked
within the object, over the sum of that distance and the distance to the outside.
"""

import math

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers, Labels
from levelfield.measurement import zernike
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.distances import NO_OUTSIDE
from levelfield.measurement.features import Column, Feature
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels

RINGS = (
    Feature(
        "RadialDistribution_FracAtD_{channel}_{ring}of{rings}",
        "1",
        "Share of the object's intensity that lies in the ring; ring 1 is the innermost.",
    ),
    Feature(
        "RadialDistribution_MeanFrac_{channel}_{ring}of{rings}",
        "1",
        "That share over the share of the object's pixels that lie in the ring.",
    ),
    Feature(
        "RadialDistribution_RadialCV_{channel}_{ring}of{rings}",
        "1",
        "Coefficient of variation of the mean intensities of the ring's eight wedges; "
        "0 if all of them are 0.",
    ),
)
MAGNITUDE = Feature(
    "RadialDistribution_ZernikeMagnitude_{channel}_{n}_{m}",
    "intensity",
    "Magnitude of the Zernike moment of the intensity in the enclosing circle, per pixel.",
)
PHASE = Feature(
    "RadialDistribution_ZernikePhase_{channel}_{n}_{m}",
    "radian",
    "Phase of that moment, as CellProfiler defines it: arctan2(real part, imaginary part).",
)
FEATURES = (*RINGS, MAGNITUDE, PHASE)

_WEDGES = 8
_FAR = 1e20


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: channel by channel the rings, then channel by channel the moments."""
    rings = parameters.radial_bins
    return [
        feature.column(channel=channel, ring=ring + 1, rings=rings)
        for channel in parameters.channels
        for ring in range(rings)
        for feature in RINGS
    ] + [
        feature.column(channel=channel, n=n, m=m)
        for channel in parameters.channels
        for n, m in zernike.orders(parameters.zernike_degree)
        for feature in (MAGNITUDE, PHASE)
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) radial features in the order of `columns`."""
    pixels = objects.pixels
    sectors = _sectors(
        pixels.labels,
        pixels.starts,
        pixels.positions,
        pixels.boxes,
        objects.squared_distances_within_image,
        parameters.radial_bins,
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0: no intensity at all gives NaN
        rings = _ring_features(objects.values, pixels, sectors, parameters.radial_bins)
    return np.column_stack([rings, _zernike_features(objects)])


def _ring_features(values: Floats, pixels: ObjectPixels, sectors: Integers, rings: int) -> Floats:
    """Return the (n, C * rings * 3) shares, mean shares and variations."""
    sums, counts = _sector_sums(values, pixels.starts, sectors, rings)
    share = sums.sum(axis=3) / sums.sum(axis=(2, 3))[:, :, None]
    pixel_share = counts.sum(axis=2) / counts.sum(axis=(1, 2))[:, None]
    mean_share = share / (pixel_share + np.finfo(float).eps)
    filled = counts > 0
    wedges = np.maximum(filled.sum(axis=2), 1)
    means = np.where(filled, sums / np.maximum(counts, 1), 0)
    centre = means.sum(axis=3) / wedges
    spread = np.where(filled, (means - centre[..., None]) ** 2, 0).sum(axis=3)
    variation = np.divide(
        np.sqrt(spread / wedges), centre, out=np.zeros_like(centre), where=centre != 0
    )
    variation[:, counts.sum(axis=(1, 2)) == 0] = np.nan
    table = np.stack([share, mean_share, variation], axis=3)[:, :, :rings]
    return np.moveaxis(table, 0, 1).reshape(pixels.count, -1)


def _zernike_features(objects: ObjectSet) -> Floats:
    real, imaginary = np.moveaxis(objects.zernike_sums[:, 1:], 3, 0)
    magnitude = np.hypot(real, imaginary) / objects.pixels.areas[:, None, None]
    return np.stack([magnitude, np.arctan2(real, imaginary)], axis=3).reshape(len(real), -1)


@njit(cache=True)
def _sectors(
    labels: Labels,
    starts: Integers,
    positions: Integers,
    boxes: Integers,
    squared: Integers,
    rings: int,
) -> Integers:
    """Return ring * 8 + wedge of every object pixel, or -1 where the centre cannot be reached."""
    width = labels.shape[1]
    sectors = np.empty(positions.size, np.int64)
    for k in range(boxes.shape[0]):
        first, end = starts[k], starts[k + 1]
        if squared[first] >= NO_OUTSIDE:
            sectors[first:end] = -1
            continue
        centre = positions[first + np.argmax(squared[first:end])]
        centre_row, centre_column = centre // width, centre % width
        walked = _walk(labels, k + 1, boxes[k], centre_row, centre_column)
        for i in range(first, end):
            row, column = positions[i] // width, positions[i] % width
            distance = walked[row - boxes[k, 0], column - boxes[k, 2]]
            if distance >= _FAR:
                sectors[i] = -1
                continue
            ring = int(distance / (distance + math.sqrt(squared[i]) + 0.001) * rings)
            down, across = row - centre_row, column - centre_column
            wedge = (down > 0) + 2 * (across > 0) + 4 * (abs(down) > abs(across))
            sectors[i] = min(ring, rings) * _WEDGES + wedge
    return sectors


@njit(cache=True)
def _walk(labels: Labels, label: int, box: Integers, row: int, column: int) -> Floats:
    """Return the length in px of the shortest walk within the object from one of its pixels.

    Steps go to the eight neighbours. Sweeps forth and back over the bounding box until nothing
    changes: two or three are enough for most objects, and no queue is needed.
    """
    height, width = box[1] - box[0], box[3] - box[2]
    inside = labels[box[0] : box[1], box[2] : box[3]] == label
    walked = np.full((height + 2, width + 2), _FAR)  # a margin saves the tests at the box's edge
    walked[row - box[0] + 1, column - box[2] + 1] = 0.0
    changed = True
    while changed:
        changed = False
        for y in range(1, height + 1):
            for x in range(1, width + 1):
                if inside[y - 1, x - 1]:
                    changed |= _shorten(walked, y, x, -1)
        for y in range(height, 0, -1):
            for x in range(width, 0, -1):
                if inside[y - 1, x - 1]:
                    changed |= _shorten(walked, y, x, 1)
    return walked[1:-1, 1:-1]


@njit(cache=True)
def _shorten(walked: Floats, y: int, x: int, ahead: int) -> bool:
    """Reach a pixel from its four neighbours on one side if that is shorter."""
    straight = min(walked[y, x + ahead], walked[y + ahead, x]) + 1.0
    diagonal = min(walked[y + ahead, x - 1], walked[y + ahead, x + 1]) + math.sqrt(2.0)
    shortest = min(straight, diagonal)
    if shortest < walked[y, x] - 1e-9:
        walked[y, x] = shortest
        return True
    return False


@njit(cache=True)
def _sector_sums(
    values: Floats, starts: Integers, sectors: Integers, rings: int
) -> tuple[Floats, Floats]:
    """Return (C, n, rings + 1, 8) sums of intensity and (n, rings + 1, 8) numbers of pixels."""
    channels, count = values.shape[0], starts.size - 1
    sums = np.zeros((channels, count, (rings + 1) * _WEDGES))
    counts = np.zeros((count, (rings + 1) * _WEDGES))
    for k in range(count):
        for i in range(starts[k], starts[k + 1]):
            if sectors[i] >= 0:
                counts[k, sectors[i]] += 1
                for channel in range(channels):
                    sums[channel, k, sectors[i]] += values[channel, i]
    return (
        sums.reshape(channels, count, rings + 1, _WEDGES),
        counts.reshape(count, rings + 1, _WEDGES),
    )
