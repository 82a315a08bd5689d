"""Decoders: from what the network predicts to objects, one module for each family of methods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from levelfield.segmentation.decoders.affinity import affinity
from levelfield.segmentation.decoders.components import components
from levelfield.segmentation.decoders.consensus import consensus
from levelfield.segmentation.decoders.distance import distance
from levelfield.segmentation.decoders.flow import flow
from levelfield.segmentation.decoders.jury import jury, opinions
from levelfield.segmentation.decoders.star import star, star_seeds
from levelfield.segmentation.decoders.three_class import three_class

# A decoder's positional parameter is the prediction; its keyword-only parameters are what the
# configuration may set.
DECODERS: dict[str, Callable[..., NDArray[np.int32]]] = {
    "components": components,
    "three_class": three_class,
    "distance": distance,
    "star": star,
    "star_seeds": star_seeds,
    "flow": flow,
    "affinity": affinity,
    "consensus": consensus,
}

# What each reads of a prediction besides the foreground: raw outputs of the network
# (`levelfield.segmentation.small_network.prediction.GROUPS`).
READS: dict[str, tuple[str, ...]] = {
    "components": (),
    "three_class": ("classes",),
    "distance": ("distance",),
    "star": ("star",),
    "star_seeds": ("distance", "star"),
    "flow": ("flow",),
    "affinity": ("affinities",),
    "consensus": ("classes", "distance", "flow", "affinities", "star"),
}

__all__ = ["DECODERS", "READS", "jury", "opinions"]
