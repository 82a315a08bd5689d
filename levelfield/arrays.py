"""Types of arrays, named by what they hold, and a sum that is the same everywhere."""

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""Corrected intensities, (Y, X) or (C, Y, X); also maps that are derived from them."""
Plane = NDArray[np.float32]
"""One channel (Y, X), or a map of the same size."""
Labels = NDArray[np.int32]
"""Number of the object at every pixel (Y, X); 0 is background."""
Mask = NDArray[np.bool_]
"""Yes or no, at every pixel or for every object."""
Floats = NDArray[np.float64]
"""Measured values, in double precision."""
Integers = NDArray[np.int64]
"""Counts, numbers and places."""
AnyArray = NDArray[Any]
"""An array of any type."""
AnyFloats = NDArray[np.floating[Any]]
"""Values in whichever precision they come."""
AnyLabels = NDArray[np.integer[Any]]
"""A label image of any integer type, as it comes from outside."""


def ordered_sum(values: Iterable[float]) -> float:
    """Add floats one after the other; from Python 3.12 on the built-in `sum` corrects its rounding.

    The same tables on every version matter more here than the last digit.
    """
    return float(reduce(add, values, 0.0))
