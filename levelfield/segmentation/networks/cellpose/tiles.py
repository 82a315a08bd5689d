"""Tiles of an image for the network, and one image again from what it says of the tiles.

The same tiles and the same blending as Cellpose's, so that the same network gives the same flows.
"""

from functools import lru_cache
from itertools import product

import numpy as np
import torch
from cellpose.transforms import get_pad_yx
from torch import Tensor
from torch.nn import functional

_TAPER = 7.5  # px over which the weight of a tile falls near its edge


class Canvas:
    """An image, its tiles, and the network's outputs for them.

    Parameters
    ----------
    image : (C, Y, X)
        Scaled for the network.
    side, overlap : int, float
        Side of the tiles (px), and overlap of neighbours as a fraction of it.
    augment : bool
        Whether tiles overlap by half and are flipped in turns.
    """

    def __init__(self, image: Tensor, side: int, overlap: float, *, augment: bool) -> None:
        self.shape = tuple(image.shape[1:])
        self.side = side
        top, bottom, left, right = get_pad_yx(*self.shape, min_size=(side, side))
        self.corner = top, left
        self.image = functional.pad(image, (left, right, top, bottom))
        padded = tuple(self.image.shape[1:])
        starts = [_starts(length, side, overlap, augment=augment) for length in padded]
        self.corners = list(product(*starts))
        # Neighbours in a row or column differ in one flip.
        turns = product(range(len(starts[0])), range(len(starts[1])))
        self.flips = [(row % 2, column % 2) if augment else (0, 0) for row, column in turns]
        self.sums = image.new_zeros((3, *padded), dtype=torch.float32)
        self.missing = len(self.corners)

    def tile(self, number: int) -> Tensor:
        """Cut a tile (C, side, side) out."""
        top, left = self.corners[number]
        tile = self.image[:, top : top + self.side, left : left + self.side]
        return _flip(tile, self.flips[number])

    def add(self, number: int, output: Tensor) -> None:
        """Take the network's output (3, side, side) for a tile."""
        row, column = self.flips[number]
        output = _flip(output, (row, column))
        # A flip turns the flow along its axis round; the probability has no direction.
        signs = (-1.0 if column else 1.0, -1.0 if row else 1.0, 1.0)
        weight = _taper(self.side, output.device)
        top, left = self.corners[number]
        part = self.sums[:, top : top + self.side, left : left + self.side]
        for channel, sign in enumerate(signs):
            part[channel].addcmul_(output[channel], weight, value=sign)
        self.missing -= 1

    def output(self) -> Tensor:
        """Return the outputs (3, Y, X) for the whole image, blended."""
        corners = tuple(self.corners)
        weight = _weight_sums(tuple(self.sums.shape[1:]), corners, self.side, self.sums.device)
        (top, left), (height, width) = self.corner, self.shape
        return (self.sums / weight)[:, top : top + height, left : left + width]


def _starts(length: int, side: int, overlap: float, *, augment: bool) -> list[int]:
    """Return where tiles begin along one axis."""
    if augment:
        number = max(2, int(np.ceil(2.0 * length / side)))
    else:
        number = 1 if length <= side else int(np.ceil((1.0 + 2 * overlap) * length / side))
    return np.linspace(0, length - side, number).astype(int).tolist()


def _flip(tile: Tensor, flips: tuple[int, int]) -> Tensor:
    # Of two neighbours in a row the second is flipped upside down, as Cellpose has it.
    axes = [axis for axis, flipped in zip((2, 1), flips, strict=True) if flipped]
    return tile.flip(axes) if axes else tile


@lru_cache(maxsize=8)
def _taper(side: int, device: torch.device) -> Tensor:
    """Return the weight (side, side) of a tile's pixels."""
    size = max(224, side)
    place = np.abs(np.arange(size) - (size - 1) / 2)
    first = size // 2 - side // 2
    line = 1 / (1 + np.exp((place - (size / 2 - 20)) / _TAPER))[first : first + side]
    return torch.from_numpy((line * line[:, None]).astype(np.float32)).to(device)


@lru_cache(maxsize=8)
def _weight_sums(
    shape: tuple[int, int], corners: tuple[tuple[int, int], ...], side: int, device: torch.device
) -> Tensor:
    weights = torch.zeros(shape, device=device)
    for top, left in corners:
        weights[top : top + side, left : left + side] += _taper(side, device)
    return weights
