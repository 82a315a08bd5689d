"""Decoders that were compared with those that ship, and all of them by name.

``DECODERS`` holds functions from a prediction and options by name to labels (Y, X).
"""

from collections.abc import Callable
from functools import partial

from benchmarks.decoders.consensus import consensus
from benchmarks.decoders.distance import distance
from benchmarks.decoders.star import star, star_seeds
from levelfield.arrays import Labels
from levelfield.segmentation.decoder_options import DECODING
from levelfield.segmentation.decoders import DECODERS as SHIPPED
from levelfield.segmentation.small_network.prediction import Prediction


def decode(name: str, prediction: Prediction, **options: float) -> Labels:
    """Decode with a decoder that ships."""
    return SHIPPED[name](prediction, DECODING[name](**options))


# One decoder of each representation, as members of the consensus.
MEMBERS: dict[str, Callable[..., Labels]] = {
    "flow": partial(decode, "flow"),
    "affinity": partial(decode, "affinity"),
    "star_seeds": star_seeds,
    "three_class": partial(decode, "three_class"),
    "distance": distance,
    "components": partial(decode, "components"),
}
DECODERS: dict[str, Callable[..., Labels]] = {
    **MEMBERS,
    "star": star,
    "consensus": partial(consensus, members=MEMBERS),
}
