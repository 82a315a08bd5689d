"""Which intensities of a channel pictures show as black and as white: one choice for a plate."""

import numpy as np

from levelfield.arrays import Image
from levelfield.illumination.flat_field import FlatField
from levelfield.illumination.thumbnails import downsample

_DARK, _BRIGHT = 1.0, 99.8
"""Percentiles of the pixels of an image."""
_DARK_IMAGES, _BRIGHT_IMAGES = 10.0, 95.0
"""Percentiles of the images: neither dust in one of them nor an empty one sets the contrast."""
_HEADROOM = 1.3
"""An area mean is darker than the brightest pixels in it."""


def display_range(thumbnails: Image, flat_field: FlatField, maximum: float) -> tuple[float, float]:
    """Choose one contrast for all images of a channel, so that wells can be compared by eye.

    Parameters
    ----------
    thumbnails : (N, y, x) float32
        From `levelfield.illumination.downsample`, raw counts.
    flat_field : FlatField
        That of the channel.
    maximum : float
        Largest count of the declared bit depth.

    Returns
    -------
    darkest, brightest : float
        As fractions of full scale after correction; 0 and 1 without any image.
    """
    if not len(thumbnails):
        return 0.0, 1.0
    small = downsample(flat_field.field, max(thumbnails.shape[1:]))
    light = (thumbnails - np.float32(flat_field.camera_offset.counts)) / (
        small * np.float32(maximum)
    )
    ends = np.percentile(light, (_DARK, _BRIGHT), axis=(1, 2))
    low = float(np.percentile(ends[0], _DARK_IMAGES))
    high = low + _HEADROOM * (float(np.percentile(ends[1], _BRIGHT_IMAGES)) - low)
    return low, high if high > low else low + 1.0
