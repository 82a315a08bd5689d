"""What all decoders do last: fill holes, drop what is not an object, number the rest."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Labels, Plane
from levelfield.labels.objects import (
    equivalent_diameters,
    fill_object_holes,
    keep_objects,
    renumber,
)
from levelfield.segmentation.decoder_options import DecodingOptions


def finish(labels: Labels, likely: Plane, options: DecodingOptions) -> Labels:
    """Fill the holes of objects, remove unlikely and small ones, number the others.

    Parameters
    ----------
    labels : (Y, X) int32
        Any numbers.
    likely : (Y, X) float32
        Probability of foreground.
    options : DecodingOptions
        Which objects stay.

    Returns
    -------
    (Y, X) int32
        Numbered 1..n in raster order.
    """
    filled = fill_object_holes(labels)
    keep = equivalent_diameters(filled) >= max(options.minimum_diameter, 1e-9)
    keep &= mean_foreground(filled, likely) >= options.minimum_foreground
    return renumber(keep_objects(filled, keep))


def mean_foreground(labels: Labels, likely: Plane) -> Floats:
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
