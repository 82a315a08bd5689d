"""The method `mask_rcnn`: regions that may be an object, a box and a mask for each.

He et al., ICCV 2017, through torchvision; models are trained by `levelfield.training.mask_rcnn`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.config.parameters import require_number
from levelfield.images.normalisation import normalise
from levelfield.segmentation.overlaps import claim, finished, resolve_overlaps
from levelfield.segmentation.result import Segmentation, single_channel

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.mask_rcnn import MaskRcnnModel


def mask_rcnn(
    image: NDArray[np.float32],
    model: MaskRcnnModel,
    *,
    minimum_score: float = 0.5,
    mask_threshold: float = 0.5,
    minimum_kept: float = 0.5,
    scale: float = 1.0,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment with a Mask R-CNN.

    Parameters
    ----------
    image
        (1, Y, X).
    model
        See `levelfield.segmentation.networks.mask_rcnn.load_mask_rcnn`.
    minimum_score
        Proposals of a lower score are no objects.
    mask_threshold
        Probability from which a pixel of a box is part of its object; higher makes smaller objects.
    minimum_kept
        Where masks overlap, the better score has the pixels. An object that keeps less than this
        fraction of its own was a duplicate and is dropped.
    scale
        The image is enlarged by this before, for objects much smaller (above 1) or larger than
        those that the model learned from.
    minimum_diameter, maximum_diameter, border
        As in `levelfield.segmentation.methods.classical.classical`.
    """
    require_number("minimum_score", minimum_score, 0, 1)
    require_number("mask_threshold", mask_threshold, 0, 1)
    require_number("minimum_kept", minimum_kept, 0, 1)
    require_number("scale", scale, 0.05, 20)
    plane = single_channel(image, "mask_rcnn")
    seen = plane if scale == 1 else ndimage.zoom(plane, scale, order=1)
    claims = [
        claim(one.score, one.probability > mask_threshold, plane.shape[1], one.top, one.left)
        for one in model.propose(normalise(seen), minimum_score, plane.shape)
    ]
    labels, record = resolve_overlaps(claims, plane.shape, minimum_kept)
    return finished(labels, record, minimum_diameter, maximum_diameter, border)
