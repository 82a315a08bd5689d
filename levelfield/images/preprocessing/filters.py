"""Steps on the intensities of each channel: scale, smooth, background, edges, morphology."""

import numpy as np
from scipy import ndimage
from skimage import feature, restoration
from skimage import filters as skimage_filters

from levelfield.arrays import AnyArray, Image
from levelfield.config.parameters import require_choice, require_number


def rescale(image: Image, *, low: float = 0.1, high: float = 99.9) -> Image:
    """Stretch each channel so that two percentiles (0-100) become 0 and 1; clip beyond."""
    require_number("low", low, 0, 100)
    require_number("high", high, low=low, high=100)
    result = np.empty(image.shape, np.float32)
    for plane, out in zip(image, result, strict=True):
        bottom, top = np.percentile(plane, [low, high])
        out[:] = np.clip((plane - bottom) / (top - bottom or 1.0), 0, 1)
    return result


def gaussian(image: Image, *, sigma: float = 1.0) -> Image:
    """Smooth with a Gaussian of standard deviation `sigma` px."""
    require_number("sigma", sigma, 0)
    return ndimage.gaussian_filter(image, (0, sigma, sigma))


def median(image: Image, *, size: int = 3) -> Image:
    """Replace each pixel by the median of a square of `size` px; removes single hot pixels."""
    require_number("size", size, 1)
    return ndimage.median_filter(image, (1, int(size), int(size)))


def bilateral(image: Image, *, sigma: float = 2.0, intensity: float = 0.05) -> Image:
    """Smooth by `sigma` px but keep edges: differences much larger than `intensity` (0-1) stay."""
    require_number("sigma", sigma, 0.1)
    require_number("intensity", intensity, 1e-6)
    return np.stack(
        [
            restoration.denoise_bilateral(plane.copy(), sigma_color=intensity, sigma_spatial=sigma)
            for plane in image
        ]
    )


def subtract_background(image: Image, *, method: str = "top_hat", radius: float = 50.0) -> Image:
    """Subtract what varies slowly: out-of-focus haze, shading.

    Both methods look at the image as a landscape from below, along which a disk (`top_hat`) or a
    ball (`rolling_ball`, Sternberg 1983) is moved; what it does not touch stays. Its radius, in px,
    is larger than that of the largest object. As ImageJ does, large radii are computed on a smaller
    image.
    """
    require_choice("method", method, ("top_hat", "rolling_ball"))
    require_number("radius", radius, 1)
    result = np.empty(image.shape, np.float32)
    for plane, out in zip(image, result, strict=True):
        out[:] = np.maximum(plane - _background(plane, method, radius), 0)
    return result


def _background(plane: Image, method: str, radius: float) -> Image:
    shrink = max(1, int(radius // 10))
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % shrink), (0, -width % shrink)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // shrink, shrink, padded.shape[1] // shrink, shrink)
    small = blocks.min(axis=(1, 3))
    if method == "rolling_ball":
        # The ball is as high as wide, so intensities need a unit: as in ImageJ, 1/255 of the range.
        unit = float(np.ptp(plane)) / 255 or 1.0
        level = restoration.rolling_ball(small / unit, radius=radius / shrink) * unit
    else:
        footprint = _disk(max(1, round(radius / shrink)))
        padding = footprint.shape[0] // 2
        level = ndimage.grey_opening(np.pad(small, padding, mode="edge"), footprint=footprint)
        level = level[padding:-padding, padding:-padding]
    if shrink == 1:
        return level
    rows = (np.arange(height) + 0.5) / shrink - 0.5
    columns = (np.arange(width) + 0.5) / shrink - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij", sparse=True)
    coordinates = np.broadcast_arrays(*grid)
    enlarged = ndimage.map_coordinates(
        level, coordinates, output=np.float32, order=1, mode="nearest"
    )
    return np.minimum(enlarged, plane)


def edges(image: Image, *, method: str = "sobel", sigma: float = 1.0) -> Image:
    """Turn edges into bright lines, after a Gaussian of `sigma` px.

    `sobel`: strength of the gradient; `canny`: 1 on thin edges, else 0; `log`: the negative
    Laplacian of Gaussian, bright inside of blobs.
    """
    require_choice("method", method, ("sobel", "canny", "log"))
    require_number("sigma", sigma, 0)
    if method == "log":
        return np.stack([np.maximum(-ndimage.gaussian_laplace(plane, sigma), 0) for plane in image])
    if method == "canny":
        return np.stack([feature.canny(plane, sigma) for plane in rescale(image)])
    return np.stack([skimage_filters.sobel(plane) for plane in gaussian(image, sigma=sigma)])


def morphology(image: Image, *, operation: str, radius: float = 1.0) -> Image:
    """Grey-scale morphology with a disk of a radius in px.

    `erode` (minimum), `dilate` (maximum), `open` (removes what is bright and narrow), `close`
    (fills what is dark and narrow).
    """
    require_number("radius", radius, 0)
    functions = {
        "erode": ndimage.grey_erosion,
        "dilate": ndimage.grey_dilation,
        "open": ndimage.grey_opening,
        "close": ndimage.grey_closing,
    }
    require_choice("operation", operation, functions)
    return functions[operation](image, footprint=_disk(radius)[None])


def _disk(radius: float) -> AnyArray:
    from skimage.morphology import disk  # takes long to load, and few need it

    return disk(radius)


def fill_holes(image: Image) -> Image:
    """Raise dark regions that brighter ones surround to the level of their lowest way out."""
    from skimage.morphology import reconstruction

    result = np.empty(image.shape, np.float32)
    for plane, out in zip(image, result, strict=True):
        start = np.full(plane.shape, plane.max(), np.float32)
        start[[0, -1]] = plane[[0, -1]]
        start[:, [0, -1]] = plane[:, [0, -1]]
        out[:] = reconstruction(start, plane, method="erosion")
    return result


def crop(image: Image, *, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> Image:
    """Blank margins of so many px, so that nothing is found there; the size stays.

    The margins take the darkest value of the channel.
    """
    height, width = image.shape[1:]
    for name, value in {"top": top, "bottom": bottom, "left": left, "right": right}.items():
        require_number(name, value, 0)
    result = np.empty(image.shape, np.float32)
    result[:] = image.min(axis=(1, 2), keepdims=True)
    inside = (
        slice(None),
        slice(int(top), height - int(bottom)),
        slice(int(left), width - int(right)),
    )
    result[inside] = image[inside]
    return result


def mask(image: Image, *, channel: int = 0, low: float = 0.0, high: float = 1.0) -> Image:
    """Blank all channels where one of them, by its place from 0, is outside `low` to `high` (0-1).

    What is blanked takes the darkest value of its channel.
    """
    require_number("channel", channel, 0, len(image) - 1)
    require_number("low", low)
    require_number("high", high, low=low)
    inside = (image[int(channel)] >= low) & (image[int(channel)] <= high)
    return np.where(inside, image, image.min(axis=(1, 2), keepdims=True))
