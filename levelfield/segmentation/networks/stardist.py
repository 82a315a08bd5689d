"""StarDist's own network in torch, with the weights that StarDist wrote, without TensorFlow.

The architecture is that of `stardist.models.StarDist2D` 0.9 with the backbone ``unet``: pooling to
the grid, a U-Net, one layer of features, and a layer each for object probability and distances.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path, PurePosixPath

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from levelfield.arrays import Image
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.networks.batches import Batches, exact
from levelfield.segmentation.networks.unet import down_and_up

ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU, "linear": nn.Identity}
WEIGHTS_FILES = ("weights_best.h5", "weights_last.h5")
Weights = list[tuple[Image, Image]]
Prediction = tuple[Image, Image]
"""Probabilities (y, x) and distances (n_rays, y, x), one per step of the grid."""
_BYTES_PER_PIXEL = 1500  # of an image, with what a network of 32 filters keeps at once
DEFAULT_THRESHOLDS = {"prob": 0.5, "nms": 0.4}  # StarDist's, where a model has no thresholds.json


@dataclass(frozen=True)
class StarDistConfig:
    """What of a model's ``config.json`` decides its network, by StarDist's names."""

    n_channel_in: int
    n_rays: int
    grid: tuple[int, int]
    unet_n_depth: int
    unet_n_filter_base: int
    unet_n_conv_per_depth: int
    unet_kernel_size: tuple[int, int]
    unet_activation: str
    unet_last_activation: str
    net_conv_after_unet: int


def read_files(path: Path) -> dict[str, bytes]:
    """Read the files of a model, by name, from a folder or a zip archive.

    Raises
    ------
    ValueError
        If there is no StarDist model.
    """
    wanted = ("config.json", "thresholds.json", *WEIGHTS_FILES)
    if path.is_dir():
        found = {name: (path / name).read_bytes() for name in wanted if (path / name).exists()}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = {PurePosixPath(name).name: name for name in archive.namelist()}
            found = {name: archive.read(names[name]) for name in wanted if name in names}
    else:
        found = {}
    if "config.json" not in found or not any(name in found for name in WEIGHTS_FILES):
        raise ValueError(
            f"{path} is no StarDist model. Name a zip archive of the folder that StarDist wrote, "
            "with config.json, thresholds.json and weights_best.h5"
        )
    return found


def read_config(content: bytes) -> StarDistConfig:
    """Read a model's ``config.json``.

    Raises
    ------
    ValueError
        If the model is of a kind that is not run here.
    """
    written = json.loads(content)
    expected = {"n_dim": 2, "backbone": "unet", "unet_batch_norm": False, "unet_pool": [2, 2]}
    expected |= {"unet_expansion": 2}
    for key, value in expected.items():
        if written.get(key, value) != value:
            raise ValueError(
                f"this StarDist model's {key} is {written[key]!r}; only models with {value!r} are "
                "run here. Run it with StarDist itself, and enter its label images with the method "
                "'labels'"
            )
    for key in ("unet_activation", "unet_last_activation"):
        if written[key] not in ACTIVATIONS:
            raise ValueError(
                f"this StarDist model's activation is {written[key]!r}; only models with one of "
                f"{', '.join(ACTIVATIONS)} are run here"
            )
    wanted = {field.name: written[field.name] for field in fields(StarDistConfig)}
    pairs = {name: tuple(wanted[name]) for name in ("grid", "unet_kernel_size")}
    return StarDistConfig(**wanted | pairs)


class StarDistNetwork(nn.Module):
    """The network; its layers come in the order in which StarDist stores them."""

    def __init__(self, config: StarDistConfig) -> None:
        super().__init__()
        self.config = config

        def filters(level: int) -> int:
            return config.unet_n_filter_base * 2 ** max(0, level)

        depth, repeats = config.unet_n_depth, config.unet_n_conv_per_depth
        channels, reached = config.n_channel_in, np.array([1, 1])
        self.pool, self.down = nn.Sequential(), nn.ModuleList()
        while tuple(reached) != config.grid:
            step = 1 + (np.array(config.grid) > reached)
            reached *= step
            self.pool.append(self._convolutions(channels, [filters(0)] * repeats))
            self.pool.append(nn.MaxPool2d(tuple(step.tolist())))
            channels = filters(0)
        for level in range(depth):
            self.down.append(self._convolutions(channels, [filters(level)] * repeats))
            channels = filters(level)
        widths = [filters(depth)] * (repeats - 1) + [filters(depth - 1)]
        self.middle = self._convolutions(channels, widths)
        self.up = nn.ModuleList()
        for level in reversed(range(depth)):
            channels = widths[-1] + filters(level)
            widths = [filters(level)] * (repeats - 1) + [filters(level - 1)]
            last = config.unet_activation if level else config.unet_last_activation
            self.up.append(self._convolutions(channels, widths, last))
        features = [config.net_conv_after_unet] if config.net_conv_after_unet else []
        self.features = self._convolutions(widths[-1], features)
        channels = [*widths, *features][-1]
        self.prob = nn.Conv2d(channels, 1, 1)
        self.dist = nn.Conv2d(channels, config.n_rays, 1)

    def _convolutions(
        self, channels: int, widths: Sequence[int], last: str | None = None
    ) -> nn.Sequential:
        """Return convolutions and their activations; that of the last may be another one."""
        layers = nn.Sequential()
        for width in widths:
            layers.append(nn.Conv2d(channels, width, self.config.unet_kernel_size, padding="same"))
            layers.append(ACTIVATIONS[self.config.unet_activation]())
            channels = width
        if last:
            layers[-1] = ACTIVATIONS[last]()
        return layers

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (N, Y, X) and distances (N, n_rays, Y, X).

        `image` is (N, C, Y, X); its sides are multiples of the grid times ``2**unet_n_depth``.
        """
        values = self.features(down_and_up(self.pool(image), self.down, self.middle, self.up))
        return self.prob(values)[:, 0].sigmoid(), self.dist(values)


@dataclass(frozen=True)
class StarDistModel:
    """A model that is ready to predict; several threads may use it.

    Its thresholds ``prob`` and ``nms`` are those that StarDist found best on the images that the
    model learned from.
    """

    network: StarDistNetwork
    thresholds: Mapping[str, float]
    device_name: str
    batches: Batches[Prediction]

    @property
    def n_channels(self) -> int:
        """Channels of the images that it was made for."""
        return self.network.config.n_channel_in

    @property
    def grid(self) -> tuple[int, int]:
        """One prediction per so many pixels (y, x)."""
        return self.network.config.grid

    def predict(self, image: Image) -> Prediction:
        """Predict one image; see `predict_all`."""
        return self.predict_all([image])[0]

    def predict_all(self, images: Sequence[Image]) -> list[Prediction]:
        """Return probabilities (y, x) and distances (n_rays, y, x), one per step of the grid.

        Images are (C, Y, X), scaled as the model's training images were.
        """
        found = self.batches([torch.from_numpy(self._padded(image)) for image in images])
        return [
            self._part(*parts, image.shape[1:]) for image, parts in zip(images, found, strict=True)
        ]

    def _padded(self, image: Image) -> Image:
        multiples = [step * 2**self.network.config.unet_n_depth for step in self.grid]
        sides = zip(image.shape[1:], multiples, strict=True)
        missing = [(0, -side % multiple) for side, multiple in sides]
        return np.pad(image, [(0, 0), *missing], mode="reflect")

    def _part(self, likely: Image, distances: Image, shape: tuple[int, ...]) -> Prediction:
        rows, columns = (-(-side // step) for side, step in zip(shape, self.grid, strict=True))
        part = (..., slice(rows), slice(columns))
        return likely[part], distances[part]


def _run(network: StarDistNetwork, batch: Tensor) -> list[Prediction]:
    likely, distances = (values.cpu().numpy() for values in network(batch))
    return list(zip(likely, distances, strict=True))


def load_stardist(path: Path, rule: str = "cpu") -> StarDistModel:
    """Read a model that StarDist wrote, from a folder or a zip archive of it.

    `rule` is that for the device, see `levelfield.segmentation.devices.choose_device`.

    Raises
    ------
    ValueError
        If there is no model, one of a kind that is not run here, or weights of another network.
    """
    files = read_files(path)
    network = StarDistNetwork(read_config(files["config.json"]))
    name = next(name for name in WEIGHTS_FILES if name in files)
    stored = read_weights(files[name], f"{path}: {name}")
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    kernels = [kernel.transpose(3, 2, 0, 1) for kernel, _ in stored]
    if [kernel.shape for kernel in kernels] != [tuple(layer.weight.shape) for layer in layers]:
        raise ValueError(
            f"{path}: {name} holds {len(kernels)} convolutions that are not the {len(layers)} of "
            "the network in config.json; the two files belong to different models"
        )
    for layer, kernel, (_, bias) in zip(layers, kernels, stored, strict=True):
        layer.weight.data = torch.from_numpy(kernel.copy())
        layer.bias = nn.Parameter(torch.from_numpy(bias))
    own = json.loads(files.get("thresholds.json", b"{}"))
    device = choose_device(rule)
    exact(network, device.torch)
    run = partial(_run, network)
    batches = Batches(run, device.torch, "images", _BYTES_PER_PIXEL)
    return StarDistModel(network, DEFAULT_THRESHOLDS | own, device.name, batches)


def read_weights(content: bytes, where: str) -> Weights:
    """Read the convolutions' kernels (y, x, in, out) and biases, in the order of the layers.

    Both of Keras' formats: that of Keras 2, in which StarDist writes its models, and of Keras 3.
    Layers of a model's object classes, which nothing here uses, are left out.
    """
    with h5py.File(io.BytesIO(content)) as file:
        if "layer_names" in file.attrs:
            names = [_text(name) for name in file.attrs["layer_names"]]
            groups = [file[name] for name in names if not name.endswith("_class")]
        elif "layers" in file:
            names = sorted((n for n in file["layers"] if n.startswith("conv2d")), key=_number)
            groups = [file["layers"][name] for name in names]
        else:
            raise ValueError(f"{where} holds no weights that Keras wrote")
        return [found for found in map(_kernel_and_bias, groups) if found is not None]


def _kernel_and_bias(group: h5py.Group) -> tuple[Image, Image] | None:
    arrays: list[Image] = []
    group.visititems(
        lambda _, item: arrays.append(item[...]) if isinstance(item, h5py.Dataset) else None
    )
    if len(arrays) != 2:
        return None
    kernel, bias = sorted(arrays, key=lambda array: -array.ndim)
    return np.asarray(kernel, np.float32), np.asarray(bias, np.float32)


def _number(name: str) -> int:
    return int(name.rpartition("_")[2]) if name[-1].isdigit() and "_" in name else 0


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
