"""Cellpose for many images: the masks of `CellposeModel.eval`, at the GPU's speed.

`eval` goes through a list image by image: normalise, cut tiles, run them in batches that are
rarely full, find the objects, and only then look at the next one. Here the tiles of many images
fill every batch, the objects of many images are found at once, and both go on while the next
images are prepared.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from levelfield.arrays import AnyArray, Image
from levelfield.segmentation.devices import Device
from levelfield.segmentation.elsewhere import map_elsewhere
from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.networks.cellpose.dynamics import find_objects
from levelfield.segmentation.networks.cellpose.finishing import finish
from levelfield.segmentation.networks.cellpose.network import (
    MOST_CHANNELS,
    CellposeNetwork,
    compile_network,
    load_network,
)
from levelfield.segmentation.networks.cellpose.normalisation import normalise, resize
from levelfield.segmentation.networks.cellpose.pooling import predict_all
from levelfield.segmentation.networks.cellpose.streams import Mark, Stream, ahead, share, stream_of
from levelfield.segmentation.networks.cellpose.tiles import Canvas
from levelfield.segmentation.networks.memory import Portion, fitting
from levelfield.segmentation.result import Segmentation

log = logging.getLogger("levelfield")

# By kind of device: tiles in a batch, images whose objects are found together, and images that are
# worth giving to `segment` together. A CPU is as fast with one, and need not fill up any batch.
_BYTES_PER_TILE = 60_000_000  # in float32; in bfloat16 half of it (benchmarks/results/gpu_h200.csv)
_AT_ONCE = {"tiles": {"cuda": 32, "mps": 8, "cpu": 1}, "images": {"cuda": 16, "mps": 1, "cpu": 1}}


@dataclass(frozen=True)
class _Group:
    """Outputs (3, Y, X) of images of one size (Y, X), and when they are there."""

    outputs: list[Tensor]
    shape: tuple[int, int]
    ready: Mark


class CellposeModel:
    """A Cellpose network that was loaded once and segments image after image.

    Attributes
    ----------
    device_name : str
        For tables.
    seconds_to_compile : float
        By what compiling networks has delayed the first image.
    """

    def __init__(self, path: Path, device: Device) -> None:
        self.path, self.device, self.device_name = path, device.torch, device.name
        self.seconds_to_compile = 0.0
        self._lock = Lock()  # several threads may use one model
        self._networks = {"auto": load_network(path, self.device)}
        self._portions: dict[tuple[str, int], Portion] = {}
        self._compiled: dict[tuple[object, ...], CellposeNetwork] = {}

    def network(self, options: CellposeOptions) -> CellposeNetwork:
        """Return the network in the precision that is asked for; each is loaded once."""
        precision = options.precision
        with self._lock:
            if precision not in self._networks:
                self._networks[precision] = load_network(self.path, self.device, precision)
        return self._networks[precision]

    def segment(
        self, images: Sequence[Image], options: CellposeOptions | None = None
    ) -> list[Segmentation]:
        """Segment some images; see `stream`."""
        return list(self.stream(images, options))

    def stream(
        self, images: Iterable[Image], options: CellposeOptions | None = None
    ) -> Iterator[Segmentation]:
        """Segment any number of images, of which only some are in memory at a time.

        Parameters
        ----------
        images : iterable of (C, Y, X) float32
            Intensities 0-1, one to three channels; Cellpose 4 takes them in any
            order. Each is asked for when the work on those before it has gone far enough.

        Yields
        ------
        Segmentation
            One per image, in order, with how many objects were removed by size or at the border.

        Raises
        ------
        ValueError
            If a parameter or an image cannot be used.
        """
        yield from self._segmentations(images, options or CellposeOptions())

    def outputs(self, images: Iterable[Image], options: CellposeOptions) -> Iterator[Image]:
        """Yield what the network says of each image: (3, Y, X) float32, see `CellposeNetwork`."""
        canvases = self._canvases(images, options, depth=0)
        for outputs in self._predict(canvases, options):
            yield outputs.cpu().numpy()

    def _segmentations(
        self, images: Iterable[Image], options: CellposeOptions
    ) -> Iterator[Segmentation]:
        threads = 1 if self.device.type == "cuda" else 0
        shapes: list[tuple[int, int]] = []

        def noting(images: Iterable[Image]) -> Iterator[Image]:
            for image in images:
                shapes.append(image.shape[1:])
                yield image

        canvases = self._canvases(noting(images), options, depth=2 * threads)
        portion = self._portion("images", options.images_at_once)
        groups = self._groups(self._predict(canvases, options), shapes, portion.size)
        stream = stream_of(self.device, "objects")

        find = partial(_objects, options=options, stream=stream, portion=portion)
        yield from chain.from_iterable(ahead(find, groups, depth=threads))

    def _predict(self, canvases: Iterator[Canvas], options: CellposeOptions) -> Iterator[Tensor]:
        """Yield what the network says of each image, on the device."""
        portion = self._portion("tiles", options.tiles_at_once)
        first = next(canvases, None)
        if first is None:
            return
        network = self.network(options)
        if options.compile:
            network = self._compile(network, first.tile(0), options, portion.size)
        yield from predict_all(network, chain([first], canvases), portion)

    def _portion(self, what: str, wanted: int | None) -> Portion:
        """Return how many to compute at once, as earlier calls have found it possible."""
        number = wanted or _AT_ONCE[what][self.device.type]
        if (what, number) not in self._portions:
            size = number
            if what == "tiles" and not wanted and self.device.type == "cuda":
                size = fitting(self.device, _BYTES_PER_TILE, number)
            self._portions.setdefault((what, number), Portion(size, what))
        return self._portions[what, number]

    def _compile(
        self, network: CellposeNetwork, tile: Tensor, options: CellposeOptions, number: int
    ) -> CellposeNetwork:
        """Return the network compiled for batches of a number of tiles; each is compiled once."""
        key = (options.precision, number, *tile.shape)
        with self._lock:
            if key not in self._compiled:
                ready, seconds = compile_network(network, torch.stack([tile] * number))
                self._compiled[key] = ready
                self.seconds_to_compile += seconds
        return self._compiled[key]

    def _canvases(
        self, images: Iterable[Image], options: CellposeOptions, depth: int
    ) -> Iterator[Canvas]:
        """Prepare images for the network."""
        stream, side = stream_of(self.device, "images"), self._side(options)

        @torch.inference_mode()
        def prepare(image: Image) -> Canvas:
            _check(image)
            with stream:
                pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
                scaled = normalise(pixels, options)
                height, width = (int(length * options.scale) for length in image.shape[1:])
                if min(height, width) < 1:
                    raise ValueError(
                        f"with a diameter of {options.diameter:g} px nothing is left of an image "
                        f"of {image.shape[1:]} px"
                    )
                resized = resize(scaled, (height, width))
                canvas = Canvas(resized, side, options.tile_overlap, augment=options.augment)
            stream.finish()
            return canvas

        for canvas in ahead(prepare, images, depth):
            share(canvas.image)
            share(canvas.sums)
            yield canvas

    def _side(self, options: CellposeOptions) -> int:
        network = self.network(options)
        usual = network.tile_side
        if network.kind == "sam" and options.tile_side not in (None, usual):
            raise ValueError(
                f"tile_side is {options.tile_side}; networks of Cellpose-SAM work with tiles of "
                f"{usual} px only. Leave the parameter out."
            )
        return options.tile_side or usual

    def _groups(
        self, outputs: Iterable[Tensor], shapes: list[tuple[int, int]], size: int
    ) -> Iterator[_Group]:
        """Gather the outputs of images of one size."""
        group: list[Tensor] = []
        shape = (0, 0)
        for output in outputs:
            of_next = shapes.pop(0)
            if group and (len(group) >= size or of_next != shape):
                yield _Group(group, shape, Mark(self.device))
                group = []
            group.append(output)
            shape = of_next
        if group:
            yield _Group(group, shape, Mark(self.device))


@torch.inference_mode()
def _objects(
    group: _Group, options: CellposeOptions, stream: Stream, portion: Portion
) -> list[Segmentation]:
    """Find the objects of a group of images."""
    group.ready.wait()
    with stream:
        outputs = [share(output) for output in group.outputs]
        found = portion.run(lambda some, _: _labels(some, group.shape, options), outputs)
    facts = options.minimum_area, options.limits
    return map_elsewhere(finish, [(labels.astype(np.int32), *facts) for labels in found])


def _labels(
    outputs: Sequence[Tensor], shape: tuple[int, int], options: CellposeOptions
) -> list[AnyArray]:
    """Find the objects of images of one size (Y, X)."""
    stacked = torch.stack(list(outputs))
    if options.resample:
        stacked = torch.stack([resize(output, shape) for output in stacked])
    if stacked.device.type == "mps":  # which has no float64
        stacked = stacked.cpu()
    labels = find_objects(stacked, options).cpu()
    if labels.shape[1:] != shape:
        labels = functional.interpolate(labels[:, None].double(), shape)[:, 0].long()
    return list(labels.numpy())


def _check(image: Image) -> None:
    if image.ndim != 3 or not 1 <= len(image) <= MOST_CHANNELS:
        raise ValueError(
            f"method cellpose takes images of 1 to {MOST_CHANNELS} channels, (channel, y, x), but "
            f"was given one of shape {image.shape}; name the channels under 'channels'"
        )
