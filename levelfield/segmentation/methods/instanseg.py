"""The method `instanseg`: InstanSeg models.

Goldsborough et al., arXiv:2408.15954 and bioRxiv 2024.09.04.611150; defaults are its own. It runs
in an environment of its own, and sees many images at once, because every request to another process
costs some time.
"""

from functools import partial
from typing import Literal

from pydantic import Field

from levelfield.config.options import Number, Whole
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import MaskThreshold, Share, SizeFilter
from levelfield.segmentation.workers.exchange import Worker, segment_with_worker


class InstansegOptions(SizeFilter):
    """Options of the method `instanseg`."""

    target: Literal["nuclei", "cells"] = Field(
        default="nuclei", description="Which of the two, where the model makes both."
    )
    pixel_size: Number | None = Field(
        default=None,
        ge=0.01,
        le=100,
        description="Width of a pixel in µm, by which images are scaled to the model's; null for "
        "no scaling.",
    )
    mask_threshold: MaskThreshold = 0.53
    seed_threshold: Number = Field(
        default=0.7,
        ge=0,
        description="What a pixel needs to be the seed of an object; higher finds fewer.",
    )
    peak_distance: Whole = Field(
        default=5, ge=1, description="Seeds are at least so many px apart."
    )
    overlap_threshold: Share = Field(
        default=0.3,
        description="Seeds whose masks overlap more are one object; higher splits more.",
    )


METHOD = Method(
    name="instanseg",
    makes="nuclei or cells, with an InstanSeg model",
    options=InstansegOptions,
    run_many=segment_with_worker,
    load=partial(Worker, "instanseg"),
    environment="an environment of its own: `make env-instanseg`",
    knobs=(
        Knob("mask_threshold", 0.05, "smaller"),
        Knob("peak_distance", 1, "divide_less"),
        Knob("seed_threshold", 0.1, "find_fewer"),
    ),
)
