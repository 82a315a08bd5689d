"""From the network's weights to the file that the QC asks: ONNX, in whole numbers of 8 bit.

The QC must not cost more than the segmentation that it judges. ONNX Runtime needs a tenth of
torch's memory, and whole numbers a third of the time. Weights keep 7 of 8 bits, so that no sum of
two products overflows on processors without instructions for neural networks: all processors then
add up the same whole numbers. The last layer stays in single precision, since distances between 0
and 1 and logits between -15 and 15 do not share one scale.

Run: ``python -m levelfield.qc.train.opinion_network --weights W.safetensors --data FOLDER --out O``
where the folder holds ``index.csv`` (name, group) and ``images/<name>.png``, fluorescent nuclei.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from safetensors import safe_open
from skimage.io import imread

from levelfield.arrays import AnyArray, Image
from levelfield.images.normalisation import normalise
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS
from levelfield.segmentation.small_network.tiles import MULTIPLE

NAME = "levelfield-opinion-1"
_EPSILON = 1e-5  # of the batch normalisation, as torch has it
_OPSET = 17
_IR = 8  # the oldest format that holds this opset
# Channels of the network's full-resolution output (`levelfield.segmentation.networks.unet.GROUPS`).
_FOREGROUND, _CLASSES, _SHAPE = [0], [1, 2, 3], [4, 5, 6]
_AFFINITIES = list(range(8, 8 + len(AFFINITY_OFFSETS)))
_SURE = 40.0  # logits beyond are no surer, and their powers would leave single precision
_PER_GROUP = 5
_LARGEST_SIDE = 256  # px of an image that activations are measured on


def export_opinion(weights: Path, out: Path, images: Sequence[Image]) -> None:
    """Write what the QC asks for a second opinion (`levelfield.qc.evidence.opinion_network`).

    Parameters
    ----------
    weights
        As `levelfield.segmentation.networks.unet.save_network` wrote them.
    out
        ``.onnx`` file to write.
    images
        (Y, X) each, any intensity scale, objects 10 to 50 px wide: on them the range of every
        layer's activations is measured. More than a range is not learned from them.
    """
    if not images:
        raise ValueError(
            "no images were given to measure the range of the network's activations on; give at "
            "least one field with nuclei, better some of every acquisition"
        )
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        export_plain(weights, plain)
        quantize_static(
            plain,
            out,
            _Images(images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.Percentile,
            op_types_to_quantize=["Conv", "Relu", "MaxPool", "Resize", "Concat", *_MOVING],
        )
    made = onnx.load(out)
    add_facts(made, weights)
    onnx.save(made, out)


# Nodes that only move numbers, whole or not.
_MOVING = ["SpaceToDepth", "DepthToSpace"]


class _Images(CalibrationDataReader):
    def __init__(self, images: Sequence[Image]) -> None:
        self.waiting: Iterator[Image] = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self.waiting, None)
        if image is None:
            return None
        missing = [(0, -side % MULTIPLE) for side in image.shape]
        return {"image": np.pad(normalise(image), missing, mode="symmetric")[None, None]}


def export_plain(weights: Path, out: Path) -> None:
    """Write the network in single precision, with only the outputs that the QC reads.

    Parameters
    ----------
    weights, out
        As for `export_opinion`.
    """
    with safe_open(weights, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    graph = _Graph({name: np.asarray(each, np.float32) for name, each in tensors.items()})
    features = graph.add("SpaceToDepth", "image", blocksize=2)
    kept = []
    for level in range(3):
        features = graph.pair(f"down.{level}", features)
        kept.append(features)
        features = graph.add("MaxPool", features, kernel_shape=[2, 2], strides=[2, 2])
    features = graph.pair("bottom", features)
    for level in range(3):
        larger = graph.enlarge(features)
        features = graph.pair(f"up.{level}", graph.add("Concat", larger, kept.pop(), axis=1))
    full = graph.add("DepthToSpace", graph.convolve("to_full", features), blocksize=2, mode="CRD")
    detail = graph.add("Relu", graph.convolve("detail", "image"))
    last = graph.block("last", graph.add("Concat", full, detail, axis=1))
    together, classes, shape = graph.head(last, (_FOREGROUND + _AFFINITIES, _CLASSES, _SHAPE))
    graph.add("Sigmoid", together, out="together")
    graph.softmax(classes, out="classes")
    graph.add("Identity", shape, out="shape")
    model = graph.model({"together": 1 + len(_AFFINITIES), "classes": 3, "shape": 3})
    onnx.checker.check_model(model)
    onnx.save(model, out)


class _Graph:
    """A growing ONNX graph; what it takes and returns are names of values."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operation: str, *inputs: str, out: str = "", **options: Any) -> str:
        out = out or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [out], name=out, **options))
        return out

    def constant(self, name: str, values: AnyArray | np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def convolve(self, name: str, features: str) -> str:
        """Add a convolution with its bias."""
        kernel, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self._convolve(name, features, kernel, bias)

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
        return self.block(f"{name}.1", self.block(f"{name}.0", features))

    def enlarge(self, features: str) -> str:
        scales = f"{features}.scales"
        self.constant(scales, np.array([1, 1, 2, 2], np.float32))
        nearest = {"mode": "nearest", "nearest_mode": "floor"}
        return self.add(
            "Resize",
            *(features, "", scales),
            coordinate_transformation_mode="asymmetric",
            **nearest,
        )

    def head(self, features: str, groups: Sequence[Sequence[int]]) -> list[str]:
        """Add the last layer, groups of its channels (C, Y * X) each: a product of matrices.

        A convolution in single precision among those in whole numbers would have its input and its
        output re-ordered, which takes three times as long.
        """
        order = [channel for group in groups for channel in group]
        kernel = self.weights["head.weight"][order]
        rows = self.constant("head.rows", np.array([kernel.shape[1], -1]))
        factor = self.constant("head.kernel", kernel[:, :, 0, 0])
        bias = self.constant("head.bias", self.weights["head.bias"][order][:, None])
        product = self.add("MatMul", factor, self.add("Reshape", features, rows))
        lengths = self.constant("head.lengths", np.array([len(group) for group in groups]))
        parts = [f"head.{number}" for number in range(len(groups))]
        whole = self.add("Add", product, bias)
        self.nodes.append(helper.make_node("Split", [whole, lengths], parts, axis=0))
        return parts

    def softmax(self, logits: str, out: str) -> str:
        """Add probabilities over the first axis, in an order that ONNX's own takes longer for."""
        ends = (self.constant(f"{out}.{end}", np.float32(end)) for end in (-_SURE, _SURE))
        power = self.add("Exp", self.add("Clip", logits, *ends))
        axis = self.constant(f"{out}.axis", np.array([0]))
        return self.add("Div", power, self.add("ReduceSum", power, axis, keepdims=1), out=out)

    def model(self, outputs: Mapping[str, int]) -> onnx.ModelProto:
        def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            NAME,
            [value("image", 1, 1, "height", "width")],
            [value(name, channels, "pixels") for name, channels in outputs.items()],
            self.constants,
        )
        opset = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=_IR)

    def _convolve(self, name: str, features: str, kernel: AnyArray, bias: AnyArray) -> str:
        margin = [kernel.shape[-1] // 2] * 4
        inputs = (
            features,
            self.constant(f"{name}.kernel", kernel),
            self.constant(f"{name}.bias", bias),
        )
        return self.add("Conv", *inputs, out=name, pads=margin, kernel_shape=kernel.shape[2:])


def add_facts(model: onnx.ModelProto, weights: Path) -> None:
    """Write into a model what it is, and what its weights' file says of them."""
    with safe_open(weights, "np") as file:
        facts = dict(file.metadata() or {})
    helper.set_model_props(model, {**facts, "network": NAME})


def calibration_images(data: Path, groups: Sequence[str] = ()) -> list[Image]:
    """Read a few images of every acquisition, cut to 256 px.

    Parameters
    ----------
    data
        Folder with ``index.csv`` (``name, group``) and ``images/<name>.png``.
    groups
        Acquisitions that must not be looked at.
    """
    index = pd.read_csv(data / "index.csv")
    index = index[~index["group"].isin(groups)].groupby("group").head(_PER_GROUP)
    images = [imread(data / "images" / f"{name}.png") for name in index["name"]]
    return [each[:_LARGEST_SIDE, :_LARGEST_SIDE].astype(np.float32) / 255 for each in images]


def main() -> None:
    """Write the file that the QC asks from a file of weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--leave-out", nargs="*", default=[], help="acquisitions not to look at")
    options = parser.parse_args()
    images = calibration_images(options.data, options.leave_out)
    export_opinion(options.weights, options.out, images)


if __name__ == "__main__":
    main()
