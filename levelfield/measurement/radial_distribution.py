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
from levelfield.measurement.distances import NO_OUTSIDE, squared_distances
from levelfield.measurement.features import Column, features
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels, first_maxima

FEATURES = features(
    "RadialDistribution",
    """
    FracAtD_{channel}_{ring}of{rings} | 1 | Share of the object's intensity that lies in the ring;
        ring 1 is the innermost.
    MeanFrac_{channel}_{ring}of{rings} | 1 | That share over the share of the object's pixels that
        lie in the ring.
    RadialCV_{channel}_{ring}of{rings} | 1 | Coefficient of variation of the mean intensities of the
        ring's eight wedges; 0 if all of them are 0.
    ZernikeMagnitude_{channel}_{n}_{m} | intensity | Magnitude of the Zernike moment of the
        intensity in the enclosing circle, per pixel.
    ZernikePhase_{channel}_{n}_{m} | radian | Phase of that moment, as CellProfiler defines it:
        arctan2(real part, imaginary part).
    """,
)

_WEDGES = 8
_FAR = 1e20
_ROOT_2 = math.sqrt(2.0)


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: channel by channel the rings, then channel by channel the moments."""
    rings = parameters.radial_bins
    return [
        feature.column(channel=channel, ring=ring + 1, rings=rings)
        for channel in parameters.channels
        for ring in range(rings)
        for feature in FEATURES[:3]
    ] + [
        feature.column(channel=channel, n=n, m=m)
        for channel in parameters.channels
        for n, m in zernike.orders(parameters.zernike_degree)
        for feature in FEATURES[3:]
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) radial features in the order of `columns`."""
    sectors = _sectors(objects.pixels, parameters.radial_bins)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0: no intensity at all gives NaN
        rings = _ring_features(objects.values, objects.pixels, sectors, parameters.radial_bins)
    return np.column_stack([rings, _zernike_features(objects)])


def _ring_features(values: Floats, pixels: ObjectPixels, sectors: Integers, rings: int) -> Floats:
    """Return the (n, C * rings * 3) shares, mean shares and variations."""
    sums, counts = _sector_sums(values, pixels, sectors, rings)
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


def _sectors(pixels: ObjectPixels, rings: int) -> Integers:
    """Return ring * 8 + wedge of every object pixel, or -1 where the centre cannot be reached."""
    squared = squared_distances(pixels, border_is_outside=False)
    centres = first_maxima(squared, pixels)
    walked = np.empty(squared.size)
    room = np.empty((pixels.boxes[:, 1::2] - pixels.boxes[:, ::2]).max(axis=0) + 2)
    where = (pixels.labels, pixels.starts, pixels.positions, pixels.boxes)
    _walk(*where, pixels.positions[centres], room, walked)
    ring = (walked / (walked + np.sqrt(squared) + 0.001) * rings).astype(np.int64)
    down, across = (places - places[centres][pixels.owner] for places in pixels.places)
    wedge = (down > 0) + 2 * (across > 0) + 4 * (abs(down) > abs(across))
    sectors = np.minimum(ring, rings) * _WEDGES + wedge
    return np.where((walked >= _FAR) | (squared >= NO_OUTSIDE), -1, sectors)


@njit(cache=True)
def _walk(
    labels: Labels,
    starts: Integers,
    positions: Integers,
    boxes: Integers,
    centres: Integers,
    room: Floats,
    walked: Floats,
) -> None:
    """Fill in the length in px of the shortest walk to each pixel, inside its object."""
    # Steps to eight neighbours, in sweeps over the bounding box, which has a margin, until nothing
    # changes: two or three are enough for most objects, and no queue is needed.
    columns = labels.shape[1]
    for k in range(boxes.shape[0]):
        top, left = boxes[k, 0] - 1, boxes[k, 2] - 1
        height, width = boxes[k, 1] - top + 1, boxes[k, 3] - left + 1
        for y in range(height):
            for x in range(width):
                room[y, x] = _FAR
        room[centres[k] // columns - top, centres[k] % columns - left] = 0.0
        changed = True
        while changed:
            changed = False
            for back in range(2):
                beside = 2 * back - 1
                for i in range(1, height - 1):
                    y = height - 1 - i if back else i
                    for j in range(1, width - 1):
                        x = width - 1 - j if back else j
                        if labels[top + y, left + x] != k + 1:
                            continue
                        straight = min(room[y, x + beside], room[y + beside, x]) + 1.0
                        diagonal = min(room[y + beside, x - 1], room[y + beside, x + 1]) + _ROOT_2
                        if min(straight, diagonal) < room[y, x] - 1e-9:
                            room[y, x] = min(straight, diagonal)
                            changed = True
        for i in range(starts[k], starts[k + 1]):
            walked[i] = room[positions[i] // columns - top, positions[i] % columns - left]


def _sector_sums(
    values: Floats, pixels: ObjectPixels, sectors: Integers, rings: int
) -> tuple[Floats, Floats]:
    """Return (C, n, rings + 1, 8) sums of intensity and (n, rings + 1, 8) numbers of pixels."""
    form = (pixels.count, rings + 1, _WEDGES)
    reached = sectors >= 0
    keys = (pixels.owner * (rings + 1) * _WEDGES + sectors)[reached]
    sums = [np.bincount(keys, plane[reached], math.prod(form)).reshape(form) for plane in values]
    return np.stack(sums), np.bincount(keys, minlength=math.prod(form)).reshape(form).astype(float)
