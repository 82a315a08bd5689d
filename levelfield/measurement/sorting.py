"""Sorting the values of every object, once per channel."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from levelfield.arrays import Floats, Integers


@njit(cache=True)
def sort_objects(values: Floats, starts: Integers) -> NDArray[np.int32]:
    """Sort the values of every object in every channel.

    A radix sort, because one sort per object and channel feeds the quantiles and the rank-weighted
    colocalisation, and comparison sorts took three times as long on objects of 1,000–5,000 px.
    The values must be float32 numbers (held in float64).

    Returns
    -------
    order : (C, P) int32
        Index within the object of its values in ascending order; equal values keep raster order.
    """
    channels, pixels = values.shape
    order = np.empty((channels, pixels), np.int32)
    largest = 0
    for k in range(starts.size - 1):
        largest = max(largest, starts[k + 1] - starts[k])
    keys = np.empty(largest, np.uint32)
    spare = np.empty(largest, np.int32)
    tally = np.empty(2048, np.int64)
    for channel in range(channels):
        for k in range(starts.size - 1):
            first, end = starts[k], starts[k + 1]
            _sort(values[channel, first:end], order[channel, first:end], keys, spare, tally)
    return order


@njit(cache=True)
def _sort(
    values: Floats,
    order: NDArray[np.int32],
    keys: NDArray[np.uint32],
    spare: NDArray[np.int32],
    tally: Integers,
) -> None:
    """Sort float32 values by their bits, 11 at a time, least significant first."""
    size = values.size
    bits = values.astype(np.float32).view(np.uint32)
    for i in range(size):
        # Flipping makes the bit patterns of IEEE numbers ascend with the numbers.
        keys[i] = ~bits[i] if bits[i] >> np.uint32(31) else bits[i] | np.uint32(0x80000000)
        order[i] = i
    if size <= 40:  # the three tallies would cost more than the objects
        for i in range(1, size):
            j = i
            while j > 0 and keys[order[j - 1]] > keys[order[j]]:
                order[j - 1], order[j] = order[j], order[j - 1]
                j -= 1
        return
    for shift in (np.uint32(0), np.uint32(11), np.uint32(22)):
        tally[:] = 0
        for i in range(size):
            tally[(keys[i] >> shift) & np.uint32(2047)] += 1
        total = 0
        for digit in range(2048):
            total, tally[digit] = total + tally[digit], total
        for i in range(size):
            spare[i] = order[i]
        for i in range(size):
            digit = (keys[spare[i]] >> shift) & np.uint32(2047)
            order[tally[digit]] = spare[i]
            tally[digit] += 1
