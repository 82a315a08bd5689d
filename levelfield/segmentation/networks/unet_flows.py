"""The small network with its flows followed on the device.

What is copied back is what the decoder `flow` still needs: the probability of foreground in half
precision, and for each pixel of the foreground where it ends. Nothing else leaves the GPU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from levelfield.arrays import Image
from levelfield.images.normalisation import normalise
from levelfield.segmentation.decoders.flow import SETTLED, STEPS
from levelfield.segmentation.device_clock import DEVICE_CLOCK
from levelfield.segmentation.networks.memory import Portion, fitting
from levelfield.segmentation.networks.unet_runtime import TorchNetwork
from levelfield.segmentation.small_network.inference import NetworkModel, scale_for
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.small_network.tiles import Tile, rescale, tile_weights, tiles

GROUPS = ("foreground", "flow")
_LOOK_EVERY = 8  # steps; to ask which pixels still move makes the CPU wait for the GPU
_BYTES_PER_PIXEL = 700  # of a tile, with what the network keeps at once
_NOTHING = np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class FollowingModel(NetworkModel):
    """A network on a GPU that also follows its flows; several threads may use it."""

    runtime: TorchNetwork
    _portions: dict[tuple[int, int], Portion] = field(default_factory=dict)

    def predict_followed(
        self, images: Sequence[Image], diameter: float | None, threshold: float
    ) -> list[Prediction]:
        """Predict images (Y, X) of one plate, and where the pixels of their foreground end.

        Parameters are those of `NetworkModel.predict`; foreground is what exceeds the threshold.
        """
        scale = scale_for(diameter)
        scaled = [normalise(rescale(image, scale)) for image in images]
        with DEVICE_CLOCK:
            return [_prediction(outputs, threshold) for outputs in self._outputs(scaled)]

    def _outputs(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Yield the raw outputs (3, Y, X) of each image: `GROUPS`, on the device."""
        waiting: dict[tuple[int, int], list[tuple[int, Tile]]] = {}
        canvases = [_Canvas(image.shape, self.runtime) for image in images]
        for number, image in enumerate(images):
            for tile in tiles(image.shape, self.runtime.tile, self.runtime.overlap):
                waiting.setdefault(tile.shape, []).append((number, tile))
        for shape, entries in waiting.items():

            def compute(some: Sequence[tuple[int, Tile]], size: int) -> list[Tensor]:
                cut = [tile.cut(images[number]) for number, tile in some]
                # Filled up with blank tiles: what comes out for a tile is then always the same.
                cut += [np.zeros_like(cut[0])] * (size - len(cut))
                found = self.runtime.run(np.stack(cut), GROUPS)
                together = torch.cat([found[name] for name in GROUPS], 1)
                return list(together[: len(some)])

            for (number, tile), outputs in zip(
                entries, self._portion(shape).run(compute, entries), strict=True
            ):
                canvases[number].add(tile, outputs)
        while canvases:
            yield canvases.pop(0).blend()

    def _portion(self, shape: tuple[int, int]) -> Portion:
        if shape not in self._portions:
            each = _BYTES_PER_PIXEL * shape[0] * shape[1]
            size = fitting(self.runtime.device, each, self.runtime.batch)
            self._portions.setdefault(shape, Portion(size, "tiles"))
        return self._portions[shape]


class _Canvas:
    """One image's outputs on the device, blended as `small_network.tiles.Canvas` blends them."""

    def __init__(self, shape: Sequence[int], runtime: TorchNetwork) -> None:
        self.shape, self._runtime = tuple(shape), runtime
        self._whole: Tensor | None = None
        self._sums: Tensor | None = None
        self._weights: Tensor | None = None

    @torch.inference_mode()
    def add(self, tile: Tile, outputs: Tensor) -> None:
        height, width = self.shape
        if tile.shape[0] >= height and tile.shape[1] >= width:
            self._whole = outputs[:, :height, :width]
            return
        if self._sums is None or self._weights is None:
            self._sums = outputs.new_zeros((len(outputs), height, width))
            self._weights = outputs.new_zeros((height, width))
        ramp = torch.from_numpy(tile_weights(tile.shape, self._runtime.overlap))
        bottom, right = tile.top + tile.shape[0], tile.left + tile.shape[1]
        part = self._sums[:, tile.top : bottom, tile.left : right]
        inside = slice(part.shape[1]), slice(part.shape[2])
        weight = ramp[inside].to(outputs.device)
        part += outputs[:, inside[0], inside[1]] * weight
        self._weights[tile.top : bottom, tile.left : right] += weight

    @torch.inference_mode()
    def blend(self) -> Tensor:
        if self._whole is not None:
            return self._whole
        assert self._sums is not None and self._weights is not None
        return self._sums / self._weights.clamp(min=1e-9)


@torch.inference_mode()
def _prediction(outputs: Tensor, threshold: float) -> Prediction:
    """Turn raw outputs (3, Y, X) on the device into what the decoder needs on the CPU."""
    foreground = outputs[0].sigmoid().half()
    # The CPU compares the same rounded numbers, and so finds the same pixels.
    ends = follow(outputs[1:], foreground.float() > threshold)
    return Prediction(
        foreground=foreground.cpu().numpy().astype(np.float32),
        classes=_NOTHING,
        distance=_NOTHING,
        flow=_NOTHING,
        affinities=_NOTHING,
        far_affinities=[],
        ends=ends.to(torch.int32).cpu().numpy(),
    )


@torch.inference_mode()
def follow(flow: Tensor, mask: Tensor) -> Tensor:
    """Let every pixel of a mask (Y, X) follow the flow (2, Y, X); return where each ends.

    The same steps in the same arithmetic as on the CPU (`decoders.flow`), all pixels at a time, so
    that of the same flow the same ends come: (n,) int64, flat indices, in raster order.
    """
    height, width = mask.shape
    arrows = torch.where(mask, flow, 0).double().flatten(1)
    rows, columns = mask.nonzero(as_tuple=True)
    place = torch.stack([rows, columns]).double()  # of the pixels that still move
    last = torch.full_like(place, -1.0)
    moving = torch.arange(len(rows), device=mask.device)
    settled = torch.zeros(len(rows), dtype=torch.bool, device=mask.device)
    ends = place.clone()
    for step in range(STEPS):
        if step % _LOOK_EVERY == 0:
            ends[:, moving] = place
            left = (~settled).nonzero()[:, 0]
            moving, place, last = moving[left], place[:, left], last[:, left]
            settled = settled[left]
            if not len(moving):
                break
        moved = _moved(arrows, place, height, width)
        # Around a sharp centre, whole steps go to and fro for ever: the middle is the end.
        returns = (moved - last).square().sum(0) < SETTLED**2
        still = (moved - place).square().sum(0) < SETTLED**2
        following = torch.where(returns, (place + moved) / 2, torch.where(still, place, moved))
        last = torch.where(settled, last, place)
        place = torch.where(settled, place, following)
        settled = settled | returns | still
    ends[:, moving] = place
    nearest = (ends + 0.5).long()
    return nearest[0] * width + nearest[1]


def _moved(arrows: Tensor, place: Tensor, height: int, width: int) -> Tensor:
    """Return where pixels are one step on: by the flow between the four pixels around each."""
    top, left = place.long()
    bottom, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    down, across = place[0] - top, place[1] - left
    near = (1 - down) * (1 - across)
    beside, below, opposite = (1 - down) * across, down * (1 - across), down * across
    # Sums from left to right, as the CPU has them: another order would round differently.
    step = (
        near * arrows[:, top * width + left]
        + beside * arrows[:, top * width + right]
        + below * arrows[:, bottom * width + left]
        + opposite * arrows[:, bottom * width + right]
    )
    largest = place.new_tensor([[height - 1.0], [width - 1.0]])
    return torch.minimum((place + step).clamp(min=0.0), largest)
