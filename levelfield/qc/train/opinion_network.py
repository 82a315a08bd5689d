"""From the network's weights to the file that the QC asks: ONNX, in whole numbers of 8 bit.

The QC must not cost more than the segmentation that it judges. ONNX Runtime needs a tenth of
torch's memory, and whole numbers a third of the time. Weights keep 7 of 8 bits, so that no sum of
two products overflows on processors without instructions for neural networks: all processors then
add up the same whole numbers. The last layer stays in single precision, since distances between 0
and 1 and logits between -15 and 15 do not share one scale.

Run: ``python -m levelfield.qc.train.opinion_network --weights W.safetensors --data FOLDER --out O``
where the folder holds ``index.csv`` (name, group) and ``images/<name>.png``, fluorescent nuclei.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pandas as pd
from onnx import helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from skimage.io import imread

from levelfield.arrays import Image
from levelfield.images.normalisation import normalise
from levelfield.qc.evidence.opinion_network import NAME
from levelfield.segmentation.small_network.graph import INPUT, Graph, add_trunk
from levelfield.segmentation.small_network.onnx_format import encode_model
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS
from levelfield.segmentation.small_network.tiles import MULTIPLE
from levelfield.segmentation.small_network.weights import read_network

# Channels of the network's output at full resolution (`FULL` of `small_network.prediction`).
_FOREGROUND, _CLASSES, _SHAPE = [0], [1, 2, 3], [4, 5, 6]
_AFFINITIES = list(range(8, 8 + len(AFFINITY_OFFSETS)))
_SURE = 40.0  # logits beyond are no surer, and their powers would leave single precision
_PER_GROUP = 5
_LARGEST_SIDE = 256  # px of an image that activations are measured on


def export_opinion(weights: Path, out: Path, images: Sequence[Image]) -> None:
    """Write what the QC asks for a second opinion (`levelfield.qc.evidence.opinion_network`).

    Weights, for the ``.onnx`` file, come from `levelfield.segmentation.networks.unet.save_network`.
    On the images, of any intensity scale with objects 10 to 50 px wide, the range of every layer's
    activations is measured. More than a range is not learned from them; ValueError without any.
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
            # The last two only move numbers, whole or not.
            op_types_to_quantize=[
                *("Conv", "Relu", "MaxPool", "Resize", "Concat", "SpaceToDepth", "DepthToSpace")
            ],
        )
    made = onnx.load(out)
    add_facts(made, weights)
    onnx.save(made, out)


class _Images(CalibrationDataReader):
    def __init__(self, images: Sequence[Image]) -> None:
        self.waiting = iter(images)

    def get_next(self) -> dict[str, Image] | None:
        image = next(self.waiting, None)
        if image is None:
            return None
        missing = [(0, -side % MULTIPLE) for side in image.shape]
        return {"image": np.pad(normalise(image), missing, mode="symmetric")[None, None]}


def export_plain(weights: Path, out: Path) -> None:
    """Write the network in single precision, with only the outputs that the QC reads."""
    graph = _Graph(read_network(weights)[0])
    together, classes, shape = graph.head(
        add_trunk(graph)[0], (_FOREGROUND + _AFFINITIES, _CLASSES, _SHAPE)
    )
    graph.add("Sigmoid", together, out="together")
    graph.softmax(classes, out="classes")
    graph.add("Identity", shape, out="shape")
    outputs = {"together": 1 + len(_AFFINITIES), "classes": 3, "shape": 3}
    model = encode_model(
        graph.nodes,
        graph.constants,
        {INPUT: [1, 1, "height", "width"]},
        {name: [channels, "pixels"] for name, channels in outputs.items()},
        {},
    )
    onnx.checker.check_model(onnx.load_from_string(model))
    out.write_bytes(model)


class _Graph(Graph):
    """The network's graph with the last layers that the QC reads."""

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
        parts = {f"head.{number}": len(group) for number, group in enumerate(groups)}
        self.split(self.add("Add", product, bias), parts, axis=0)
        return list(parts)

    def softmax(self, logits: str, out: str) -> str:
        """Add probabilities over the first axis, in an order that ONNX's own takes longer for."""
        ends = (self.constant(f"{out}.{end}", np.array(end, np.float32)) for end in (-_SURE, _SURE))
        power = self.add("Exp", self.add("Clip", logits, *ends))
        axis = self.constant(f"{out}.axis", np.array([0]))
        return self.add("Div", power, self.add("ReduceSum", power, axis, keepdims=1), out=out)


def add_facts(model: onnx.ModelProto, weights: Path) -> None:
    """Write into a model what it is, and what its weights' file says of them."""
    helper.set_model_props(model, {**read_network(weights)[1], "network": NAME})


def calibration_images(data: Path, left_out: Sequence[str] = ()) -> list[Image]:
    """Read a few images of every acquisition but those left out, cut to 256 px.

    The folder holds ``index.csv`` (``name, group``) and ``images/<name>.png``.
    """
    index = pd.read_csv(data / "index.csv")
    index = index[~index["group"].isin(left_out)].groupby("group").head(_PER_GROUP)
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
