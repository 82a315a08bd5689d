"""The small network on a GPU: by torch, in batches of tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval

from levelfield.arrays import Image
from levelfield.segmentation.device_clock import DEVICE_CLOCK
from levelfield.segmentation.devices import has_bfloat16
from levelfield.segmentation.networks.unet import UNet, split_groups
from levelfield.segmentation.small_network.prediction import RawOutputs

_TILE = 1152  # px, the largest side of a tile: one for the usual cameras at binning 2
_GPU_BATCH = 8  # tiles at once; on a CPU more than one cost memory and gain nothing


@dataclass(frozen=True)
class TorchNetwork:
    """The network on a device of torch, its normalisation layers folded into the convolutions."""

    network: UNet
    device: torch.device
    tile: int = _TILE
    overlap: int = 96

    @property
    def batch(self) -> int:
        """Tiles computed at once."""
        return 1 if self.device.type == "cpu" else _GPU_BATCH

    def __call__(self, images: Image, groups: Sequence[str]) -> RawOutputs:
        """Return raw outputs of normalised tiles (N, Y, X)."""
        with DEVICE_CLOCK:
            return {name: values.cpu().numpy() for name, values in self.run(images, groups).items()}

    @torch.inference_mode()
    def run(self, images: Image, groups: Sequence[str]) -> dict[str, Tensor]:
        """Return what `__call__` does, float32 on the device."""
        kind = self.device.type
        batch = torch.from_numpy(images)[:, None].to(self.device, memory_format=torch.channels_last)
        with torch.autocast(kind, torch.bfloat16, enabled=has_bfloat16(self.device)):
            output, star = self.network(batch)
        every = {**split_groups(output), "star": star}
        return {name: every[name].float() for name in groups}

    def rest(self) -> None:
        """Keep the memory: torch shares it among its networks."""


def prepare(weights: Mapping[str, Tensor], device: torch.device) -> TorchNetwork:
    """Return the network for prediction, its normalisation folded into the convolutions."""
    network = UNet()
    network.load_state_dict(dict(weights))
    network.eval()
    for block in network.modules():
        if isinstance(block, torch.nn.Sequential) and isinstance(block[0], torch.nn.Conv2d):
            folded: Any = fuse_conv_bn_eval(block[0], cast(torch.nn.BatchNorm2d, block[1]))
            block[0], block[1] = folded, torch.nn.Identity()
    network.to(device)
    network.to(memory_format=torch.channels_last)
    return TorchNetwork(network, device)
