"""Names of the array types that the kernels take and return."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Labels = NDArray[np.int32]
"""Objects (Y, X) by number, 0 = background."""
Image = NDArray[np.float32]
"""Channels (C, Y, X), intensity 0-1."""
Plane = NDArray[np.float32]
"""One channel (Y, X), or a map of the same size."""
