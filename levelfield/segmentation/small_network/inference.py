"""From images to predictions: tiles of any image, one scale per plate, the same on every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.fusion import fuse_conv_bn_eval

from levelfield.images.normalisation import normalise
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.networks.unet import UNet, activate, load_network
from levelfield.segmentation.small_network.diameters import diameters_at_best_scale
from levelfield.segmentation.small_network.prediction import Prediction, split_affinities
from levelfield.segmentation.small_network.tiles import Canvas, Grid, Tile, rescale, tiles

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
    """Read weights and make them ready on a device; see `segmentation.devices.choose_device`.

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
    scaled = [normalise(rescale(image, scale)) for image in images]
    waiting: dict[tuple[int, int], list[tuple[int, Tile]]] = {}
    canvases = [Canvas(image.shape, OVERLAP, (Grid(1), Grid(2))) for image in scaled]
    for number, image in enumerate(scaled):
        for tile in tiles(image.shape, TILE, OVERLAP):
            waiting.setdefault(tile.shape, []).append((number, tile))
    for entries in waiting.values():
        for first in range(0, len(entries), batch):
            chosen = entries[first : first + batch]
            cut = [tile.cut(scaled[number]) for number, tile in chosen]
            cut += [np.zeros_like(cut[0])] * (batch - len(cut))
            outputs = _run(model, np.stack(cut))
            for (number, tile), output, star in zip(chosen, *outputs, strict=False):
                canvases[number].add(tile, (output, star))
    for canvas in canvases:
        yield _prediction(canvas)


def _run(model: NetworkModel, cut: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    batch = torch.from_numpy(cut)[:, None].to(model.device, memory_format=torch.channels_last)
    half = model.device.type == "cuda"
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=half):
        output, star = model.network(batch)
    return output.float().cpu().numpy(), star.float().cpu().numpy()


def _prediction(canvas: Canvas) -> Prediction:
    output, star = (torch.from_numpy(values) for values in canvas.blend())
    values = activate(output[None], star[None])
    maps = {name: value[0].contiguous().numpy() for name, value in values.items()}
    near, far = split_affinities(maps.pop("affinities"))
    return Prediction(**maps, affinities=near, far_affinities=far)
