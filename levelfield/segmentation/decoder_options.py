"""What the config may set of each decoder."""

from pydantic import Field

from levelfield.config.options import Options
from levelfield.segmentation.options import MinimumDiameter, Share


class DecodingOptions(Options):
    """What every decoder has."""

    foreground: Share = Field(
        default=0.5,
        description="A pixel is part of an object from this probability; higher makes smaller "
        "objects.",
    )
    minimum_foreground: Share = Field(
        default=0.85, description="Objects of a lower mean probability of foreground are removed."
    )
    minimum_diameter: MinimumDiameter = 4.0


class FlowOptions(DecodingOptions):
    """Options of the decoder `flow`."""

    depth: Share = Field(
        default=0.5,
        description="Two centres are one unless there is less between them by this fraction; "
        "higher splits less.",
    )


class ThreeClassOptions(DecodingOptions):
    """Options of the decoder `three_class`."""

    interior: Share = Field(
        default=0.7,
        description="Pixels more probably interior than this are seeds of objects (three_class); "
        "higher splits more.",
    )


class AffinityOptions(DecodingOptions):
    """Options of the decoder `affinity`."""

    joining: Share = Field(
        default=0.45,
        description="Neighbours of a higher affinity are joined (affinity); higher splits more.",
    )
    dividing: Share = Field(
        default=0.5,
        description="Distant pixels of a lower affinity are kept apart (affinity); higher splits "
        "more.",
    )


DECODING: dict[str, type[DecodingOptions]] = {
    "flow": FlowOptions,
    "three_class": ThreeClassOptions,
    "components": DecodingOptions,
    "affinity": AffinityOptions,
}
"""By decoder; `levelfield.segmentation.decoders.DECODERS` has the functions."""
