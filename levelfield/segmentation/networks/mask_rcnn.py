"""Mask R-CNN (He et al., ICCV 2017) as torchvision builds it, set up for many small objects."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from levelfield.arrays import Plane
from levelfield.segmentation.devices import Device, choose_device
from levelfield.segmentation.networks.batches import Batches, exact
from levelfield.segmentation.networks.unet import convolution

BACKBONES = ("small", "resnet18", "resnet50")
KIND = "levelfield Mask R-CNN"
MOST_OBJECTS = 1000  # per image; torchvision's 100 are fewer than a field of nuclei has
_BYTES_PER_PIXEL = 4000  # of an image, with what the backbone and the proposals keep at once
_IMAGES_AT_ONCE = 4  # masks of more images would take more than the features
_N_CLASSES = 2  # background and object
_ASPECTS = (0.5, 1.0, 2.0)


class _SmallBackbone(nn.Module):
    """Three levels of convolutions to a quarter of the resolution: trains on a CPU in minutes."""

    def __init__(self, out_channels: int = 64) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.fine = nn.Sequential(convolution(3, 16, 2), convolution(16, 32))
        self.middle = nn.Sequential(convolution(32, 64, 2), convolution(64, 64))
        self.coarse = nn.Sequential(convolution(64, 64, 2), convolution(64, 64))
        self.last = convolution(128, out_channels)

    def forward(self, image: Tensor) -> OrderedDict[str, Tensor]:
        middle = self.middle(self.fine(image))
        coarse = nn.functional.interpolate(self.coarse(middle), size=middle.shape[2:])
        return OrderedDict({"0": self.last(torch.cat([middle, coarse], 1))})


class _AsItIs(GeneralizedRCNNTransform):
    """Neither scale the image nor paste each mask into an image of its own.

    A whole image per object would take gigabytes for a field of nuclei.
    """

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target

    def postprocess(
        self,
        result: list[dict[str, Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        return result


def build_network(backbone: str) -> MaskRCNN:
    """Build a network with random weights.

    The backbone is ``small`` (0.7 million parameters, for a CPU), ``resnet18`` or ``resnet50`` (44
    million, the usual one in publications; torchvision has weights of it to start from).

    Raises
    ------
    ValueError
        If the backbone is unknown.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"backbone is {backbone!r}; allowed are {', '.join(BACKBONES)}")
    common = {
        "box_detections_per_img": MOST_OBJECTS,
        "rpn_pre_nms_top_n_test": 4 * MOST_OBJECTS,
        "rpn_post_nms_top_n_test": 2 * MOST_OBJECTS,
    }
    if backbone == "small":
        network = _small_network(common)
    else:
        features = resnet_fpn_backbone(
            backbone_name=backbone, weights=None, trainable_layers=5, norm_layer=nn.BatchNorm2d
        )
        sizes = tuple((size,) for size in (8, 16, 32, 64, 128))
        anchors = AnchorGenerator(sizes, (_ASPECTS,) * len(sizes))
        network = MaskRCNN(features, _N_CLASSES, rpn_anchor_generator=anchors, **common)
    network.transform = _AsItIs(0, 0, [0.0] * 3, [1.0] * 3)
    return network


def _small_network(common: Mapping[str, int]) -> MaskRCNN:
    features = _SmallBackbone()
    channels = features.out_channels
    return MaskRCNN(
        features,
        rpn_anchor_generator=AnchorGenerator(((8, 16, 32, 64),), (_ASPECTS,)),
        box_roi_pool=MultiScaleRoIAlign(["0"], output_size=7, sampling_ratio=2),
        box_head=TwoMLPHead(channels * 7 * 7, 128),
        box_predictor=FastRCNNPredictor(128, _N_CLASSES),
        mask_roi_pool=MultiScaleRoIAlign(["0"], output_size=14, sampling_ratio=2),
        mask_head=MaskRCNNHeads(channels, (32, 32), 1),
        mask_predictor=MaskRCNNPredictor(32, 32, _N_CLASSES),
        rpn_batch_size_per_image=128,
        box_batch_size_per_image=128,
        **common,
    )


def save_network(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write weights as safetensors; `facts` names at least the ``backbone``."""
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(tensors, path, metadata={"kind": KIND, **facts})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the weights of a file of safetensors, and the facts about them."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights to start training from: of `save_network`, or torchvision's own file.

    Raises
    ------
    ValueError
        If the file is neither safetensors nor a state dict of torch.
    """
    try:
        return _read(path)[0]
    except SafetensorError:
        pass
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles raise many kinds
        raise ValueError(f"{path} holds no weights of a Mask R-CNN: {error}") from None
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise ValueError(f"{path} holds no weights of a Mask R-CNN, but something else")
    return weights


@dataclass(frozen=True)
class Proposal:
    """A region that may be an object, and how sure the network is, 0 to 1.

    `top` and `left` are where it lies in the image (px); the probability (y, x) is that of each
    pixel to be part of the object.
    """

    score: float
    top: int
    left: int
    probability: Plane


@dataclass(frozen=True)
class MaskRcnnModel:
    """A model that is ready to predict, and what its file says of it; for several threads."""

    network: MaskRCNN
    facts: dict[str, str]
    device_name: str
    batches: Batches[dict[str, Tensor]]

    def propose(
        self, images: Sequence[Plane], minimum_score: float, shapes: Sequence[tuple[int, ...]]
    ) -> list[list[Proposal]]:
        """Return what may be objects of images (Y, X), whose intensities are as for training.

        They may be enlarged: proposals come in the pixels of the originals, whose shapes are given.
        """
        found = self.batches([torch.from_numpy(image).expand(3, -1, -1) for image in images])
        return [
            _proposals(parts, image.shape[0] / shape[0], minimum_score, shape)
            for image, parts, shape in zip(images, found, shapes, strict=True)
        ]


def _proposals(
    found: Mapping[str, Tensor], enlarged: float, minimum_score: float, shape: tuple[int, ...]
) -> list[Proposal]:
    proposals = zip(found["scores"], found["boxes"], found["masks"], strict=True)
    return [
        _paste(float(score), box / enlarged, mask, shape)
        for score, box, mask in proposals
        if score >= minimum_score
    ]


def ready(network: MaskRCNN, facts: dict[str, str], device: Device) -> MaskRcnnModel:
    """Return a network ready to predict on a device."""
    exact(network, device.torch)
    run = partial(_run, network)
    batches = Batches(run, device.torch, "images", _BYTES_PER_PIXEL, _IMAGES_AT_ONCE)
    return MaskRcnnModel(network, facts, device.name, batches)


def _run(network: MaskRCNN, batch: Tensor) -> list[dict[str, Tensor]]:
    found = network(list(batch))
    return [{name: values.cpu() for name, values in parts.items()} for parts in found]


def _paste(score: float, box: Tensor, mask: Tensor, shape: tuple[int, ...]) -> Proposal:
    """Bring a mask (1, 28, 28) to the size of its box (x0, y0, x1, y1), and a little around it."""
    # torchvision widens a box by a few per cent, so that its mask's edge is not cut off.
    margin = 2 + int(0.1 * float((box[2:] - box[:2]).max()))
    left, top = (max(int(edge) - margin, 0) for edge in box[:2])
    right, bottom = (int(edge) + margin for edge in box[2:])
    size = (min(bottom, shape[0]) - top, min(right, shape[1]) - left)
    shifted = box - torch.tensor([left, top, left, top])
    pasted = paste_masks_in_image(mask[None], shifted[None], size)[0, 0]
    return Proposal(score, top, left, pasted.numpy())


def is_trained_here(path: Path) -> bool:
    """Whether a file is one of `save_network`, and not for instance torchvision's."""
    try:
        return _read(path)[1].get("kind") == KIND
    except (OSError, SafetensorError):
        return False


def load_mask_rcnn(path: Path, rule: str = "cpu") -> MaskRcnnModel:
    """Read a network that `save_network` wrote.

    `rule` is that for the device, see `levelfield.segmentation.devices.choose_device`.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    try:
        weights, facts = _read(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from None
    if facts.get("kind") != KIND:
        raise ValueError(
            f"{path} holds no weights of a Mask R-CNN that was trained here; let the workflow "
            "train one (networks: ... method: mask_rcnn, see docs/training.md)"
        )
    network = build_network(facts["backbone"])
    network.load_state_dict(weights)
    return ready(network, facts, choose_device(rule))
