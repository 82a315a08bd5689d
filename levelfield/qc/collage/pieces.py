"""Donors in all orientations, and where an image is covered by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from levelfield.arrays import AnyArray, AnyFloats, Image, Mask, Plane
from levelfield.qc.collage.donors import Donor

N_WAYS = 8
"""Quarter turns, each mirrored or not."""
Place = tuple[tuple[slice, slice], tuple[slice, slice]]
"""What of a canvas is covered, and by what part of a piece."""


@dataclass(frozen=True)
class Piece:
    """A donor in one orientation; arrays as those of `Donor`."""

    signal: Image
    weight: Plane
    mask: Mask
    clipped: Mask

    @cached_property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def padded(self) -> Mask:
        """The mask with room for its `neighbourhood`."""
        return np.pad(self.mask, 2)

    @cached_property
    def neighbourhoods(self) -> dict[int, Mask]:
        """The padded mask with what is up to 1 and up to 2 px around it."""
        return {n: ndimage.binary_dilation(self.padded, iterations=n) for n in (1, 2)}


class Pieces:
    """All donors of a class, turned when they are asked for."""

    def __init__(self, donors: Sequence[Donor]) -> None:
        self._donors = donors
        self._turned: dict[tuple[int, int], Piece] = {}
        self.areas = np.array([donor.area for donor in donors])

    def turned(self, number: int, way: int) -> Piece:
        """Return a donor in one of `N_WAYS` orientations."""
        if (number, way) not in self._turned:
            donor = self._donors[number]
            arrays = (donor.signal, donor.weight, donor.mask, donor.clipped)
            self._turned[number, way] = Piece(*(_oriented(array, way) for array in arrays))
        return self._turned[number, way]


def _oriented(array: AnyArray, way: int) -> AnyArray:
    turned = np.rot90(array, way % 4, (-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if way >= 4 else turned)


def place_of(
    piece_shape: tuple[int, ...], centre: AnyFloats, shape: tuple[int, ...]
) -> Place | None:
    """Return what is covered when a piece's middle lies at a place; None outside of the canvas."""
    canvas, own = [], []
    for size, middle, length in zip(piece_shape, centre, shape, strict=True):
        start = round(float(middle) - size / 2)
        low, high = max(0, start), min(length, start + size)
        if high <= low:
            return None
        canvas.append(slice(low, high))
        own.append(slice(low - start, high - start))
    return (canvas[0], canvas[1]), (own[0], own[1])
