"""Steps that make one kind of structure bright, as CellProfiler's EnhanceOrSuppressFeatures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import feature
from skimage import filters as skimage_filters

from levelfield.arrays import Image
from levelfield.config.parameters import require_choice, require_number


def enhance_speckles(image: Image, *, diameter: float = 5.0) -> Image:
    """Keep only what is bright and narrower than `diameter` px (white top-hat)."""
    return image - suppress_speckles(image, diameter=diameter)


def suppress_speckles(image: Image, *, diameter: float = 5.0) -> Image:
    """Remove what is bright and narrower than `diameter` px (grey opening with a disk)."""
    require_number("diameter", diameter, 1)
    return ndimage.grey_opening(image, footprint=_disk(diameter))


def _disk(diameter: float) -> NDArray[np.uint8]:
    from skimage.morphology import disk  # takes long to load, and few need it

    return disk(diameter / 2)[None]


def enhance_neurites(image: Image, *, width: float = 3.0) -> Image:
    """Make bright lines and tubes bright, and blobs and steps dark (tubeness, Sato 1998).

    A line of `width` px answers most strongly to a Gaussian of width / 2.
    """
    require_number("width", width, 0.5)
    sigma = width / 2
    return np.stack(
        [skimage_filters.sato(plane, sigmas=[sigma], black_ridges=False) for plane in image]
    )


def enhance_dark_holes(image: Image, *, diameter: float = 10.0) -> Image:
    """Make dark holes narrower than `diameter` px bright, and all else 0 (black top-hat)."""
    require_number("diameter", diameter, 1)
    return ndimage.grey_closing(image, footprint=_disk(diameter)) - image


def enhance_circles(image: Image, *, diameter: float = 10.0) -> Image:
    """Make the centres of circular outlines bright, whatever lies inside (circular Hough).

    Every edge votes, by its strength, for the centres at half the diameter (px) from it.
    """
    from scipy.signal import fftconvolve  # takes longer to load than all the rest of this package

    require_number("diameter", diameter, 3)
    radius = diameter / 2
    reach = int(np.ceil(radius)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    ring = np.maximum(1 - np.abs(np.hypot(rows, columns) - radius), 0)
    ring /= ring.sum()
    edges = [skimage_filters.sobel(plane) for plane in image]
    return np.stack([np.maximum(fftconvolve(edge, ring, mode="same"), 0) for edge in edges])


def enhance_texture(image: Image, *, sigma: float = 2.0) -> Image:
    """Make rough regions bright: the standard deviation in a Gaussian window of `sigma` px."""
    require_number("sigma", sigma, 0.5)
    centred = image - image.mean(axis=(1, 2), keepdims=True)  # keeps the squares accurate
    window = (0, sigma, sigma)
    variance = ndimage.gaussian_filter(centred**2, window)
    variance -= ndimage.gaussian_filter(centred, window) ** 2
    return np.sqrt(np.maximum(variance, 0))


def match_template(image: Image, *, template: Sequence[Sequence[float]]) -> Image:
    """Normalised correlation with a template, 0 where there is none (negative counts as 0).

    The template is rows of intensities, smaller than the image.
    """
    pattern = np.asarray(template, np.float32)
    if pattern.ndim != 2 or min(pattern.shape) < 2 or np.ptp(pattern) == 0:
        raise ValueError(
            f"template has the shape {pattern.shape}; it must be a table of at least 2 x 2 numbers "
            "that are not all the same"
        )
    if any(np.greater(pattern.shape, image.shape[1:])):
        raise ValueError(f"template is {pattern.shape} px, larger than the image {image.shape[1:]}")
    planes = [feature.match_template(plane, pattern, pad_input=True) for plane in image]
    return np.maximum(np.stack(planes), 0)


def medial_axis(image: Image, *, output: str = "distance") -> Image:
    """Reduce what is brighter than Otsu's threshold to its middle lines.

    `distance`: lines as bright as the structure is wide (px to its edge); `skeleton`: all 1.
    """
    from skimage import morphology

    require_choice("output", output, ("distance", "skeleton"))
    result = np.zeros(image.shape, np.float32)
    for plane, out in zip(image, result, strict=True):
        foreground = plane > skimage_filters.threshold_otsu(plane)
        # The order in which equal pixels are removed is random unless the generator is given.
        lines, distance = morphology.medial_axis(
            foreground, return_distance=True, rng=np.random.default_rng(0)
        )
        out[lines] = distance[lines] if output == "distance" else 1
    return result
