"""The scale of intensities that Cellpose's networks are given, on any device."""

import numpy as np
import torch
from cellpose import transforms
from torch import Tensor
from torch.nn import functional

from levelfield.segmentation.methods.cellpose import CellposeOptions

# Cellpose blanks a channel whose percentiles are nearer than 0.001, as a constant one. It is given
# camera counts; intensities here are 0-1, and so are multiplied by those of a 16-bit camera first.
COUNTS = 65535.0
_LEAST_RANGE = 1e-3
_LARGE = 224**3  # px; of larger images Cellpose takes the percentiles of some pixels only


def normalise(image: Tensor, options: CellposeOptions) -> Tensor:
    """Scale an image (C, Y, X), intensities 0-1, as `cellpose.transforms.normalize_img` does."""
    if options.sharpen or options.smooth or options.normalisation_tile:
        return _with_filters(image, options)
    if options.intensities is not None:
        low, high = options.intensities
        scaled = (image - low) / (high - low)
        return 1 - scaled if options.invert else scaled
    if not options.normalise:
        return image
    return torch.stack([_by_percentiles(channel, options) for channel in image])


def _by_percentiles(channel: Tensor, options: CellposeOptions) -> Tensor:
    low, high = _percentiles(channel, options.percentiles)
    spread = (high - low) * COUNTS > _LEAST_RANGE
    # Both ways are computed, so that the GPU need not be asked which of them it is.
    scaled = (channel - low) / torch.where(spread, high - low, 1)
    constant = channel.min() == channel.max()
    if options.invert:
        scaled = 1 - torch.where(spread, scaled, 0)
        return torch.where(constant, 0, scaled)
    return torch.where(spread & ~constant, scaled, 0)


def _percentiles(channel: Tensor, percentiles: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return percentiles by linear interpolation, as numpy does."""
    if channel.numel() > _LARGE:
        channel = channel[:: channel.shape[0] // 224, :: channel.shape[1] // 224]
    ordered = channel.flatten().sort().values
    low, high = (_at(ordered, percent / 100 * (len(ordered) - 1)) for percent in percentiles)
    return low, high


def _at(ordered: Tensor, place: float) -> Tensor:
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], place - below)


def _with_filters(image: Tensor, options: CellposeOptions) -> Tensor:
    """Rare options take Cellpose's own way, through numpy."""
    pixels = image.cpu().numpy().transpose(1, 2, 0) * np.float32(COUNTS)
    low_high = None
    if options.intensities is not None:
        low_high = [value * COUNTS for value in options.intensities]
    scaled = transforms.normalize_img(
        np.ascontiguousarray(pixels)[None],
        normalize=options.normalise,
        invert=options.invert,
        lowhigh=low_high,
        percentile=tuple(options.percentiles),
        sharpen_radius=options.sharpen,
        smooth_radius=options.smooth,
        tile_norm_blocksize=options.normalisation_tile,
    )
    return torch.from_numpy(np.ascontiguousarray(scaled[0].transpose(2, 0, 1))).to(image.device)


def resize(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """Scale an image (C, Y, X) linearly to (Y, X), as OpenCV's INTER_LINEAR does."""
    if tuple(image.shape[1:]) == tuple(shape):
        return image
    # In float32 the places between pixels are off by up to 1e-5 of the image's width.
    exact = image if image.device.type == "mps" else image.double()
    return functional.interpolate(exact[None], shape, mode="bilinear")[0].to(image.dtype)
