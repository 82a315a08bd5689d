"""Training of a Mask R-CNN on annotated images, from random or given weights."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from levelfield.segmentation.mask_rcnn_network import build_network
from levelfield.training.loop import TrainingResult
from levelfield.training.samples import TrainingImage, draw_crop, sampling_weights

log = logging.getLogger("levelfield")

_WARM_UP = 50  # steps until the learning rate is full
_LARGEST_GRADIENT = 5.0
_SMALLEST_OBJECT = 12  # px; slivers at the edge of a crop are background


@dataclass(frozen=True)
class MaskRcnnSettings:
    """How to train.

    Attributes
    ----------
    backbone : str
        See `levelfield.segmentation.mask_rcnn_network.build_network`.
    steps : int
        Batches to learn from; the learning rate falls to 0 until then.
    batch, side : int
        Samples per batch, and their side in px.
    learning_rate : float
        The highest one.
    report_every : int
        Steps between two rows of the history.
    seed : int
        Of the first weights and of all samples.
    """

    backbone: str = "resnet50"
    steps: int = 6000
    batch: int = 8
    side: int = 256
    learning_rate: float = 1e-3
    report_every: int = 50
    seed: int = 0


def train_mask_rcnn(
    images: Sequence[TrainingImage],
    settings: MaskRcnnSettings,
    start: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
    on_report: Callable[[dict[str, float], float], None] | None = None,
) -> TrainingResult:
    """Train a Mask R-CNN; the same settings and images give the same weights on the same machine.

    Parameters
    ----------
    images
        To learn from.
    settings
        See `MaskRcnnSettings`.
    start
        Weights to start from; those that do not fit, such as the last layers of a network that
        was trained on photographs, are left out. None for random ones.
    device
        Of torch.
    on_report
        Called with each row of the history and the remaining seconds.

    Returns
    -------
    TrainingResult
        Its history has a row per report: ``step``, ``learning_rate``, and the mean of each loss.

    Raises
    ------
    ValueError
        If there are no images.
    """
    if not images:
        raise ValueError("there are no training images; name at least one with labelled objects")
    torch.manual_seed(settings.seed)
    network = build_network(settings.backbone)
    if start is not None:
        _start_from(network, start)
    network = network.to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    weights = sampling_weights(images)
    rows: list[dict[str, float]] = []
    sums: dict[str, float] = {}
    began = time.monotonic()
    for step in range(1, settings.steps + 1):
        rate = settings.learning_rate * min(step / _WARM_UP, 1 - (step - 1) / settings.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        first = (step - 1) * settings.batch
        samples = [
            _sample(images, weights, settings, number, device)
            for number in range(first, first + settings.batch)
        ]
        losses = network(*(list(part) for part in zip(*samples, strict=True)))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        optimiser.step()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() / settings.report_every
        if step % settings.report_every == 0:
            rows.append({"step": step, "learning_rate": rate, **sums})
            remaining = (time.monotonic() - began) / step * (settings.steps - step)
            log.info("step %d of %d, %.0f s left", step, settings.steps, remaining)
            if on_report:
                on_report(rows[-1], remaining)
            sums = {}
    trained = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return TrainingResult(trained, pd.DataFrame(rows), stopped_early=False)


def _start_from(network: MaskRCNN, start: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in start.items()
        if name in own and own[name].shape == tensor.shape
    }
    log.info("%d of %d arrays of weights are taken over", len(fitting), len(own))
    network.load_state_dict(fitting, strict=False)


def _sample(
    images: Sequence[TrainingImage],
    weights: NDArray[np.float64],
    settings: MaskRcnnSettings,
    number: int,
    device: str,
) -> tuple[Tensor, dict[str, Tensor]]:
    image, labels = draw_crop(images, weights, settings.side, settings.seed, number)
    target = {name: tensor.to(device) for name, tensor in instance_targets(labels).items()}
    return torch.from_numpy(image).to(device).expand(3, -1, -1), target


def instance_targets(labels: NDArray[np.int32]) -> dict[str, Tensor]:
    """Return what torchvision's detectors learn from.

    Parameters
    ----------
    labels
        (Y, X) int32; 0 background, -1 unknown (taken for background).

    Returns
    -------
    targets
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
