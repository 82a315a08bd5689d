"""The method `expansion`: grow parents by a fixed distance."""

from typing import Annotated

import numpy as np
from pydantic import Field

from levelfield.arrays import Image, Labels
from levelfield.config.options import Number, Options
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import Border, Smoothing, ThresholdOptions
from levelfield.segmentation.result import Segmentation


class ExpansionOptions(Options):
    """Options of the method `expansion`."""

    distance: Annotated[Number, Field(ge=0)] = 10.0
    """How far to grow, in px."""
    threshold: ThresholdOptions | None = None
    """Grow only over the foreground; null for everywhere."""
    smoothing: Smoothing = 1.0
    border: Border = "keep"


def expansion(image: Image, options: ExpansionOptions, parent: Labels) -> Segmentation:
    """Grow parents by a fixed distance: CellProfiler's Distance-N, with a threshold Distance-B."""
    from levelfield.labels.objects import expand
    from levelfield.segmentation.growth import grown, thresholded

    labels, found = expand(parent, options.distance), None
    if options.threshold is not None:
        _, found, foreground = thresholded(image, "expansion", options.smoothing, options.threshold)
        labels = np.where(foreground | (parent > 0), labels, 0)
    return grown(labels, False, options.border, found)


METHOD = Method(
    name="expansion",
    makes="cells around nuclei, as far as you say",
    options=ExpansionOptions,
    run=expansion,
    builds_on=("parent",),
    knobs=(Knob("distance", 1, "larger"),),
)
