"""The background beside objects: how far each stands out from what surrounds it."""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Mask, Plane

# Of a weighted mean; with less background near a pixel, that of the whole image counts too.
_LEAST_SHARE = 0.01


def background_beside(image: Plane, outside: Mask, radius: float, overall: float) -> Plane:
    """Return the brightness of the background around each pixel of an image (Y, X).

    The mean of the pixels outside of objects in a square that reaches as far as the radius (px) to
    each side: haze and the cytoplasm's glow around a nucleus are background too. It is never below
    the `overall` level, which also counts where no background is near.
    """
    base, size = np.float32(overall), 2 * round(radius) + 1
    share = ndimage.uniform_filter(outside.astype(np.float32), size)
    above = np.where(outside, image - base, np.float32(0)).astype(np.float32)
    mean = ndimage.uniform_filter(above, size) / (share + np.float32(_LEAST_SHARE))
    return base + np.maximum(mean, np.float32(0))
