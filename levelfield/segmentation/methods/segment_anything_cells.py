"""The method `segment_anything_cells`: one cell per nucleus, from prompts.

Kirillov et al., ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from levelfield.arrays import Image, Labels
from levelfield.config.options import Number, Options
from levelfield.segmentation.method import Method
from levelfield.segmentation.methods.segment_anything import LOADER, as_colours
from levelfield.segmentation.options import Border, MinimumQuality
from levelfield.segmentation.result import Segmentation

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.segment_anything import (
        Encoded,
        ScoredMask,
        SegmentAnythingModel,
    )


class SegmentAnythingCellsOptions(Options):
    """Options of the method `segment_anything_cells`."""

    prompts: Literal["boxes", "points", "both"] = "boxes"
    """What tells the network where a cell is."""
    margin: Annotated[Number, Field(ge=0, le=10)] = 0.5
    """Boxes around nuclei are widened on every side by so many times their own side."""
    minimum_quality: MinimumQuality = 0.0
    border: Border = "keep"


def segment_anything_cells(
    images: Sequence[Image],
    options: SegmentAnythingCellsOptions,
    inputs: Sequence[Mapping[str, Any]],
) -> list[Segmentation]:
    """Segment one cell per nucleus.

    Every cell has the number of its nucleus, covers it, and keeps off the other nuclei. One whose
    mask is of less than `minimum_quality` is its nucleus alone.
    """
    model: SegmentAnythingModel = inputs[0]["model"]
    # What lies where there is no nucleus is not asked for.
    wanted = [n for n, given in enumerate(inputs) if given["parent"].any()]
    encoded = dict(zip(wanted, model.encode([as_colours(images[n]) for n in wanted]), strict=True))
    return [
        _cells(encoded.get(number), given["parent"], options, model)
        for number, given in enumerate(inputs)
    ]


def _cells(
    encoded: Encoded | None,
    parent: Labels,
    options: SegmentAnythingCellsOptions,
    model: SegmentAnythingModel,
) -> Segmentation:
    from levelfield.labels import objects
    from levelfield.labels.filtering import filter_objects
    from levelfield.segmentation.overlaps import claim, resolve_overlaps

    numbers = objects.object_numbers(parent)
    found: Iterable[ScoredMask] = ()
    if encoded is not None:
        boxes = None if options.prompts == "points" else nucleus_boxes(parent, options.margin)
        points = None if options.prompts == "boxes" else nucleus_points(parent)
        found = model.masks_of_prompts(encoded, boxes, points)
    claims = []
    for number, mask in zip(numbers, found, strict=True):
        own = parent == number
        good = mask.score >= options.minimum_quality
        cell = (mask.mask & (parent == 0)) | own if good else own
        claims.append(claim(mask.score, cell, parent.shape[1]))
    labels, record = resolve_overlaps(claims, parent.shape)
    numbered = np.concatenate([[0], numbers]).astype(np.int32)[labels]
    kept, removed = filter_objects(objects.largest_parts(numbered), 0, None, options.border)
    return Segmentation(kept, record | removed)


def nucleus_boxes(parent: Labels, margin: float) -> NDArray[np.float32]:
    """Return the boxes (n, 4) around objects, (x0, y0, x1, y1) px, widened and cut to the image."""
    from scipy import ndimage

    boxes = []
    for found in ndimage.find_objects(parent):
        if found is None:
            continue
        rows, columns = found
        dy, dx = margin * (rows.stop - rows.start), margin * (columns.stop - columns.start)
        boxes.append((columns.start - dx, rows.start - dy, columns.stop + dx, rows.stop + dy))
    height, width = parent.shape
    return np.clip(boxes, 0, (width, height, width, height)).astype(np.float32)


def nucleus_points(parent: Labels) -> NDArray[np.float32]:
    """Return a point (n, 2) in each object, (x, y) px: the one that is farthest from its edge."""
    from scipy import ndimage

    from levelfield.labels import objects
    from levelfield.segmentation.small_network.targets import distance_to_outside

    numbers = objects.object_numbers(parent)
    places = ndimage.maximum_position(distance_to_outside(parent), parent, numbers)
    return np.array(places, np.float32)[:, ::-1].copy()


METHOD = Method(
    name="segment_anything_cells",
    makes="one cell per nucleus, from boxes or points around the nuclei",
    options=SegmentAnythingCellsOptions,
    run_many=segment_anything_cells,
    fields_at_once={"cuda": 4, "mps": 4},
    for_threads=True,
    builds_on=("parent",),
    channels=(1, 3),
    load=LOADER,
    environment="levelfield[gpu]",
)
