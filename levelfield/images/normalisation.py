"""The scale of intensities that the network is given."""

import numpy as np

from levelfield.arrays import Image
from levelfield.images.noise import pixel_noise

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.8
# A field without objects must not be stretched until its noise looks like some: the range is at
# least so many standard deviations of the pixel noise, and never less than a few grey levels of
# a 16-bit camera.
LEAST_RANGE_IN_NOISE = 8.0
LEAST_RANGE = 1e-4
BRIGHTEST = 2.0


def normalise(image: Image) -> Image:
    """Scale an image (Y, X) so that its background is about 0 and its bright objects about 1."""
    low, high = np.percentile(image, (LOW_PERCENTILE, HIGH_PERCENTILE))
    least = max(LEAST_RANGE_IN_NOISE * pixel_noise(image), LEAST_RANGE)
    scaled = (image - low) / max(high - low, least)
    return np.clip(scaled, 0, BRIGHTEST).astype(np.float32)
