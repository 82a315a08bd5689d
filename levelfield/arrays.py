"""Names of the array types that the kernels take and return."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Labels = NDArray[np.int32]
