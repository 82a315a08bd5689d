"""Decoders that were compared with those that ship, and all of them by name.

``DECODERS`` holds functions from a prediction and options by name to labels (Y, X).
"""

from collections.abc import Callable
from functools import partial

from benchmarks.decoders.consensus import ConsensusOptions, consensus
from benchmarks.decoders.distance import DistanceOptions, distance
from benchmarks.decoders.star import SeedOptions, StarOptions, star, star_seeds
from levelfield.arrays import Labels
from levelfield.segmentation import decoders
from levelfield.segmentation.decoder_options import DECODING, DecodingOptions
from levelfield.segmentation.small_network.prediction import Prediction

OPTIONS: dict[str, type[DecodingOptions]] = {
    **DECODING,
    "distance": DistanceOptions,
    "star": StarOptions,
    "star_seeds": SeedOptions,
    "consensus": ConsensusOptions,
}


def decode(
    decoder: Callable[..., Labels], name: str, prediction: Prediction, **options: float
) -> Labels:
    """Decode with the options that are given, and the decoder's defaults."""
    return decoder(prediction, OPTIONS[name](**options))


_FUNCTIONS = {**decoders.DECODERS, "star_seeds": star_seeds, "distance": distance, "star": star}
DECODERS: dict[str, Callable[..., Labels]] = {
    name: partial(decode, decoder, name) for name, decoder in _FUNCTIONS.items()
}
# One decoder of each representation.
_MEMBERS = {name: run for name, run in DECODERS.items() if name != "star"}
DECODERS["consensus"] = partial(decode, partial(consensus, _MEMBERS), "consensus")
