"""The noise of pixels, estimated from an image; numpy alone."""

import numpy as np

from levelfield.arrays import AnyFloats


def pixel_noise(image: AnyFloats) -> float:
    """Estimate the pixel noise (standard deviation) from second differences (Immerkaer 1996)."""
    curvature = image[:-2] - 2 * image[1:-1] + image[2:]
    curvature = curvature[:, :-2] - 2 * curvature[:, 1:-1] + curvature[:, 2:]
    if not curvature.size:
        return 0.0
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(curvature).mean())
