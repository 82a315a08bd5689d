"""The method `subtraction`: cytoplasm = cells minus nuclei."""

from typing import Annotated

from pydantic import Field

from levelfield.arrays import Image, Labels
from levelfield.config.options import Number, Options
from levelfield.segmentation.method import Method
from levelfield.segmentation.result import Segmentation, remaining


class SubtractionOptions(Options):
    """Options of the method `subtraction`."""

    shrink: Annotated[Number, Field(ge=0)] = 0.0
    """Erode the subtracted objects by so many px first."""


def subtraction(
    image: Image, options: SubtractionOptions, parent: Labels, minus: Labels
) -> Segmentation:
    """Subtract the objects `minus` from the objects `parent` around them.

    Every object keeps the number of its parent; how many have nothing left is recorded.
    """
    from levelfield.labels.objects import subtract

    return remaining(subtract(parent, minus, options.shrink), parent, "Empty")


METHOD = Method(
    name="subtraction",
    makes="cytoplasm = cells minus nuclei",
    builds_on=("parent", "minus"),
    options=SubtractionOptions,
    run=subtraction,
    copies_outlines=True,
)
