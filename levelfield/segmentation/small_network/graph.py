"""The small network as a graph of ONNX operations, built of its weights without torch.

`levelfield.segmentation.networks.unet.UNet` is the same network for torch, which trains it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.segmentation.small_network.onnx_format import Attribute, Node, encode_model
from levelfield.segmentation.small_network.prediction import FULL, GROUPS

INPUT = "image"
_EPSILON = 1e-5  # of the batch normalisation, as torch has it
_LEVELS = 3

Weights = Mapping[str, AnyArray]


class Graph:
    """A growing graph; what its methods take and return are names of values.

    Weights have the names that torch gives them.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Node] = []
        self.constants: dict[str, AnyArray] = {}

    def add(self, operation: str, *inputs: str, out: str = "", **options: Attribute) -> str:
        """Add an operation and return its output."""
        out = out or f"{operation}_{len(self.nodes)}"
        self.nodes.append(Node(operation, inputs, [out], options))
        return out

    def split(self, features: str, lengths: Mapping[str, int], axis: int) -> None:
        """Divide features along an axis into parts of these names and lengths."""
        sizes = self.constant(f"{features}.lengths", np.array(list(lengths.values()), np.int64))
        self.nodes.append(Node("Split", [features, sizes], list(lengths), {"axis": axis}))

    def constant(self, name: str, values: AnyArray) -> str:
        """Add numbers and return their name."""
        self.constants[name] = values
        return name

    def convolve(self, name: str, features: str, channels: Sequence[int] | None = None) -> str:
        """Add a convolution with its bias, with some of its channels or all."""
        chosen = slice(None) if channels is None else list(channels)
        kernel, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self._convolve(name, features, kernel[chosen], bias[chosen])

    def block(self, name: str, features: str) -> str:
        """Add a convolution with its batch normalisation folded in, and what is above zero."""
        kernel = self.weights[f"{name}.0.weight"]
        scale, shift, mean, variance = (
            self.weights[f"{name}.1.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + np.float32(_EPSILON))
        kernel = kernel * factor[:, None, None, None]
        return self.add("Relu", self._convolve(name, features, kernel, shift - mean * factor))

    def pair(self, name: str, features: str) -> str:
        """Add two blocks."""
        return self.block(f"{name}.1", self.block(f"{name}.0", features))

    def enlarge(self, features: str) -> str:
        """Repeat every pixel twice along both axes."""
        scales = self.constant(f"{features}.scales", np.array([1, 1, 2, 2], np.float32))
        return self.add(
            "Resize",
            *(features, "", scales),
            coordinate_transformation_mode="asymmetric",
            mode="nearest",
            nearest_mode="floor",
        )

    def _convolve(self, name: str, features: str, kernel: AnyArray, bias: AnyArray) -> str:
        numbers = self.constant(f"{name}.kernel", kernel), self.constant(f"{name}.bias", bias)
        pads, shape = [kernel.shape[-1] // 2] * 4, kernel.shape[2:]
        return self.add("Conv", features, *numbers, out=name, pads=pads, kernel_shape=shape)


def add_trunk(graph: Graph) -> tuple[str, str]:
    """Add all but the last layers; return what they read: at full and at half resolution."""
    features = graph.add("SpaceToDepth", INPUT, blocksize=2)
    kept = []
    for level in range(_LEVELS):
        features = graph.pair(f"down.{level}", features)
        kept.append(features)
        features = graph.add("MaxPool", features, kernel_shape=[2, 2], strides=[2, 2])
    features = graph.pair("bottom", features)
    for level in range(_LEVELS):
        larger = graph.enlarge(features)
        features = graph.pair(f"up.{level}", graph.add("Concat", larger, kept.pop(), axis=1))
    full = graph.add("DepthToSpace", graph.convolve("to_full", features), blocksize=2, mode="CRD")
    detail = graph.add("Relu", graph.convolve("detail", INPUT))
    return graph.block("last", graph.add("Concat", full, detail, axis=1)), features


def encode_network(weights: Weights, groups: Sequence[str]) -> bytes:
    """Return the network as an ONNX file, with some of the raw outputs `GROUPS`.

    What only the other outputs need is not computed.

    Raises
    ------
    KeyError
        If a layer has no weights.
    """
    ends = np.cumsum(list(FULL.values()))
    channels = {name: range(end - FULL[name], end) for name, end in zip(FULL, ends, strict=True)}
    graph = Graph(weights)
    full, half = add_trunk(graph)
    asked = [name for name in groups if name in FULL]
    chosen = [channel for name in asked for channel in channels[name]]
    together = graph.convolve("head", full, chosen)
    graph.split(together, {name: FULL[name] for name in asked}, axis=1)
    if "star" in groups:
        graph.convolve("star", half)
    sides: Sequence[int | str] = ("height", "width")
    outputs = {name: [1, GROUPS[name], *sides] for name in asked}
    if "star" in groups:
        outputs["star"] = [1, GROUPS["star"], "half height", "half width"]
    inputs = {INPUT: [1, 1, *sides]}
    return encode_model(graph.nodes, graph.constants, inputs, outputs, {})
