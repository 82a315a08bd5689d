"""What all decoders do last: fill holes, drop what is not an object, number the rest."""

import numpy as np

from levelfield.arrays import Labels, Plane
from levelfield.labels.labelwise import areas, sums_per_label
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

    Returns
    -------
    (Y, X) int32
        Numbered 1..n in raster order.
    """
    filled = fill_object_holes(labels)
    size = areas(filled)
    keep = equivalent_diameters(filled) >= max(options.minimum_diameter, 1e-9)
    mean = sums_per_label(filled, likely, len(size)) / np.maximum(size, 1)
    return renumber(keep_objects(filled, keep & (mean >= options.minimum_foreground)))
