"""The recipe of the small network with six ways to segment."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from levelfield.arrays import Image, Labels
from levelfield.segmentation.networks.unet import UNet
from levelfield.segmentation.small_network.targets import make_targets
from levelfield.training.losses import head_losses, split_merge_loss, threshold_bias_loss
from levelfield.training.recipe import Recipe, TrainingSettings

Targets = dict[str, Tensor]


def _build(settings: TrainingSettings) -> nn.Module:
    return UNet().to(memory_format=torch.channels_last)


def _start(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    network.load_state_dict(dict(weights))


def _sample(image: Image, labels: Labels) -> tuple[Tensor, Targets]:
    targets = make_targets(labels)
    arrays = {name: torch.from_numpy(array) for name, array in vars(targets).items()}
    return torch.from_numpy(image)[None], arrays


def _losses(
    network: nn.Module, batch: tuple[Tensor, Targets], settings: TrainingSettings, device: str
) -> dict[str, Tensor]:
    image = batch[0].to(device)
    targets = {name: tensor.to(device) for name, tensor in batch[1].items()}
    kind = image.device.type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=_has_bfloat16(kind)):
        output, star = network(image.contiguous(memory_format=torch.channels_last))
    losses = head_losses(output, star, targets)
    losses = {head: losses[head] for head in settings.heads}
    if settings.threshold_bias:
        losses["threshold_bias"] = settings.threshold_bias * threshold_bias_loss(output, targets)
    if settings.split_merge:
        losses["split_merge"] = settings.split_merge * split_merge_loss(output, targets)
    return losses


def _has_bfloat16(kind: str) -> bool:
    """Without instructions for it, a CPU computes bfloat16 slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported()
    return kind == "cpu" and torch.backends.mkldnn.is_available() and _cpu_has_bfloat16()


def _cpu_has_bfloat16() -> bool:
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


UNET = Recipe(_build, _start, _sample, default_collate, _losses)
