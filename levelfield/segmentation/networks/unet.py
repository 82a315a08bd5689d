"""One small U-Net that predicts every classic representation of objects at once.

1.4 million parameters, three levels with 32, 64 and 128 filters (Ronneberger et al. 2015). Its
trunk works at half the resolution of the image, which costs a quarter of the time; the head adds
the image's own detail again.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from levelfield.segmentation.small_network.prediction import FULL, GROUPS
from levelfield.segmentation.small_network.weights import NAME, read_network


def convolution(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution of 3 x 3, normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )


def _pair(n_in: int, n_between: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(convolution(n_in, n_between), convolution(n_between, n_out))


def down_and_up(
    features: Tensor, down: nn.ModuleList, bottom: nn.Module, up: nn.ModuleList
) -> Tensor:
    """Run the levels of a U-Net: each level up sees what is below it and the level beside it."""
    kept = []
    for level in down:
        features = level(features)
        kept.append(features)
        features = functional.max_pool2d(features, 2)
    features = bottom(features)
    for level in up:
        larger = functional.interpolate(features, scale_factor=2, mode="nearest")
        features = level(torch.cat([larger, kept.pop()], 1))
    return features


class UNet(nn.Module):
    """The network; `n_filters` are those of the first level."""

    def __init__(self, n_filters: int = 32) -> None:
        super().__init__()
        one, two, four, eight = (n_filters * factor for factor in (1, 2, 4, 8))
        down = [_pair(4, one, one), _pair(one, two, two), _pair(two, four, four)]
        self.down, self.bottom = nn.ModuleList(down), _pair(four, eight, four)
        up = [_pair(eight, four, two), _pair(four, two, one), _pair(two, one, two)]
        self.up = nn.ModuleList(up)
        self.star = nn.Conv2d(two, GROUPS["star"], 1)
        self.to_full = nn.Conv2d(two, 64, 1)
        self.detail = nn.Conv2d(1, 8, 3, padding=1)
        self.last = convolution(16 + 8, 24)
        self.head = nn.Conv2d(24, sum(FULL.values()), 1)
        # Rays start out near exp(2) = 7 px, a plausible nucleus, rather than at 1 px.
        if self.star.bias is not None:
            nn.init.constant_(self.star.bias[1:], 2.0)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return raw outputs: (N, sum of `FULL`, Y, X) and (N, 1 + `N_RAYS`, Y/2, X/2).

        `image` is (N, 1, Y, X), scaled as by `levelfield.images.normalisation.normalise`; the sides
        are multiples of `levelfield.segmentation.small_network.tiles.MULTIPLE`.
        """
        features = functional.pixel_unshuffle(image, 2)
        features = down_and_up(features, self.down, self.bottom, self.up)
        full = functional.pixel_shuffle(self.to_full(features), 2)
        detail = functional.relu(self.detail(image))
        return self.head(self.last(torch.cat([full, detail], 1))), self.star(features)


def split_groups(output: Tensor) -> Mapping[str, Tensor]:
    """Return the channel groups of a full-resolution output (N, C, Y, X) by name."""
    return dict(zip(FULL, output.split(list(FULL.values()), dim=1), strict=True))


def save_network(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write a state dict of `UNet` as safetensors: plain data, half precision, a few MB.

    Running means and variances stay in single precision. Facts, such as data and licence, are kept
    in the file's header.
    """
    stored = {
        name: (tensor.half() if "weight" in name and tensor.ndim == 4 else tensor).contiguous()
        for name, tensor in weights.items()
    }
    save_file(stored, path, {"network": NAME, **facts})


def load_network(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read weights as torch has them; see `levelfield.segmentation.small_network.weights`."""
    weights, facts = read_network(path)
    return {name: torch.from_numpy(values) for name, values in weights.items()}, facts
