"""From images to predictions: tiles of any image, one scale per plate, the same on every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval

from levelfield.devices import choose_device
from levelfield.segmentation.network.diameters import diameters_at_best_scale
from levelfield.segmentation.network.prediction import Prediction
from levelfield.segmentation.network.targets import N_RAYS
from levelfield.segmentation.network.unet import (
    GROUPS,
    MULTIPLE,
    UNet,
    activate,
    load_network,
)
from levelfield.segmentation.normalisation import normalise

Image = NDArray[np.float32]

# Objects of these diameters (px) need no scaling; others are scaled to the nearer end.
DIAMETERS = (15.0, 50.0)
# Largest side of a tile (px): one for the usual cameras at binning 2, within 1 GB of memory.
TILE = 1152
# Tiles share so many px, more than an object is wide.
OVERLAP = 96
# Tiles computed at once on a GPU; on a CPU more than one cost memory and gain nothing.
GPU_BATCH = 8


@dataclass(frozen=True)
class NetworkModel:
    """A network that is ready to predict.

    Attributes
    ----------
    network : UNet
        With its normalisation layers folded into the convolutions.
    device : torch.device
        Where it computes.
    device_name : str
        For tables.
    facts : dict of str to str
        What its file says of it.
    """

    network: UNet
    device: torch.device
    device_name: str
    facts: dict[str, str]

    @property
    def fields_at_once(self) -> int:
        """Images that keep the device busy."""
        return 1 if self.device.type == "cpu" else GPU_BATCH

    def predict(self, images: Sequence[Image], diameter: float | None = None) -> list[Prediction]:
        """Predict images (Y, X) of one plate; see `predict_all`.

        `diameter` (px) is that of a typical object; None if it needs no scaling.
        """
        return list(predict_all(self, images, scale_for(diameter), self.fields_at_once))

    def measure_diameters(self, images: Sequence[Image]) -> NDArray[np.float64]:
        """Return the equivalent diameters (px) of all objects that are found on images (Y, X)."""
        return diameters_at_best_scale(lambda scale: list(predict_all(self, images, scale)))


def load_model(path: Path, device: str = "cpu") -> NetworkModel:
    """Read weights and make them ready on a device (`levelfield.devices.choose_device`).

    Raises
    ------
    ValueError
        If the file does not hold weights of this network, or the device is not there.
    """
    chosen = choose_device(device)
    if chosen.torch.type == "cpu":
        # Work is divided over processes; more threads in each would only get in each other's way.
        torch.set_num_threads(1)
    weights, facts = load_network(path)
    network = UNet()
    network.load_state_dict(weights)
    return NetworkModel(ready(network, chosen.torch), chosen.torch, chosen.name, facts)


def ready(network: UNet, device: torch.device) -> UNet:
    """Return the network for prediction, its normalisation folded into the convolutions."""
    network = network.eval()
    for block in network.modules():
        if isinstance(block, torch.nn.Sequential) and isinstance(block[0], torch.nn.Conv2d):
            block[0], block[1] = fuse_conv_bn_eval(block[0], block[1]), torch.nn.Identity()
    return network.to(device, memory_format=torch.channels_last)


def scale_for(diameter: float | None) -> float:
    """Return by what images are scaled so that objects of a diameter (px) have a known size."""
    if diameter is None:
        return 1.0
    return float(np.clip(diameter, *DIAMETERS) / diameter)


def predict(model: NetworkModel, image: Image, scale: float = 1.0) -> Prediction:
    """Predict one image.

    Parameters
    ----------
    model
        See `load_model`.
    image
        (Y, X) float32, any intensity scale.
    scale
        The image is enlarged by this before; the prediction is as large as the enlarged image.
    """
    return next(predict_all(model, [image], scale))


def predict_all(
    model: NetworkModel, images: Sequence[Image], scale: float = 1.0, batch: int = 1
) -> Iterator[Prediction]:
    """Predict many images, with the tiles of all of them in batches of one shape.

    The last batch is filled up with blank tiles, so that every tile is computed in a batch of the
    same shape and its numbers do not depend on what it was computed with.

    Parameters
    ----------
    model, scale
        As for `predict`.
    images
        (Y, X) each.
    batch
        Tiles computed at once; 1 on a CPU, where more cost memory and gain nothing.
    """
    scaled = [normalise(_resize(image, scale)) for image in images]
    waiting: dict[tuple[int, int], list[tuple[int, _Tile]]] = {}
    canvases = [_Canvas(image.shape) for image in scaled]
    for number, image in enumerate(scaled):
        for tile in _tiles(image.shape):
            waiting.setdefault(tile.shape, []).append((number, tile))
    for entries in waiting.values():
        for first in range(0, len(entries), batch):
            chosen = entries[first : first + batch]
            tiles = [tile.cut(scaled[number]) for number, tile in chosen]
            tiles += [np.zeros_like(tiles[0])] * (batch - len(tiles))
            outputs = _run(model, np.stack(tiles))
            for (number, tile), output, star in zip(chosen, *outputs, strict=False):
                canvases[number].add(tile, output, star)
    for canvas in canvases:
        yield canvas.prediction()


def _resize(image: Image, scale: float) -> Image:
    if scale == 1:
        return image
    if scale < 1:  # or detail between the new pixels would turn into noise
        image = ndimage.gaussian_filter(image, 0.4 / scale)
    return ndimage.zoom(image, scale, order=1, grid_mode=True, mode="nearest")


@dataclass(frozen=True)
class _Tile:
    """A part of an image; it may reach beyond the lower and right edges.

    `top` and `left` are even, so that half-resolution outputs fall on the same grid.
    """

    top: int
    left: int
    shape: tuple[int, int]

    def cut(self, image: Image) -> Image:
        bottom, right = self.top + self.shape[0], self.left + self.shape[1]
        part = image[self.top : bottom, self.left : right]
        missing = [(0, full - there) for full, there in zip(self.shape, part.shape, strict=True)]
        # "symmetric" works however little of the image there is.
        return np.pad(part, missing, mode="symmetric")


def _tiles(shape: tuple[int, ...]) -> Iterator[_Tile]:
    """Divide an image into equal tiles that overlap."""
    starts, sides = zip(*(_starts(length) for length in shape), strict=True)
    for top in starts[0]:
        for left in starts[1]:
            yield _Tile(top, left, sides)


def _starts(length: int) -> tuple[list[int], int]:
    n_tiles = max(1, int(np.ceil((length - OVERLAP) / (TILE - OVERLAP))))
    side = int(np.ceil((length + (n_tiles - 1) * OVERLAP) / n_tiles))
    side = -(-side // MULTIPLE) * MULTIPLE
    last = max(length - side, 0)
    starts = np.linspace(0, last, n_tiles) if n_tiles > 1 else [0]
    return [int(start) // 2 * 2 for start in starts], side


def _run(model: NetworkModel, tiles: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    batch = torch.from_numpy(tiles)[:, None].to(model.device, memory_format=torch.channels_last)
    half = model.device.type == "cuda"
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=half):
        output, star = model.network(batch)
    return output.float().cpu(), star.float().cpu()


class _Canvas:
    """The outputs of one image's tiles, blended where they overlap."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.whole: tuple[Tensor, Tensor] | None = None
        self.sums: tuple[Tensor, Tensor] | None = None

    def add(self, tile: _Tile, output: Tensor, star: Tensor) -> None:
        height, width = self.shape
        if tile.shape[0] >= height and tile.shape[1] >= width:
            self.whole = output, star
            return
        if self.sums is None:
            rows, columns = height + MULTIPLE, width + MULTIPLE
            full = torch.zeros(sum(GROUPS.values()) + 1, rows, columns)
            half = torch.zeros(N_RAYS + 2, rows // 2 + 1, columns // 2 + 1)
            self.sums = full, half
        for canvas, values, step in zip(self.sums, (output, star), (1, 2), strict=True):
            top, left = tile.top // step, tile.left // step
            part = canvas[:, top:, left:][:, : values.shape[1], : values.shape[2]]
            seen = values[:, : part.shape[1], : part.shape[2]]
            weight = _ramp(values.shape[1:])[: part.shape[1], : part.shape[2]]
            part[:-1] += seen * weight
            part[-1] += weight

    def prediction(self) -> Prediction:
        height, width = self.shape
        if self.whole is None:
            output, star = (canvas[:-1] / canvas[-1].clamp(min=1e-9) for canvas in self.sums)
        else:
            output, star = self.whole
        output = output[:, :height, :width]
        star = star[:, : (height + 1) // 2, : (width + 1) // 2]
        values = activate(output[None], star[None])
        return Prediction(**{name: value[0].contiguous().numpy() for name, value in values.items()})


def _ramp(shape: Sequence[int]) -> Tensor:
    """Weights that fall towards a tile's edges, where the network sees least."""
    rising = [torch.arange(1, length + 1).float() for length in shape]
    sides = [torch.minimum(up, up.flip(0)).clamp(max=OVERLAP / 2) for up in rising]
    return sides[0][:, None] * sides[1]
