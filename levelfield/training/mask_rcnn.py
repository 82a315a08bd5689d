"""The recipe of a Mask R-CNN: trained on annotated images, from random or given weights."""

import logging
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from levelfield.arrays import Image, Labels
from levelfield.segmentation.networks.mask_rcnn import build_network
from levelfield.training.recipe import Recipe, TrainingSettings

log = logging.getLogger("levelfield")

_SMALLEST_OBJECT = 12  # px; slivers at the edge of a crop are background
Sample = tuple[Tensor, dict[str, Tensor]]


def _build(settings: TrainingSettings) -> nn.Module:
    return build_network(settings.backbone)


def _start(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in weights.items()
        if name in own and own[name].shape == tensor.shape
    }
    if len(fitting) < len(own) / 2:
        raise ValueError(
            f"of the {len(own)} arrays of this Mask R-CNN only {len(fitting)} are in the weights "
            "to start from: they are of another network or another backbone. Name weights of the "
            "same `backbone` as `start`, or leave `start` out and train from scratch."
        )
    log.info("%d of %d arrays of weights are taken over", len(fitting), len(own))
    network.load_state_dict(fitting, strict=False)


def _sample(image: Image, labels: Labels) -> Sample:
    # Beyond the image's edge it is mirrored, objects and all, and nobody has drawn those.
    beyond, background = labels < 0, labels == 0
    if beyond.any():
        image = np.where(beyond, np.median(image[background]) if background.any() else 0, image)
    return torch.from_numpy(image.astype(np.float32)), instance_targets(labels)


def instance_targets(labels: Labels) -> dict[str, Tensor]:
    """Return what torchvision's detectors learn from; unknown pixels count as background.

    Returns
    -------
    dict of str to Tensor
        ``boxes`` (n, 4) float32 (x0, y0, x1, y1), ``labels`` (n,) int64, all 1, and ``masks``
        (n, Y, X) uint8.
    """
    area = np.bincount(labels[labels > 0], minlength=1)
    numbers = np.flatnonzero(area >= _SMALLEST_OBJECT)
    masks = labels == numbers[:, None, None]
    boxes = np.zeros((len(numbers), 4), np.float32)
    for position, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        boxes[position] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.ones(len(numbers), dtype=torch.int64),
        "masks": torch.from_numpy(masks.astype(np.uint8)),
    }


def _losses(
    network: nn.Module, batch: list[Sample], settings: TrainingSettings, device: str
) -> dict[str, Tensor]:
    images = [image.to(device).expand(3, -1, -1) for image, _ in batch]
    targets = [{name: tensor.to(device) for name, tensor in target.items()} for _, target in batch]
    judged = not network.training
    if judged:  # torchvision computes losses while training only; running means must stay
        network.train()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
    on_gpu = torch.device(device).type == "cuda"
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=on_gpu):
        losses = network(images, targets)
    if judged:
        network.eval()
    return losses


MASK_RCNN = Recipe(_build, _start, _sample, list, _losses)
