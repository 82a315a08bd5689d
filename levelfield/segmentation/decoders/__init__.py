"""Decoders: from what the network predicts to objects, one module for each family of methods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from levelfield.segmentation.decoders.flow import flow

# A decoder's positional parameter is the prediction; its keyword-only parameters are what the
# configuration may set.
DECODERS: dict[str, Callable[..., NDArray[np.int32]]] = {
    "flow": flow,
}

__all__ = ["DECODERS"]
