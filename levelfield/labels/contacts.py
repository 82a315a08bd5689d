"""Where two objects touch, directly or over a gap of one pixel."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from levelfield.arrays import Image, Integers, Labels


@dataclass(frozen=True)
class Contacts:
    """Places where two labels touch: one row per pair of facing pixels.

    ``pairs`` (p, 2) are the touching labels, sorted, the lower first. ``pair_of_contact`` (c,) is
    the row of ``pairs`` that a contact belongs to, ``pixels`` (c, 2) the flat indices of the facing
    pixels; where a gap lies between them, twice that of the gap.
    """

    pairs: Integers
    pair_of_contact: Integers
    pixels: Integers

    def lower(self, image: Image) -> Image:
        """Return the image at each contact (c,): the lower of the facing pixels, or the gap."""
        return image.ravel()[self.pixels].min(axis=1)

    def higher(self, image: Image) -> Image:
        """Return the image at each contact (c,): the higher of the facing pixels, or the gap."""
        return image.ravel()[self.pixels].max(axis=1)


def contacts(labels: Labels) -> Contacts:
    """Find every place where two labels face each other, directly or over a gap of one pixel.

    The gap counts because some methods leave a dividing line of background between objects.
    """
    facing = np.empty((_facing(labels, np.empty((0, 4), np.int64)), 4), np.int64)
    _facing(labels, facing)
    base = int(labels.max(initial=0)) + 1
    keys, pair_of_contact = np.unique(facing[:, 0] * base + facing[:, 1], return_inverse=True)
    pairs = np.stack([keys // base, keys % base], axis=1)
    return Contacts(pairs, pair_of_contact.ravel(), np.ascontiguousarray(facing[:, 2:]))


# numba: contacts are rare; array operations would go over the whole image a dozen times
@njit(cache=True)
def _facing(labels: Labels, found: Integers) -> int:
    """Count contacts, and note as many as there is room for: two labels and two pixels each."""
    height, width = labels.shape
    count = 0
    for y in range(height):
        for x in range(width):
            own = labels[y, x]
            if own <= 0:
                continue
            for down, right in ((1, 0), (0, 1)):
                if y + down >= height or x + right >= width:
                    continue
                other = labels[y + down, x + right]
                first = y * width + x
                second = first + down * width + right
                if other == 0 and y + 2 * down < height and x + 2 * right < width:
                    other = labels[y + 2 * down, x + 2 * right]
                    first = second
                if other <= 0 or other == own:
                    continue
                if count < len(found):
                    found[count, 0], found[count, 1] = min(own, other), max(own, other)
                    found[count, 2], found[count, 3] = first, second
                count += 1
    return count
