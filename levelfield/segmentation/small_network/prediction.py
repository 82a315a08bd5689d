"""What a network says of an image, before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_NEAR, N_RAYS
from levelfield.segmentation.small_network.tiles import Grid

# Channels of the network's raw output at full resolution, in this order.
GROUPS = {
    "foreground": 1,
    "classes": 3,
    "distance": 1,
    "flow": 2,
    "cell_probability": 1,
    "affinities": len(AFFINITY_OFFSETS),
}
# Channels of the one at half resolution, which is called "star".
STAR = 1 + N_RAYS
_LARGEST_RAY = 6.0  # natural logarithm of px

# Raw outputs of tiles by name, (N, C, Y, X) each; "star" is (N, C, Y/2, X/2).
RawOutputs = Mapping[str, NDArray[np.float32]]

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


# Where the parts of a tile lie that `parts_of_tile` returns.
GRIDS = (
    *(Grid() for _ in GROUPS),
    *(Grid(thinned=far_phase(offset)) for offset in AFFINITY_OFFSETS[N_NEAR:]),
    Grid(2),
)


def parts_of_tile(raw: RawOutputs, number: int) -> list[NDArray[np.float32]]:
    """Return what is kept of one tile's raw outputs, (C, Y, X) each, in the order of `GRIDS`."""
    *others, affinities = (raw[name][number] for name in GROUPS)
    far = affinities[N_NEAR:, None]
    return [*others, affinities[:N_NEAR], *far, raw["star"][number]]


def prediction_of(parts: Sequence[NDArray[np.float32]]) -> Prediction:
    """Turn the raw outputs of a whole image into probabilities and px.

    Parameters
    ----------
    parts : sequence of (C, Y, X) float32
        In the order of `GRIDS`.
    """
    foreground, classes, distance, flow, cell_probability, near, *far, star = parts
    return Prediction(
        foreground=expit(foreground[0]),
        classes=softmax(classes, axis=0),
        distance=distance[0],
        flow=flow,
        affinities=expit(near),
        far_affinities=[expit(each[0]) for each in far],
        cell_probability=expit(cell_probability[0]),
        star_probability=expit(star[0]),
        star_distances=np.exp(np.clip(star[1:], -2, _LARGEST_RAY)),
    )
