"""Flows: every pixel follows its arrows; pixels that end in one place are one object (Cellpose).

Stringer et al., "Cellpose: a generalist algorithm for cellular segmentation", Nature Methods 2021.
"""

import math

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import Image, Integers, Labels, Mask
from levelfield.labels.objects import largest_parts
from levelfield.segmentation.declump import merged_basins
from levelfield.segmentation.decoder_options import FlowOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.small_network.prediction import Prediction

STEPS = 100  # of 1 px or less; more than the radius of any nucleus
SETTLED = 0.05  # px; a pixel that moves less than this has arrived
_SMOOTHING = 1.0  # px, of the density of arrivals
_LOWEST_DENSITY = 0.2  # smoothed arrivals per px; a place with fewer is no object's centre


def flow(prediction: Prediction, options: FlowOptions) -> Labels:
    """Let every foreground pixel follow the flow, and join those that arrive together."""
    mask = prediction.foreground > options.foreground
    pixels = np.flatnonzero(mask)
    arrivals = prediction.ends
    if prediction.flow.size:
        arrivals = follow_to_the_end(prediction.flow, mask, pixels)
    centres = _centres(arrivals, mask.shape, options.depth)
    labels = np.zeros(mask.shape, np.int32)
    labels.ravel()[pixels] = centres.ravel()[arrivals]
    return finish(largest_parts(labels), prediction.foreground, options)


def follow_to_the_end(directions: Image, mask: Mask, pixels: Integers) -> Integers:
    """Return the pixel in which each of `pixels` ends; both as flat indices."""
    arrows = np.where(mask, directions, np.float32(0)).transpose(1, 2, 0)
    arrivals = np.empty(len(pixels), np.int64)
    _follow(np.ascontiguousarray(arrows), pixels, arrivals)
    return arrivals


def _centres(arrivals: Integers, shape: tuple[int, ...], depth: float) -> Labels:
    """Return the places in which many pixels arrive, numbered (Y, X)."""
    density = np.bincount(arrivals, minlength=math.prod(shape)).reshape(shape)
    smooth = ndimage.gaussian_filter(density.astype(np.float32), _SMOOTHING)
    return merged_basins(smooth, smooth > _LOWEST_DENSITY, depth, 0.0)[0]


# numba: every pixel takes as many steps as it needs, most of them few
@njit(cache=True, nogil=True)
def _follow(arrows: Image, pixels: Integers, ends: Integers) -> None:
    """Find the pixel in which each of `pixels` ends; both as flat indices."""
    height, width = arrows.shape[:2]
    for number in range(len(pixels)):
        y, x = float(pixels[number] // width), float(pixels[number] % width)
        last_y, last_x = -1.0, -1.0
        for _ in range(STEPS):
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            down, across = y - top, x - left
            near = (1 - down) * (1 - across)
            beside, below, opposite = (1 - down) * across, down * (1 - across), down * across
            dy = (
                near * arrows[top, left, 0]
                + beside * arrows[top, right, 0]
                + below * arrows[bottom, left, 0]
                + opposite * arrows[bottom, right, 0]
            )
            dx = (
                near * arrows[top, left, 1]
                + beside * arrows[top, right, 1]
                + below * arrows[bottom, left, 1]
                + opposite * arrows[bottom, right, 1]
            )
            next_y = min(max(y + dy, 0.0), height - 1.0)
            next_x = min(max(x + dx, 0.0), width - 1.0)
            # Around a sharp centre, whole steps go to and fro for ever: the middle is the end.
            if (next_y - last_y) ** 2 + (next_x - last_x) ** 2 < SETTLED**2:
                y, x = (y + next_y) / 2, (x + next_x) / 2
                break
            if (next_y - y) ** 2 + (next_x - x) ** 2 < SETTLED**2:
                break
            last_y, last_x = y, x
            y, x = next_y, next_x
        ends[number] = int(y + 0.5) * width + int(x + 0.5)
