"""The method `subtraction`: cytoplasm = cells minus nuclei."""

from typing import Annotated

from pydantic import Field

from levelfield.arrays import Image, Labels
from levelfield.config.options import Number, Options
from levelfield.segmentation.method import Method
from levelfield.segmentation.result import Segmentation


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
    from levelfield.labels import objects

    labels = objects.subtract(parent, minus, options.shrink)
    n_empty = len(objects.object_numbers(parent)) - len(objects.object_numbers(labels))
    return Segmentation(labels, {"Empty": float(n_empty)})


METHOD = Method(
    name="subtraction",
    makes="cytoplasm = cells minus nuclei",
    options=SubtractionOptions,
    run=subtraction,
    builds_on=("parent", "minus"),
    copies_outlines=True,
)
