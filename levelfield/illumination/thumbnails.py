"""Small copies of raw images, all that the illumination fit keeps in memory."""

from functools import lru_cache

import numpy as np
from scipy import sparse

from levelfield.arrays import AnyFloats, Image

SATURATED = 0.98  # of the largest count
PEDESTAL = 10.0  # counts; where images are nowhere darker, an area of zeros is missing data
FOLDS = 10  # groups of images whose scatter gives standard errors


def downsample(image: Image, size: int = 120) -> Image:
    """Shrink a raw image (Y, X) by area mean until its longer side has `size` px, or keep it.

    Pixels that straddle two cells count in both by their share, so any image size will do.

    Raises
    ------
    ValueError
        If `image` is not two-dimensional.
    """
    if image.ndim != 2 or min(image.shape) < 1:
        raise ValueError(
            f"an image of shape {image.shape} was given for the illumination fit, where one plane "
            "(Y, X) is needed. Pass channels and z planes one by one."
        )
    scale = min(1.0, size / max(image.shape))
    rows, columns = (max(1, round(length * scale)) for length in image.shape)
    along_y = _area_weights(image.shape[0], rows)
    along_x = _area_weights(image.shape[1], columns)
    # Float64 keeps a constant image exactly constant.
    return ((along_y @ image.astype(np.float64)) @ along_x.T).astype(np.float32)


@lru_cache(maxsize=16)
def _area_weights(length: int, cells: int) -> sparse.csr_array:
    """Shares (cells, length) by which each pixel of a row belongs to each equal cell."""
    pixel = np.arange(length)
    first = pixel * cells // length
    last = ((pixel + 1) * cells - 1) // length
    into_last = np.where(last > first, ((pixel + 1) * cells - last * length) / cells, 0.0)
    shares = np.concatenate([1.0 - into_last, into_last]) * cells / length
    where = (np.concatenate([first, last]), np.concatenate([pixel, pixel]))
    return sparse.coo_array((shares, where), shape=(cells, length)).tocsr()


def usable_images(thumbnails: AnyFloats, maximum: float) -> AnyFloats:
    """Images that can show shading, of (N, y, x).

    Left out: missing values, no structure (shutter closed, zero-filled), more than half of the
    area saturated, and areas of zeros in a channel whose camera never reads zero (torn files).
    """
    if not len(thumbnails):
        return np.empty(thumbnails.shape, np.float32)
    flat = np.asarray(thumbnails, np.float32).reshape(len(thumbnails), -1)
    varies = flat.max(axis=1) > flat.min(axis=1) * (1 + 1e-5)
    unsaturated = np.mean(flat >= SATURATED * maximum, axis=1) < 0.5
    darkest = flat.min(axis=1)
    whole = (darkest > 0) | (np.median(darkest) < PEDESTAL)
    usable = np.isfinite(flat).all(axis=1) & varies & unsaturated & whole
    return np.asarray(thumbnails, np.float32)[usable]


def canonical_order(images: AnyFloats) -> AnyFloats:
    """Sort by content, so that sums come out the same whatever order the images were read in.

    Neighbours in content are dealt to different folds, so that every fold has its share of bright
    and dim images.
    """
    order = np.array(sorted(range(len(images)), key=lambda i: images[i].tobytes()), dtype=int)
    return images[np.concatenate([order[fold::FOLDS] for fold in range(FOLDS)])]


def percentile_of_each(images: AnyFloats, percent: float) -> AnyFloats:
    """Percentile (N,) of each image (N, y, x), from every 7th pixel, which is plenty."""
    return np.percentile(images.reshape(len(images), -1)[:, ::7], percent, axis=1)
