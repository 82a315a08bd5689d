"""The method `instanseg`: InstanSeg models.

Goldsborough et al., arXiv:2408.15954 and bioRxiv 2024.09.04.611150; defaults are its own. It runs
in an environment of its own, and sees many images at once, because every request to another process
costs some time.
"""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from levelfield.config.options import Number, Whole
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import MaskThreshold, Share, SizeFilter
from levelfield.segmentation.workers.exchange import Worker, segment_with_worker


class InstansegOptions(SizeFilter):
    """Options of the method `instanseg`."""

    target: Literal["nuclei", "cells"] = "nuclei"
    """Which of the two, where the model makes both."""
    pixel_size: Annotated[Number | None, Field(ge=0.01, le=100)] = None
    """Width of a pixel in µm, by which images are scaled to the model's; that of the plate's images
    when left out, null for no scaling."""
    mask_threshold: MaskThreshold = 0.53
    seed_threshold: Annotated[Number, Field(ge=0)] = 0.7
    """What a pixel needs to be the seed of an object; higher finds fewer."""
    peak_distance: Annotated[Whole, Field(ge=1)] = 5
    """Seeds are at least so many px apart."""
    overlap_threshold: Share = 0.3
    """Seeds whose masks overlap more are one object; higher splits more."""


METHOD = Method(
    name="instanseg",
    makes="nuclei or cells, with an InstanSeg model",
    options=InstansegOptions,
    run_many=segment_with_worker,
    load=partial(Worker, "instanseg"),
    fields_at_once={"cuda": 8, "mps": 8, "cpu": 8},
    for_threads=True,
    environment="an environment of its own: `make env-instanseg`",
    knobs=(
        Knob("mask_threshold", 0.05, "smaller"),
        Knob("peak_distance", 1, "divide_less"),
        Knob("seed_threshold", 0.1, "find_fewer"),
    ),
)
