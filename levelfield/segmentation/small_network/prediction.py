"""What a network says of an image, before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_NEAR

# px between far pairs; all of them would say the same, four times as slowly
FAR_STEP = 2


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
    affinities : (N_NEAR, Y, X) float32
        Probability of being of the same object as the pixel at each of the near `AFFINITY_OFFSETS`.
    far_affinities : sequence of (Y/2, X/2) float32
        The same for each of the far ones, at every second pixel, from `far_phase` on.
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
    far_affinities: Sequence[NDArray[np.float32]]
    cell_probability: NDArray[np.float32] | None = None
    star_probability: NDArray[np.float32] | None = None
    star_distances: NDArray[np.float32] | None = None


def far_phase(offset: tuple[int, int]) -> tuple[int, int]:
    """Return the first row and column, 0 or 1, at which the affinity of a far offset is kept.

    So that the first pixel with a partner inside the image is one of those that are kept.
    """
    return max(0, -offset[0]) % FAR_STEP, max(0, -offset[1]) % FAR_STEP


def split_affinities(
    every: NDArray[np.float32],
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Split affinities (n_offsets, Y, X) into near and far ones, as a `Prediction` has them.

    Copies: a view would keep all of them, three times as much.
    """
    far = []
    for values, offset in zip(every[N_NEAR:], AFFINITY_OFFSETS[N_NEAR:], strict=True):
        top, left = far_phase(offset)
        far.append(values[top::FAR_STEP, left::FAR_STEP].copy())
    return every[:N_NEAR].copy(), far
