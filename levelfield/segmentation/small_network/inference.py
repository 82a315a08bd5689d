"""From images to predictions: tiles of any image, one scale per plate, the same on every run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from levelfield.arrays import Floats, Image
from levelfield.images.normalisation import normalise
from levelfield.segmentation.decoders import READS
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.small_network.diameters import diameters_at_best_scale
from levelfield.segmentation.small_network.onnx_runtime import load_onnx
from levelfield.segmentation.small_network.prediction import (
    GROUPS,
    Prediction,
    RawOutputs,
    grids_of,
    parts_of_tile,
    prediction_of,
)
from levelfield.segmentation.small_network.tiles import Canvas, Tile, rescale, tiles

# Objects of these diameters (px) need no scaling; others are scaled to the nearer end.
DIAMETERS = (15.0, 50.0)


class Runtime(Protocol):
    """The network, ready to run on a device.

    Attributes
    ----------
    tile : int
        Largest side of a tile, px.
    overlap : int
        Tiles share so many px, more than an object is wide.
    batch : int
        Tiles computed at once.
    """

    @property
    def tile(self) -> int: ...  # noqa: D102

    @property
    def overlap(self) -> int: ...  # noqa: D102

    @property
    def batch(self) -> int: ...  # noqa: D102

    def __call__(self, images: Image, groups: Sequence[str]) -> RawOutputs:
        """Return raw outputs of normalised tiles (N, Y, X): some of `GROUPS`, in this order."""
        ...

    def rest(self) -> None:
        """Give back the memory that tiles needed."""


@dataclass(frozen=True)
class NetworkModel:
    """A network that is ready to predict, its device's name for tables, and its file's facts."""

    runtime: Runtime
    device_name: str
    facts: dict[str, str]

    def predict(
        self,
        images: Sequence[Image],
        diameter: float | None = None,
        groups: Sequence[str] = tuple(GROUPS),
    ) -> list[Prediction]:
        """Predict images (Y, X) of one plate; see `predict_all`.

        `diameter` (px) is that of a typical object; None if it needs no scaling.
        """
        return list(predict_all(self.runtime, images, scale_for(diameter), groups))

    def measure_diameters(self, images: Sequence[Image]) -> Floats:
        """Return the equivalent diameters (px) of all objects that are found on images (Y, X)."""
        groups = ("foreground", *READS["flow"])
        look = partial(predict_all, self.runtime, images, groups=groups)
        return diameters_at_best_scale(look)


def load_model(path: Path, device: str = "cpu") -> NetworkModel:
    """Read weights and make them ready on a device; see `segmentation.devices.choose_device`.

    On a CPU by ONNX Runtime, elsewhere by torch.

    Raises
    ------
    ValueError
        If the file does not hold weights of this network, or the device is not there.
    """
    chosen = choose_device(device)
    if chosen.kind == "cpu":
        runtime, facts = load_onnx(path)
        return NetworkModel(runtime, chosen.name, facts)
    from levelfield.segmentation.networks.unet import load_network
    from levelfield.segmentation.networks.unet_runtime import prepare

    weights, facts = load_network(path)
    return NetworkModel(prepare(weights, chosen.torch), chosen.name, facts)


def scale_for(diameter: float | None) -> float:
    """Return by what images are scaled so that objects of a diameter (px) have a known size."""
    if diameter is None:
        return 1.0
    return float(np.clip(diameter, *DIAMETERS) / diameter)


def predict(model: NetworkModel, image: Image, scale: float = 1.0) -> Prediction:
    """Predict one image (Y, X); see `predict_all`."""
    return next(predict_all(model.runtime, [image], scale))


def predict_all(
    runtime: Runtime,
    images: Sequence[Image],
    scale: float = 1.0,
    groups: Sequence[str] = tuple(GROUPS),
) -> Iterator[Prediction]:
    """Predict many images, as many at a time as the runtime computes tiles at once.

    Parameters
    ----------
    runtime : Runtime
        What computes.
    images : sequence of (Y, X) float32
        On any intensity scale.
    scale : float
        Images are enlarged by this before; predictions are as large as the enlarged images.
    groups : sequence of str
        What to predict: some of `GROUPS`, ``foreground`` among them.
    """
    # More images fill the batches of several shapes better, and need more memory.
    together = len(images) if runtime.batch > 1 else 1
    for first in range(0, len(images), together):
        scaled = [normalise(rescale(each, scale)) for each in images[first : first + together]]
        canvases = _canvases(runtime, scaled, groups)
        runtime.rest()
        while canvases:  # each canvas is let go before the next is blended
            yield prediction_of(groups, canvases.pop(0).blend())


def _canvases(runtime: Runtime, images: Sequence[Image], groups: Sequence[str]) -> list[Canvas]:
    """Compute the tiles of all images in batches of one shape.

    The last batch is filled up with blank tiles, so that every tile is computed in a batch of the
    same shape and its numbers do not depend on what it was computed with.
    """
    waiting: dict[tuple[int, int], list[tuple[int, Tile]]] = {}
    canvases = [Canvas(image.shape, runtime.overlap, grids_of(groups)) for image in images]
    for number, image in enumerate(images):
        for tile in tiles(image.shape, runtime.tile, runtime.overlap):
            waiting.setdefault(tile.shape, []).append((number, tile))
    for entries in waiting.values():
        for first in range(0, len(entries), runtime.batch):
            chosen = entries[first : first + runtime.batch]
            cut = [tile.cut(images[number]) for number, tile in chosen]
            cut += [np.zeros_like(cut[0])] * (runtime.batch - len(cut))
            raw = runtime(np.stack(cut), groups)
            for place, (number, tile) in enumerate(chosen):
                canvases[number].add(tile, parts_of_tile(raw, place))
    return canvases
