"""What the config may set of each decoder."""

from levelfield.config.options import Options
from levelfield.segmentation.options import MinimumDiameter, Share


class DecodingOptions(Options):
    """What every decoder has."""

    foreground: Share = 0.5
    """A pixel is part of an object from this probability; higher makes smaller objects."""
    minimum_foreground: Share = 0.85
    """Objects of a lower mean probability of foreground are removed."""
    minimum_diameter: MinimumDiameter = 4.0


class FlowOptions(DecodingOptions):
    """Options of the decoder `flow`."""

    depth: Share = 0.5
    """Two centres are one unless there is less between them by this fraction; higher splits less.
    """


class ThreeClassOptions(DecodingOptions):
    """Options of the decoder `three_class`."""

    interior: Share = 0.7
    """Pixels more probably interior than this are seeds of objects (three_class); higher splits
    more."""


class AffinityOptions(DecodingOptions):
    """Options of the decoder `affinity`."""

    joining: Share = 0.45
    """Neighbours of a higher affinity are joined (affinity); higher splits more."""
    dividing: Share = 0.5
    """Distant pixels of a lower affinity are kept apart (affinity); higher splits more."""


DECODING: dict[str, type[DecodingOptions]] = {
    "flow": FlowOptions,
    "three_class": ThreeClassOptions,
    "components": DecodingOptions,
    "affinity": AffinityOptions,
}
"""By decoder; `levelfield.segmentation.decoders.DECODERS` has the functions."""
