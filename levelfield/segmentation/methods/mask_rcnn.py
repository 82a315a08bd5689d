"""The method `mask_rcnn`: regions that may be an object, a box and a mask for each.

He et al., ICCV 2017, through torchvision; models are trained by `levelfield.training.mask_rcnn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from levelfield.arrays import Image
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import MaskThreshold, MinimumKept, Scale, Share, SizeFilter
from levelfield.segmentation.result import Segmentation, single_channel

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.mask_rcnn import MaskRcnnModel, Proposal


class MaskRcnnOptions(SizeFilter):
    """Options of the method `mask_rcnn`."""

    minimum_score: Share = 0.5
    """Proposals of a lower score are no objects."""
    mask_threshold: MaskThreshold = 0.5
    minimum_kept: MinimumKept = 0.5
    scale: Scale = 1.0


def mask_rcnn(
    images: Sequence[Image], options: MaskRcnnOptions, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Segment with a Mask R-CNN; where masks overlap, the better score has the pixels."""
    from scipy import ndimage

    from levelfield.images.normalisation import normalise

    model: MaskRcnnModel = inputs[0]["model"]
    planes = [single_channel(image, "mask_rcnn") for image in images]
    scale = options.scale
    seen = [plane if scale == 1 else ndimage.zoom(plane, scale, order=1) for plane in planes]
    shapes = [plane.shape for plane in planes]
    found = model.propose([normalise(plane) for plane in seen], options.minimum_score, shapes)
    return [_objects(each, options, shape) for each, shape in zip(found, shapes, strict=True)]


def _objects(
    proposals: Sequence[Proposal], options: MaskRcnnOptions, shape: tuple[int, ...]
) -> Segmentation:
    from levelfield.segmentation.overlaps import claim, without_overlaps

    claims = []
    for found in proposals:
        mask = found.probability > options.mask_threshold
        claims.append(claim(found.score, mask, shape[1], found.top, found.left))
    return without_overlaps(claims, shape, options, options.minimum_kept)


METHOD = Method(
    name="mask_rcnn",
    makes="nuclei or cells, as boxes and masks of a Mask R-CNN",
    channels=(1, 1),
    environment="levelfield[gpu]",
    trainable=True,
    options=MaskRcnnOptions,
    run_many=mask_rcnn,
    fields_at_once={"cuda": 8, "mps": 8},
    for_threads=True,
    load="levelfield.segmentation.networks.mask_rcnn:load_mask_rcnn",
    knobs=(
        Knob("mask_threshold", 0.05, "smaller"),
        Knob("minimum_kept", 0.1, "divide_less"),
        Knob("minimum_score", 0.1, "find_fewer"),
    ),
)
