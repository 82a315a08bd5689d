"""Decoders: from what the network predicts to objects (Y, X) int32, 1..n in raster order."""

from collections.abc import Callable

from levelfield.arrays import Labels
from levelfield.segmentation.decoders.affinity import affinity
from levelfield.segmentation.decoders.classes import components, three_class
from levelfield.segmentation.decoders.flow import flow

DECODERS: dict[str, Callable[..., Labels]] = {
    "flow": flow,
    "three_class": three_class,
    "components": components,
    "affinity": affinity,
}
"""From a prediction and the options of `levelfield.segmentation.decoder_options` to objects."""

READS: dict[str, tuple[str, ...]] = {
    "flow": ("flow",),
    "three_class": ("classes",),
    "components": (),
    "affinity": ("affinities",),
}
"""What each reads of a prediction besides the foreground: raw outputs of the network, by the names
of `levelfield.segmentation.small_network.prediction.GROUPS`."""
