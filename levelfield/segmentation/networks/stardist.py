"""StarDist's own network in torch, with the weights that StarDist wrote, without TensorFlow.

The architecture is that of `stardist.models.StarDist2D` 0.9 with the backbone ``unet``: pooling to
the grid, a U-Net, one layer of features, and a layer each for object probability and distances.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from levelfield.segmentation.devices import choose_device

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "elu": functional.elu,
    "linear": lambda values: values,
}
WEIGHTS_FILES = ("weights_best.h5", "weights_last.h5")
Image = NDArray[np.float32]
Weights = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
DEFAULT_THRESHOLDS = {"prob": 0.5, "nms": 0.4}  # StarDist's, where a model has no thresholds.json


@dataclass(frozen=True)
class StarDistConfig:
    """What of a model's ``config.json`` decides its network.

    Attributes
    ----------
    n_channels, n_rays : int
        Channels of the image, rays of a polygon.
    grid : tuple of int
        One prediction per so many pixels (y, x).
    depth, n_filters, n_convolutions : int
        Levels of the U-Net, filters of the first, convolutions per level.
    kernel : tuple of int
        Size of the convolutions.
    activation, last_activation : str
        Of all convolutions, and of the U-Net's last.
    n_features : int
        Filters between the U-Net and the outputs; 0: none.
    """

    n_channels: int
    n_rays: int
    grid: tuple[int, int]
    depth: int
    n_filters: int
    n_convolutions: int
    kernel: tuple[int, int]
    activation: str
    last_activation: str
    n_features: int

    @property
    def multiple(self) -> tuple[int, int]:
        """The sides of what the network is given must be multiples of these (px)."""
        return tuple(step * 2**self.depth for step in self.grid)


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
    return StarDistConfig(
        n_channels=written["n_channel_in"],
        n_rays=written["n_rays"],
        grid=tuple(written["grid"]),
        depth=written["unet_n_depth"],
        n_filters=written["unet_n_filter_base"],
        n_convolutions=written["unet_n_conv_per_depth"],
        kernel=tuple(written["unet_kernel_size"]),
        activation=_known_activation(written["unet_activation"]),
        last_activation=_known_activation(written["unet_last_activation"]),
        n_features=written["net_conv_after_unet"],
    )


def _known_activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(
            f"this StarDist model's activation is {name!r}; only models with one of "
            f"{', '.join(ACTIVATIONS)} are run here"
        )
    return name


class StarDistNetwork(nn.Module):
    """The network; `forward` returns probabilities (N, Y, X) and distances (N, n_rays, Y, X).

    Its modules are named as StarDist names its layers.
    """

    def __init__(self, config: StarDistConfig) -> None:
        super().__init__()
        self.config = config
        self.pools: list[tuple[int, int]] = []
        self.layers = nn.ModuleDict()
        channels = self._add_pooling(config.n_channels)
        channels = self._add_unet(channels)
        if config.n_features:
            channels = self._add("features", channels, config.n_features)
        self.layers["prob"] = nn.Conv2d(channels, 1, 1)
        self.layers["dist"] = nn.Conv2d(channels, config.n_rays, 1)

    def _add(self, name: str, n_in: int, n_out: int) -> int:
        self.layers[name] = nn.Conv2d(n_in, n_out, self.config.kernel, padding="same")
        return n_out

    def _add_pooling(self, channels: int) -> int:
        reached = np.array([1, 1])
        while tuple(reached) != self.config.grid:
            step = 1 + (np.array(self.config.grid) > reached)
            reached *= step
            for number in range(self.config.n_convolutions):
                name = f"pool_{len(self.pools)}_no_{number}"
                channels = self._add(name, channels, self.config.n_filters)
            self.pools.append((int(step[0]), int(step[1])))
        return channels

    def _add_unet(self, channels: int) -> int:
        config, last = self.config, self.config.n_convolutions
        for level in range(config.depth):
            for number in range(last):
                name = f"down_level_{level}_no_{number}"
                channels = self._add(name, channels, config.n_filters * 2**level)
        for number in range(last - 1):
            channels = self._add(f"middle_{number}", channels, config.n_filters * 2**config.depth)
        wide = config.n_filters * 2 ** max(0, config.depth - 1)
        channels = self._add(f"middle_{last}", channels, wide)
        for level in reversed(range(config.depth)):
            channels += config.n_filters * 2**level
            for number in range(last - 1):
                name = f"up_level_{level}_no_{number}"
                channels = self._add(name, channels, config.n_filters * 2**level)
            wide = config.n_filters * 2 ** max(0, level - 1)
            channels = self._add(f"up_level_{level}_no_{last}", channels, wide)
        return channels

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """See the class; `image` is (N, C, Y, X), its sides `StarDistConfig.multiple`."""
        layers, last = self.layers, self.config.n_convolutions
        activate = ACTIVATIONS[self.config.activation]
        values, skipped = image, []
        for number, pool in enumerate(self.pools):
            for convolution in range(last):
                values = activate(layers[f"pool_{number}_no_{convolution}"](values))
            values = functional.max_pool2d(values, pool)
        for level in range(self.config.depth):
            for number in range(last):
                values = activate(layers[f"down_level_{level}_no_{number}"](values))
            skipped.append(values)
            values = functional.max_pool2d(values, 2)
        for number in (*range(last - 1), last):
            values = activate(layers[f"middle_{number}"](values))
        for level in reversed(range(self.config.depth)):
            larger = functional.interpolate(values, scale_factor=2, mode="nearest")
            values = torch.cat([larger, skipped.pop()], 1)
            for number in range(last - 1):
                values = activate(layers[f"up_level_{level}_no_{number}"](values))
            finish = activate if level else ACTIVATIONS[self.config.last_activation]
            values = finish(layers[f"up_level_{level}_no_{last}"](values))
        if self.config.n_features:
            values = activate(layers["features"](values))
        return layers["prob"](values)[:, 0].sigmoid(), layers["dist"](values)


@dataclass(frozen=True)
class StarDistModel:
    """A model that is ready to predict.

    Attributes
    ----------
    network : StarDistNetwork
        With its weights.
    thresholds : dict of str to float
        ``prob`` and ``nms``, which StarDist found best on the images that the model learned from.
    device : torch.device
        Where it computes.
    device_name : str
        For tables.
    """

    network: StarDistNetwork
    thresholds: Mapping[str, float]
    device: torch.device
    device_name: str
    fields_at_once: int = 1

    @property
    def n_channels(self) -> int:
        """Channels of the images that it was made for."""
        return self.network.config.n_channels

    @property
    def grid(self) -> tuple[int, int]:
        """One prediction per so many pixels (y, x)."""
        return self.network.config.grid

    def predict(self, image: Image) -> tuple[Image, Image]:
        """Return probabilities (y, x) and distances (n_rays, y, x), one per step of the grid.

        `image` is (C, Y, X), scaled as the model's training images were.
        """
        config, shape = self.network.config, image.shape[1:]
        missing = [
            (0, -length % multiple) for length, multiple in zip(shape, config.multiple, strict=True)
        ]
        padded = np.pad(image, [(0, 0), *missing], mode="reflect")
        with torch.inference_mode():
            batch = torch.from_numpy(padded)[None].to(self.device)
            likely, distances = self.network(batch)
        rows, columns = (
            -(-length // step) for length, step in zip(shape, config.grid, strict=True)
        )
        part = (0, ..., slice(rows), slice(columns))
        return likely[part].cpu().numpy(), distances[part].cpu().numpy()


def load_stardist(path: Path, rule: str = "cpu") -> StarDistModel:
    """Read a model that StarDist wrote, from a folder or a zip archive of it.

    Parameters
    ----------
    path
        With ``config.json``, ``thresholds.json`` and ``weights_best.h5``.
    rule
        For the device, see `levelfield.segmentation.devices.choose_device`.

    Raises
    ------
    ValueError
        If there is no model, one of a kind that is not run here, or weights of another network.
    """
    files = read_files(path)
    network = StarDistNetwork(read_config(files["config.json"]))
    name = next(name for name in WEIGHTS_FILES if name in files)
    stored = read_weights(files[name], f"{path}: {name}")
    _check_layers(stored, network, f"{path}: {name}")
    for layer, (kernel, bias) in zip(network.layers.values(), stored, strict=True):
        layer.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.from_numpy(bias)
    own = json.loads(files.get("thresholds.json", b"{}"))
    device = choose_device(rule)
    return StarDistModel(
        network.eval().to(device.torch), DEFAULT_THRESHOLDS | own, device.torch, device.name
    )


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


def _kernel_and_bias(group: h5py.Group) -> tuple[NDArray[Any], NDArray[Any]] | None:
    arrays: list[NDArray[np.float32]] = []
    group.visititems(
        lambda _, item: arrays.append(item[...]) if isinstance(item, h5py.Dataset) else None
    )
    if len(arrays) != 2:
        return None
    kernel, bias = sorted(arrays, key=lambda array: -array.ndim)
    return np.asarray(kernel, np.float32), np.asarray(bias, np.float32)


def _check_layers(stored: Weights, network: StarDistNetwork, where: str) -> None:
    expected = [tuple(layer.get_parameter("weight").shape) for layer in network.layers.values()]
    found = [tuple(np.array(kernel.shape)[[3, 2, 0, 1]].tolist()) for kernel, _ in stored]
    if found != expected:
        raise ValueError(
            f"{where} holds {len(found)} convolutions that are not the {len(expected)} of the "
            "network in config.json; the two files belong to different models"
        )


def _number(name: str) -> int:
    return int(name.rpartition("_")[2]) if name[-1].isdigit() and "_" in name else 0


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
