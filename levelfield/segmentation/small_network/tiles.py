"""Tiles of an image of any size, and their outputs blended again; numpy alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

from levelfield.arrays import Image

MULTIPLE = 16  # px, of which the sides of what the network is given are multiples


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

    No side is longer than `largest` px, and neighbours share at least `overlap` px.
    """
    starts, sides = zip(*(_starts(length, largest, overlap) for length in shape), strict=True)
    for top, left in product(*starts):
        yield Tile(top, left, sides)


def _starts(length: int, largest: int, overlap: int) -> tuple[list[int], int]:
    n_tiles = max(1, int(np.ceil((length - overlap) / (largest - overlap))))
    side = int(np.ceil((length + (n_tiles - 1) * overlap) / n_tiles))
    side = -(-side // MULTIPLE) * MULTIPLE
    last = max(length - side, 0)
    starts = np.linspace(0, last, n_tiles) if n_tiles > 1 else [0]
    return [int(start) // 2 * 2 for start in starts], side


@dataclass(frozen=True)
class Grid:
    """Where an output's pixels lie in the image.

    Attributes
    ----------
    step : int
        Px of the image per px of the output.
    thinned : (int, int), optional
        First row and column, 0 or 1, of an output at full resolution of which only every second
        row and column is kept.
    """

    step: int = 1
    thinned: tuple[int, int] | None = None

    def size(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return the size of the output of an image (Y, X)."""
        step = self.step if self.thinned is None else 2
        first = self.thinned or (0, 0)
        height, width = (
            -(-(length - start) // step) for length, start in zip(shape, first, strict=True)
        )
        return height, width

    def thin(self, values: Image) -> Image:
        """Return what is kept of an output (..., Y/step, X/step): a view."""
        if self.thinned is None:
            return values
        return values[..., self.thinned[0] :: 2, self.thinned[1] :: 2]

    def place(self, tile: Tile) -> tuple[slice, slice]:
        """Return from where on a tile lies in what is kept."""
        step = self.step if self.thinned is None else 2
        return slice(tile.top // step, None), slice(tile.left // step, None)


class Canvas:
    """The outputs of one image's tiles, blended where they overlap; each output has a grid."""

    def __init__(self, shape: Sequence[int], overlap: int, grids: Sequence[Grid]) -> None:
        self.shape, self.overlap, self.grids = tuple(shape), overlap, tuple(grids)
        self.whole: Sequence[Image] | None = None
        self.sums: list[Image] | None = None
        # Outputs of the same grid share their weights.
        self.weights: dict[Grid, Image] = {}

    def add(self, tile: Tile, outputs: Sequence[Image]) -> None:
        """Add what was made of a tile: one array (C, Y/step, X/step) for each grid."""
        height, width = self.shape
        if tile.shape[0] >= height and tile.shape[1] >= width:
            self.whole = outputs
            return
        if self.sums is None:
            sizes = {grid: grid.size(self.shape) for grid in self.grids}
            self.weights = {grid: np.zeros(size, np.float32) for grid, size in sizes.items()}
            self.sums = [
                np.zeros((len(values), *sizes[grid]), np.float32)
                for values, grid in zip(outputs, self.grids, strict=True)
            ]
        ramps = {
            grid: grid.thin(tile_weights(values.shape[1:], self.overlap))
            for values, grid in zip(outputs, self.grids, strict=True)
        }
        for grid, ramp in ramps.items():
            part = self.weights[grid][grid.place(tile)][: ramp.shape[0], : ramp.shape[1]]
            part += ramp[: part.shape[0], : part.shape[1]]
        for sums, values, grid in zip(self.sums, outputs, self.grids, strict=True):
            # One channel at a time: a large image's products need not all lie in memory.
            for total, channel in zip(sums, grid.thin(values), strict=True):
                part = total[grid.place(tile)][: channel.shape[0], : channel.shape[1]]
                inside = slice(part.shape[0]), slice(part.shape[1])
                part += channel[inside] * ramps[grid][inside]

    def blend(self) -> list[Image]:
        """Return each output for the whole image: what its grid keeps, rounded up."""
        if self.whole is None:
            if self.sums is None:
                raise ValueError("an image has no tiles, so nothing can be blended")
            for sums, grid in zip(self.sums, self.grids, strict=True):
                sums /= np.maximum(self.weights[grid], np.float32(1e-9))
            return self.sums
        found = []
        for values, grid in zip(self.whole, self.grids, strict=True):
            height, width = grid.size(self.shape)
            # A copy: a view would keep all of the output.
            found.append(grid.thin(values)[:, :height, :width].copy())
        return found


def tile_weights(shape: Sequence[int], overlap: int) -> Image:
    """Return weights (Y, X) that fall towards a tile's edges, where the network sees least."""
    rising = [np.arange(1, length + 1, dtype=np.float32) for length in shape]
    sides = [np.minimum(np.minimum(up, up[::-1]), np.float32(overlap / 2)) for up in rising]
    return sides[0][:, None] * sides[1]
