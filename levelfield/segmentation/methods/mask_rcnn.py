"""The method `mask_rcnn`: regions that may be an object, a box and a mask for each.

He et al., ICCV 2017, through torchvision; models are trained by `levelfield.training.mask_rcnn`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from levelfield.arrays import Image
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import MaskThreshold, MinimumKept, Scale, Share, SizeFilter
from levelfield.segmentation.result import Segmentation, single_channel

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.mask_rcnn import MaskRcnnModel


class MaskRcnnOptions(SizeFilter):
    """Options of the method `mask_rcnn`."""

    minimum_score: Share = 0.5
    """Proposals of a lower score are no objects."""
    mask_threshold: MaskThreshold = 0.5
    minimum_kept: MinimumKept = 0.5
    scale: Scale = 1.0


def mask_rcnn(image: Image, options: MaskRcnnOptions, model: MaskRcnnModel) -> Segmentation:
    """Segment with a Mask R-CNN; where masks overlap, the better score has the pixels."""
    from scipy import ndimage

    from levelfield.images.normalisation import normalise
    from levelfield.segmentation.overlaps import claim, without_overlaps

    plane = single_channel(image, "mask_rcnn")
    seen = plane if options.scale == 1 else ndimage.zoom(plane, options.scale, order=1)
    claims = []
    for found in model.propose(normalise(seen), options.minimum_score, plane.shape):
        mask = found.probability > options.mask_threshold
        claims.append(claim(found.score, mask, plane.shape[1], found.top, found.left))
    return without_overlaps(claims, plane.shape, options, options.minimum_kept)


METHOD = Method(
    name="mask_rcnn",
    makes="nuclei or cells, as boxes and masks of a Mask R-CNN",
    channels=(1, 1),
    environment="levelfield[gpu]",
    trainable=True,
    options=MaskRcnnOptions,
    run=mask_rcnn,
    load="levelfield.segmentation.networks.mask_rcnn:load_mask_rcnn",
    knobs=(
        Knob("mask_threshold", 0.05, "smaller"),
        Knob("minimum_kept", 0.1, "divide_less"),
        Knob("minimum_score", 0.1, "find_fewer"),
    ),
)
