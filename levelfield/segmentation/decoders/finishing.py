"""What all decoders do last: fill holes, drop what is not an object, number the rest."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.config.parameters import require_number
from levelfield.labels.objects import (
    equivalent_diameters,
    fill_object_holes,
    keep_objects,
    renumber,
)

Labels = NDArray[np.int32]


def finish(
    labels: Labels,
    likely: NDArray[np.float32],
    minimum_foreground: float,
    minimum_diameter: float,
) -> Labels:
    """Fill the holes of objects, remove unlikely and small ones, number the others.

    Parameters
    ----------
    labels
        (Y, X), any numbers.
    likely
        (Y, X) probability of foreground.
    minimum_foreground
        Objects of which the mean probability of foreground is lower are removed.
    minimum_diameter
        Objects of a smaller equivalent diameter (px) are removed.

    Returns
    -------
    (Y, X) int32, numbered 1..n in raster order.
    """
    require_number("minimum_foreground", minimum_foreground, 0, 1)
    require_number("minimum_diameter", minimum_diameter, 0)
    filled = fill_object_holes(labels)
    keep = equivalent_diameters(filled) >= max(minimum_diameter, 1e-9)
    keep &= mean_foreground(filled, likely) >= minimum_foreground
    return renumber(keep_objects(filled, keep))


def mean_foreground(labels: Labels, likely: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean probability of foreground of the objects 1..max; 0 where a number is absent."""
    return _means(labels.ravel(), likely.ravel(), int(labels.max(initial=0)))


# Compiled: bincount converts both images to 64 bit before.
@njit(cache=True, nogil=True)
def _means(
    labels: NDArray[np.int32], values: NDArray[np.float32], count: int
) -> NDArray[np.float64]:
    total, number = np.zeros(count), np.zeros(count)
    for pixel in range(labels.size):
        label = labels[pixel]
        if label > 0:
            total[label - 1] += values[pixel]
            number[label - 1] += 1
    return total / np.maximum(number, 1)
