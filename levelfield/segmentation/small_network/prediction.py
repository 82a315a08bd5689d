"""What a network says of an image, before anything is decided."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from levelfield.arrays import Image, Integers
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_NEAR, N_RAYS
from levelfield.segmentation.small_network.tiles import Grid

# Channels of the network's raw output at full resolution, in this order.
FULL = {
    "foreground": 1,
    "classes": 3,
    "distance": 1,
    "flow": 2,
    "cell_probability": 1,
    "affinities": len(AFFINITY_OFFSETS),
}
# And of all outputs; the last is at half resolution.
GROUPS = FULL | {"star": 1 + N_RAYS}
_LARGEST_RAY = 6.0  # natural logarithm of px

# Raw outputs of tiles by name, (N, C, Y, X) each, or (N, C, Y/2, X/2) at half resolution.
RawOutputs = Mapping[str, Image]

# px between far pairs; all of them would say the same, four times as slowly
FAR_STEP = 2


@dataclass(frozen=True)
class Prediction:
    """What the network says of one image, in the units of `targets.Targets`.

    What the network was not asked for is empty, or None where only some decoders read it.

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
    ends : (n,) int32
        Where a device has followed the flow itself, and `flow` is empty: the pixel, as a flat
        index, in which each pixel of the foreground ends, in raster order.
    """

    foreground: Image
    classes: Image
    distance: Image
    flow: Image
    affinities: Image
    far_affinities: Sequence[Image]
    cell_probability: Image | None = None
    star_probability: Image | None = None
    star_distances: Image | None = None
    ends: Integers = field(default_factory=lambda: np.zeros(0, np.int32))


def far_phase(offset: tuple[int, int]) -> tuple[int, int]:
    """Return the first row and column, 0 or 1, at which the affinity of a far offset is kept.

    So that the first pixel with a partner inside the image is one of those that are kept.
    """
    return max(0, -offset[0]) % FAR_STEP, max(0, -offset[1]) % FAR_STEP


def grids_of(groups: Iterable[str]) -> list[Grid]:
    """Return where the parts lie that `parts_of_tile` returns for some of `GROUPS`."""
    far = [Grid(thinned=far_phase(offset)) for offset in AFFINITY_OFFSETS[N_NEAR:]]
    special = {"affinities": [Grid(), *far], "star": [Grid(2)]}
    return [grid for group in groups for grid in special.get(group, [Grid()])]


def parts_of_tile(raw: RawOutputs, number: int) -> list[Image]:
    """Return what is kept of one tile's raw outputs, (C, Y, X) each."""
    parts: list[Image] = []
    for group, values in raw.items():
        n_together = N_NEAR if group == "affinities" else values.shape[1]
        parts += [values[number][:n_together], *values[number][n_together:, None]]
    return parts


def prediction_of(groups: Sequence[str], parts: Sequence[Image]) -> Prediction:
    """Turn the raw outputs of a whole image into probabilities and px.

    `groups` are those of `GROUPS` that the network was asked for, ``foreground`` among them; the
    parts (C, Y, X) are in the order of `grids_of`, and are changed.
    """
    waiting = iter(parts)
    found: dict[str, Any] = dict.fromkeys(("classes", "distance", "flow"), _NOTHING)
    found |= {"affinities": _NOTHING, "far_affinities": []}
    for group in groups:
        values = next(waiting)
        if group == "affinities":
            far = [_probability(next(waiting)[0]) for _ in AFFINITY_OFFSETS[N_NEAR:]]
            found |= {group: _probability(values), "far_affinities": far}
        else:
            found |= _READ[group](values)
    return Prediction(**found)


_NOTHING = np.zeros((0, 0), np.float32)


def _probability(logits: Image) -> Image:
    return expit(logits, out=logits)


def _star(values: Image) -> dict[str, Image]:
    logarithms = values[1:]
    np.clip(logarithms, -2, _LARGEST_RAY, out=logarithms)
    return {
        "star_probability": _probability(values[0]),
        "star_distances": np.exp(logarithms, out=logarithms),
    }


_READ: Mapping[str, Callable[[Image], dict[str, Image]]] = {
    "foreground": lambda values: {"foreground": _probability(values[0])},
    "classes": lambda values: {"classes": softmax(values, axis=0)},
    "distance": lambda values: {"distance": values[0]},
    "flow": lambda values: {"flow": values},
    "cell_probability": lambda values: {"cell_probability": _probability(values[0])},
    "star": _star,
}
