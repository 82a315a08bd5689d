"""The kinds of networks that can be trained here, by the method that uses their weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from levelfield.arrays import Image, Labels
from levelfield.segmentation.networks import mask_rcnn as mask_rcnn_network
from levelfield.segmentation.networks import unet
from levelfield.segmentation.networks.unet_runtime import prepare
from levelfield.segmentation.registry import segment_objects
from levelfield.segmentation.small_network.inference import NetworkModel
from levelfield.training.mask_rcnn import MASK_RCNN
from levelfield.training.recipe import Recipe, TrainingSettings
from levelfield.training.samples import TrainingImage
from levelfield.training.unet import UNET

Weights = Mapping[str, Tensor]
Segment = Callable[[Image], Labels]


@dataclass(frozen=True)
class NetworkKind:
    """How networks of one kind are trained, kept and judged.

    Attributes
    ----------
    recipe : Recipe
        For `levelfield.training.loop.train`.
    read, write : callable
        File to weights to start from; file, weights, settings, and facts to what the method reads.
    segmenter : callable
        File of weights, device and typical diameter (px) to a function that segments an image
        (Y, X) with the method's defaults; to None where the file is no whole network of this kind
        (torchvision's weights know other objects).
    defaults, fine_tuning : mapping
        What replaces the defaults of `TrainingSettings`: always, and where training starts from
        weights.
    knows_parts : bool
        Whether it can learn from images of which only parts are known.
    """

    recipe: Recipe
    read: Callable[[Path], Weights]
    write: Callable[[Path, Weights, TrainingSettings, Mapping[str, str]], None]
    segmenter: Callable[[Path, str, float | None], Segment | None]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fine_tuning: Mapping[str, Any] = field(default_factory=dict)
    knows_parts: bool = True

    def settings(self, parameters: Mapping[str, Any], fine_tuning: bool) -> TrainingSettings:
        """Return the settings of a training, given those of a config."""
        given = {**self.defaults, **(self.fine_tuning if fine_tuning else {}), **parameters}
        if "heads" in given:
            given["heads"] = tuple(given["heads"])
        return TrainingSettings(**given)

    def check_images(self, images: Sequence[TrainingImage]) -> None:
        """Raise a ValueError if the network needs whole images and only a part of one is known."""
        for image in images:
            if not self.knows_parts and (image.labels < 0).any():
                raise ValueError(
                    f"of the image '{image.name}' only parts are known, and a Mask R-CNN would "
                    "take the rest for background. Train it on images that are annotated "
                    "completely, or train the method network."
                )


def _read_unet(path: Path) -> Weights:
    return unet.load_network(path)[0]


def unet_segmenter(
    weights: Weights,
    device: str = "cpu",
    diameter: float | None = None,
    outline: float | None = 0.4,
) -> Segment:
    """Return a function that segments an image (Y, X) with the default decoder.

    `diameter` (px) and `outline` are those of
    `levelfield.segmentation.methods.network.NetworkOptions`.
    """
    model = NetworkModel(prepare(weights, torch.device(device)), device, {})
    return _segmenter("network", model, {"diameter": diameter, "outline": outline})


def _segmenter(method: str, model: object, parameters: Mapping[str, Any]) -> Segment:
    return lambda image: segment_objects(image[None], method, parameters, {"model": model}).labels


def _segment_with_unet(path: Path, device: str, diameter: float | None) -> Segment:
    return unet_segmenter(_read_unet(path), device, diameter)


def _write_mask_rcnn(
    path: Path, weights: Weights, settings: TrainingSettings, facts: Mapping[str, str]
) -> None:
    mask_rcnn_network.save_network(path, weights, {**facts, "backbone": settings.backbone})


def _segment_with_mask_rcnn(path: Path, device: str, diameter: float | None) -> Segment | None:
    if not mask_rcnn_network.is_trained_here(path):
        return None
    return _segmenter("mask_rcnn", mask_rcnn_network.load_mask_rcnn(path, device), {})


KINDS: dict[str, NetworkKind] = {
    "network": NetworkKind(
        UNET,
        _read_unet,
        lambda path, weights, _settings, facts: unet.save_network(path, weights, facts),
        _segment_with_unet,
        fine_tuning={"steps": 600, "batch": 8, "learning_rate": 5e-4, "check_every": 50},
    ),
    "mask_rcnn": NetworkKind(
        MASK_RCNN,
        mask_rcnn_network.read_weights,
        _write_mask_rcnn,
        _segment_with_mask_rcnn,
        defaults={"steps": 600, "batch": 4, "learning_rate": 2e-3, "check_every": 50},
        fine_tuning={"steps": 300, "learning_rate": 1e-3},
        knows_parts=False,
    ),
}
