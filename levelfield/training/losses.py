"""What the network is trained to make small."""

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from levelfield.segmentation.networks.unet import split_groups
from levelfield.segmentation.small_network.targets import (
    BOTH_BACKGROUND,
    DIFFERENT_OBJECTS,
    SAME_OBJECT,
    UNKNOWN_PAIR,
)

HEADS = ("foreground", "classes", "distance", "flow", "cell_probability", "affinities", "star")
# How much a wrong class costs. Boundaries are rare, but a weight of 3 inflates masks (measured).
_CLASS_WEIGHTS = (1.0, 1.0, 1.5)
# How much a wrong pair costs, by the pair's kind: those that hold two objects apart are few, and
# each of them can prevent a merge.
_PAIR_WEIGHTS = (0.0, 1.0, 2.0, 2.0, 6.0)
# Brings the losses of all heads to about the same size once they are learned.
_HEAD_WEIGHTS = {"distance": 5.0, "affinities": 1.5, "star": 2.0}


def head_losses(output: Tensor, star: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the loss of every head, by `HEADS`.

    They compare the raw outputs of a `levelfield.segmentation.networks.unet.UNet` with batched
    `levelfield.segmentation.small_network.targets.Targets`.
    """
    groups = split_groups(output.float())
    known = targets["known"].float()
    foreground = targets["foreground"].float()
    losses = {
        "foreground": _foreground(groups["foreground"][:, 0], foreground, known),
        "classes": _classes(groups["classes"], targets["classes"], known),
        "distance": _distance(groups["distance"][:, 0], targets["distance"], foreground, known),
        "flow": _flow(groups["flow"], targets["flow"], foreground),
        "cell_probability": _cross_entropy(groups["cell_probability"][:, 0], foreground, known),
        "affinities": _affinities(groups["affinities"], targets["pairs"]),
        "star": _star(star.float(), targets),
    }
    return {head: loss * _HEAD_WEIGHTS.get(head, 1.0) for head, loss in losses.items()}


@cache
def _on(device: torch.device, numbers: tuple[float, ...]) -> Tensor:
    """Copy numbers to a device once: each copy would wait until it has done all it was told."""
    return torch.tensor(numbers, device=device)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)


def _cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    loss = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return _mean(loss, weights)


def _foreground(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    likely = logits.sigmoid() * known
    overlap = 1 - (2 * (likely * truth).sum() + 1) / ((likely + truth).sum() + 1)
    return _cross_entropy(logits, truth, known) + 0.5 * overlap


def _classes(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    weights = _on(logits.device, _CLASS_WEIGHTS)[truth.long()] * known
    return _mean(functional.cross_entropy(logits, truth.long(), reduction="none"), weights)


def _distance(predicted: Tensor, truth: Tensor, foreground: Tensor, known: Tensor) -> Tensor:
    return _mean((predicted - truth) ** 2, (1 + 2 * foreground) * known)


def _flow(predicted: Tensor, truth: Tensor, foreground: Tensor) -> Tensor:
    return _mean(((predicted - truth) ** 2).sum(1), foreground)


def _affinities(logits: Tensor, pairs: Tensor) -> Tensor:
    weights = _on(logits.device, _PAIR_WEIGHTS)[pairs.long()]
    return _cross_entropy(logits, (pairs == SAME_OBJECT).float(), weights)


def _star(star: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    central = targets["distance"][:, ::2, ::2]
    known = targets["known"][:, ::2, ::2].float()
    inside = targets["foreground"][:, ::2, ::2].float()
    rays = targets["star_distances"].clamp(min=0.5).log()
    # The polygon that is kept starts near the centre: its rays count most.
    weights = (central + 0.1) * inside
    length = _mean((star[:, 1:] - rays).abs().mean(1), weights)
    return 0.5 * _cross_entropy(star[:, 0], central, known) + length


def threshold_bias_loss(output: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """Penalise outlines that are too wide or too narrow on average, crop by crop.

    The surplus of foreground divided by the length of all outlines is the mean shift of the
    outlines in px: one of the four questions of the QC, cheap and differentiable.
    """
    likely = split_groups(output.float())["foreground"][:, 0].sigmoid()
    truth = targets["foreground"].float()
    known = targets["known"].float()
    beside = targets["pairs"][:, :2]
    outline = ((beside != SAME_OBJECT) & (beside > BOTH_BACKGROUND)).sum((1, 2, 3))
    shift = ((likely - truth) * known).sum((1, 2)) / (outline + 20)
    return functional.smooth_l1_loss(shift, torch.zeros_like(shift), beta=0.5)


def split_merge_loss(output: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """Penalise an imbalance of doubt across true seams and doubt inside of objects, crop by crop.

    Joined pairs of different objects make merges, divided pairs of one object make splits: the
    second of the four questions, as far as pairs of pixels can ask it.
    """
    joined = split_groups(output.float())["affinities"].sigmoid()
    pairs = targets["pairs"]
    different = (pairs == DIFFERENT_OBJECTS).float()
    same = (pairs == SAME_OBJECT).float()
    merging = (joined * different).sum((1, 2, 3))
    splitting = ((1 - joined) * same).sum((1, 2, 3))
    imbalance = (merging - splitting) / ((pairs != UNKNOWN_PAIR).sum((1, 2, 3)) * 0.01 + 1)
    return functional.smooth_l1_loss(imbalance, torch.zeros_like(imbalance), beta=0.5)
