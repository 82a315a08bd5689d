"""The method `segment_anything`: whatever a grid of points finds.

Kirillov et al., ICCV 2023. Masks may overlap; the better one has the pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from levelfield.arrays import Image
from levelfield.config.options import Whole
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import MinimumKept, MinimumQuality, Share, SizeFilter
from levelfield.segmentation.result import Segmentation

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.segment_anything import ScoredMask, SegmentAnythingModel

LOADER = "levelfield.segmentation.networks.segment_anything:load_segment_anything"


class SegmentAnythingOptions(SizeFilter):
    """Options of the method `segment_anything`; the background of a field is often a good mask."""

    points_per_side: Annotated[Whole, Field(ge=1, le=256)] = 32
    """Points along a side of the grid; they should be closer than the objects."""
    minimum_quality: MinimumQuality = 0.88
    minimum_stability: Share = 0.95
    """Masks of which less stays when the cut-off is moved a little are dropped."""
    minimum_kept: MinimumKept = 0.5


def segment_anything(
    images: Sequence[Image], options: SegmentAnythingOptions, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Segment whatever a grid of points finds in 1 to 3 channels, seen as red, green and blue."""
    model: SegmentAnythingModel = inputs[0]["model"]
    limits = options.points_per_side, options.minimum_quality, options.minimum_stability
    encoded = model.encode([as_colours(image) for image in images])
    return [
        _objects(model.all_masks(each, *limits), options, image.shape[1:])
        for image, each in zip(images, encoded, strict=True)
    ]


def _objects(
    found: Iterable[ScoredMask], options: SegmentAnythingOptions, shape: tuple[int, ...]
) -> Segmentation:
    from levelfield.segmentation.overlaps import claim, without_overlaps

    claims = [claim(mask.score, mask.mask, shape[1]) for mask in found]
    # A mask that is too large is no object: it must not take other objects' pixels first.
    maximum = options.maximum_diameter
    largest = np.inf if maximum is None else np.pi * maximum**2 / 4
    fitting = [mask for mask in claims if len(mask.pixels) <= largest]
    result = without_overlaps(fitting, shape, options, options.minimum_kept)
    n_large = result.record["RemovedLarge"] + len(claims) - len(fitting)
    return Segmentation(result.labels, result.record | {"RemovedLarge": n_large})


def as_colours(image: Image) -> NDArray[np.uint8]:
    """Return an image (Y, X, 3) as a photograph would be: one channel is grey, two leave out blue.

    Raises
    ------
    ValueError
        If there are more than three channels.
    """
    if len(image) > 3:
        raise ValueError(
            f"Segment Anything sees at most 3 channels but was given {len(image)}; name fewer in "
            "'channels', or join some with the step combine_channels"
        )
    from levelfield.images.normalisation import normalise

    planes = [np.clip(normalise(plane), 0, 1) for plane in image]
    if len(planes) == 1:
        planes = planes * 3
    if len(planes) == 2:
        planes = [*planes, np.zeros_like(planes[0])]
    return np.round(255 * np.stack(planes, -1)).astype(np.uint8)


METHOD = Method(
    name="segment_anything",
    makes="whatever a grid of points finds",
    options=SegmentAnythingOptions,
    run_many=segment_anything,
    fields_at_once={"cuda": 4, "mps": 4},
    for_threads=True,
    channels=(1, 3),
    load=LOADER,
    environment="levelfield[gpu]",
    knobs=(Knob("minimum_kept", 0.1, "divide_less"), Knob("minimum_quality", 0.05, "find_fewer")),
)
