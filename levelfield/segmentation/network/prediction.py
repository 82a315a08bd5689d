"""What a network says of an image, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """What the network says of one image, in the units of `targets.Targets`.

    What only some decoders read is None where the network was not asked for it.

    Attributes
    ----------
    foreground : (Y, X) float32
        Probability of being part of an object.
    classes : (3, Y, X) float32
        Probabilities of background, interior and boundary.
    distance : (Y, X) float32
        Distance to the object's edge, 1 at its centre.
    flow : (2, Y, X) float32
        Direction (y, x) to the object's centre, about of length 1.
    affinities : (n_offsets, Y, X) float32
        Probability of being of the same object as the pixel at each of `AFFINITY_OFFSETS`.
    cell_probability : (Y, X) float32
        Probability of being part of an object, learned beside the flow.
    star_probability : (Y/2, X/2) float32
        How central in an object every second pixel is.
    star_distances : (N_RAYS, Y/2, X/2) float32
        px from every second pixel to the object's edge along each ray.
    """

    foreground: NDArray[np.float32]
    classes: NDArray[np.float32]
    distance: NDArray[np.float32]
    flow: NDArray[np.float32]
    affinities: NDArray[np.float32]
    cell_probability: NDArray[np.float32] | None = None
    star_probability: NDArray[np.float32] | None = None
    star_distances: NDArray[np.float32] | None = None
