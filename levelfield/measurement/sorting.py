"""Sorting the values of every object, once per channel."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Integers


def sort_objects(values: Floats, starts: Integers) -> NDArray[np.int32]:
    """Return (C, P) indices within the object that sort its values in every channel, stably.

    A radix sort, because one sort per object and channel feeds the quantiles and the rank-weighted
    colocalisation, and comparison sorts took three times as long on objects of 1,000–5,000 px. The
    values must be float32 numbers (held in float64).
    """
    order = np.empty(values.shape, np.int32)
    spare = np.empty(np.diff(starts).max(initial=0), np.int32)
    for plane, out in zip(values, order, strict=True):
        bits = plane.astype(np.float32).view(np.uint32)
        # Flipping makes the bit patterns of IEEE numbers ascend with the numbers.
        keys = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
        _sort(keys, starts, out, spare, np.empty(2048, np.int64))
    return order


@njit(cache=True)
def _sort(
    keys: NDArray[np.uint32],
    starts: Integers,
    order: NDArray[np.int32],
    spare: NDArray[np.int32],
    tally: Integers,
) -> None:
    """Sort the keys of each object by 11 bits at a time, least significant first."""
    for k in range(starts.size - 1):
        first, size = starts[k], starts[k + 1] - starts[k]
        for i in range(size):
            order[first + i] = i
        if size <= 40:  # the three tallies would cost more than the objects
            for i in range(first + 1, first + size):
                moved, j = order[i], i
                while j > first and keys[first + order[j - 1]] > keys[first + moved]:
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = moved
            continue
        for shift in range(0, 33, 11):
            for digit in range(2048):
                tally[digit] = 0
            for i in range(first, first + size):
                tally[(keys[i] >> shift) & 2047] += 1
            total = 0
            for digit in range(2048):
                total += tally[digit]
                tally[digit] = total - tally[digit]
            for i in range(size):
                spare[i] = order[first + i]
            for i in range(size):
                digit = (keys[first + spare[i]] >> shift) & 2047
                order[first + tally[digit]] = spare[i]
                tally[digit] += 1
