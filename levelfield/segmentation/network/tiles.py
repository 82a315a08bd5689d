"""Tiles of an image of any size, and their outputs blended again; numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]

# The sides of what the network is given must be a multiple of this (px).
MULTIPLE = 16


def rescale(image: Image, scale: float) -> Image:
    """Enlarge an image (Y, X) by `scale`, or shrink it."""
    if scale == 1:
        return image
    if scale < 1:  # or detail between the new pixels would turn into noise
        image = ndimage.gaussian_filter(image, 0.4 / scale)
    return ndimage.zoom(image, scale, order=1, grid_mode=True, mode="nearest")


@dataclass(frozen=True)
class Tile:
    """A part of an image; it may reach beyond the lower and right edges.

    `top` and `left` are even, so that half-resolution outputs fall on the same grid.
    """

    top: int
    left: int
    shape: tuple[int, int]

    def cut(self, image: Image) -> Image:
        """Return the tile's pixels, mirrored where the image (Y, X) ends."""
        bottom, right = self.top + self.shape[0], self.left + self.shape[1]
        part = image[self.top : bottom, self.left : right]
        missing = [(0, full - there) for full, there in zip(self.shape, part.shape, strict=True)]
        # "symmetric" works however little of the image there is.
        return np.pad(part, missing, mode="symmetric")


def tiles(shape: Sequence[int], largest: int, overlap: int) -> Iterator[Tile]:
    """Divide an image of a shape (Y, X) into equal tiles.

    Parameters
    ----------
    shape
        Of the image.
    largest
        Longest side of a tile, px.
    overlap
        Neighbouring tiles share at least so many px.
    """
    starts, sides = zip(*(_starts(length, largest, overlap) for length in shape), strict=True)
    for top in starts[0]:
        for left in starts[1]:
            yield Tile(top, left, sides)


def _starts(length: int, largest: int, overlap: int) -> tuple[list[int], int]:
    n_tiles = max(1, int(np.ceil((length - overlap) / (largest - overlap))))
    side = int(np.ceil((length + (n_tiles - 1) * overlap) / n_tiles))
    side = -(-side // MULTIPLE) * MULTIPLE
    last = max(length - side, 0)
    starts = np.linspace(0, last, n_tiles) if n_tiles > 1 else [0]
    return [int(start) // 2 * 2 for start in starts], side


class Canvas:
    """The outputs of one image's tiles, blended where they overlap.

    Parameters
    ----------
    shape : (int, int)
        Of the image.
    overlap : int
        Px that tiles share.
    steps : sequence of int
        Px of the image per px of each output.
    """

    def __init__(self, shape: Sequence[int], overlap: int, steps: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.overlap = overlap
        self.steps = tuple(steps)
        self.whole: Sequence[NDArray[np.float32]] | None = None
        self.sums: list[NDArray[np.float32]] | None = None
        # By step: outputs of the same step share their weights.
        self.weights: dict[int, NDArray[np.float32]] = {}

    def add(self, tile: Tile, outputs: Sequence[NDArray[np.float32]]) -> None:
        """Add what was made of a tile: one array (C, Y/step, X/step) for each step."""
        height, width = self.shape
        if tile.shape[0] >= height and tile.shape[1] >= width:
            self.whole = outputs
            return
        if self.sums is None:
            shapes = {step: (-(-height // step), -(-width // step)) for step in self.steps}
            self.weights = {step: np.zeros(shape, np.float32) for step, shape in shapes.items()}
            self.sums = [
                np.zeros((len(values), *shapes[step]), np.float32)
                for values, step in zip(outputs, self.steps, strict=True)
            ]
        ramps = {
            step: _ramp(values.shape[1:], self.overlap)
            for values, step in zip(outputs, self.steps, strict=True)
        }
        for step, ramp in ramps.items():
            part = _part(self.weights[step], tile, step, ramp.shape)
            part += ramp[: part.shape[0], : part.shape[1]]
        for sums, values, step in zip(self.sums, outputs, self.steps, strict=True):
            # One channel at a time: a large image's products need not all lie in memory.
            for total, channel in zip(sums, values, strict=True):
                part = _part(total, tile, step, channel.shape)
                inside = slice(part.shape[0]), slice(part.shape[1])
                part += channel[inside] * ramps[step][inside]

    def blend(self) -> list[NDArray[np.float32]]:
        """Return each output for the whole image: (C, Y/step, X/step), rounded up."""
        if self.whole is None:
            for sums, step in zip(self.sums, self.steps, strict=True):
                sums /= np.maximum(self.weights[step], np.float32(1e-9))
            return self.sums
        height, width = self.shape
        return [
            values[:, : -(-height // step), : -(-width // step)]
            for values, step in zip(self.whole, self.steps, strict=True)
        ]


def _part(canvas: Image, tile: Tile, step: int, shape: Sequence[int]) -> Image:
    """Return the view of a canvas (Y/step, X/step) in which a tile's output of a shape lies."""
    return canvas[tile.top // step :, tile.left // step :][: shape[0], : shape[1]]


def _ramp(shape: Sequence[int], overlap: int) -> NDArray[np.float32]:
    """Weights that fall towards a tile's edges, where the network sees least."""
    rising = [np.arange(1, length + 1, dtype=np.float32) for length in shape]
    sides = [np.minimum(np.minimum(up, up[::-1]), np.float32(overlap / 2)) for up in rising]
    return sides[0][:, None] * sides[1]
