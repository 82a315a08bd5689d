"""Segment Anything (Kirillov et al., ICCV 2023) through Meta's package `segment_anything`.

The package knows three sizes of network. Here the size is read from the weights themselves, so
that any file of the same architecture works, among them those of microSAM (Archit et al., 2025).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from segment_anything.utils.amg import rle_to_mask
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor, nn

from levelfield.arrays import Image, Mask
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.networks.batches import Batches, exact

PROMPTS_AT_ONCE = 32  # more would take a gigabyte of masks at 1080 x 1080 px
_BYTES_PER_PIXEL = 4000  # of what the encoder sees: its matrix of all pairs of tokens
_IMAGES_AT_ONCE = 4
# What the network was trained to have its images scaled to: mean and spread of 8-bit photographs.
_MEAN = [123.675, 116.28, 103.53]
_SPREAD = [58.395, 57.12, 57.375]
_DECODER_HEADS = 8  # the weights do not tell it; all published ones have as many
Colours = NDArray[np.uint8]


@dataclass(frozen=True)
class ScoredMask:
    """A mask (Y, X) bool, and how good the network thinks it is (0 to 1)."""

    score: float
    mask: Mask


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of an image: features (1, C, y, x) on the device.

    Shapes are those of the image, and of what the network saw of it (Y, X).
    """

    features: Tensor
    shape: tuple[int, ...]
    seen: tuple[int, ...]


class _Predictor(SamPredictor):
    """A predictor of an image that was encoded before, together with others."""

    def __init__(self, network: Sam, encoded: Encoded) -> None:
        super().__init__(network)
        self.features, self.is_image_set = encoded.features, True
        self.original_size, self.input_size = encoded.shape, encoded.seen

    def set_image(self, image: Colours, image_format: str = "RGB") -> None:
        """Keep the image that it has: the mask generator gives the same one again."""


def prepared_images(
    network: Sam, images: Sequence[Colours]
) -> tuple[list[Tensor], list[tuple[int, ...]]]:
    """Return images (Y, X, 3) as the encoder wants them, (3, y, x) on the network's device.

    Beside them the size (px) at which each is seen, without what fills it up to a square.
    """
    scale = ResizeLongestSide(network.image_encoder.img_size)
    seen = [torch.from_numpy(scale.apply_image(image)).permute(2, 0, 1) for image in images]
    prepared = [network.preprocess(each[None].to(network.device))[0] for each in seen]
    return prepared, [tuple(each.shape[1:]) for each in seen]


@dataclass(frozen=True)
class SegmentAnythingModel:
    """A model that is ready to predict; its images are (Y, X, 3) uint8. For several threads."""

    network: Sam
    device_name: str
    batches: Batches[Tensor]

    def encode(self, images: Sequence[Colours]) -> list[Encoded]:
        """Run the encoder, by far the largest part of the network, on images together."""
        prepared, seen = prepared_images(self.network, images)
        features = self.batches(prepared)
        return [
            Encoded(values[None], image.shape[:2], shape)
            for values, image, shape in zip(features, images, seen, strict=True)
        ]

    def masks_of_prompts(
        self, encoded: Encoded, boxes: Image | None, points: Image | None
    ) -> Iterator[ScoredMask]:
        """Yield the best mask of every prompt, in their order.

        Boxes are (n, 4) as (x0, y0, x1, y1) px, points (n, 2) as (x, y) px, one in each object.
        """
        predictor = _Predictor(self.network, encoded)
        size, device = predictor.original_size, predictor.device
        prompts: dict[str, Tensor] = {}
        if boxes is not None:
            tensor = torch.from_numpy(boxes).to(device)
            prompts["boxes"] = predictor.transform.apply_boxes_torch(tensor, size)
        if points is not None:
            tensor = torch.from_numpy(points[:, None]).to(device)
            scaled = predictor.transform.apply_coords_torch(tensor, size)
            inside = torch.ones(scaled.shape[:2], dtype=torch.int, device=device)
            prompts |= {"point_coords": scaled, "point_labels": inside}
        for first in range(0, max(map(len, prompts.values())), PROMPTS_AT_ONCE):
            given: dict[str, Any] = {"point_coords": None, "point_labels": None}
            for name, values in prompts.items():
                given[name] = values[first : first + PROMPTS_AT_ONCE]
            # One point may mean a part, an object or a group; a box means one thing.
            masks, quality, _ = predictor.predict_torch(**given, multimask_output=boxes is None)
            for mask, scores, best in zip(masks, quality, quality.argmax(1), strict=True):
                yield ScoredMask(float(scores[best]), mask[best].cpu().numpy())

    def all_masks(
        self,
        encoded: Encoded,
        points_per_side: int,
        minimum_quality: float,
        minimum_stability: float,
    ) -> Iterator[ScoredMask]:
        """Yield masks of whatever a grid of points finds."""
        generator = SamAutomaticMaskGenerator(
            self.network,
            points_per_side=points_per_side,
            points_per_batch=PROMPTS_AT_ONCE,
            pred_iou_thresh=minimum_quality,
            stability_score_thresh=minimum_stability,
            output_mode="uncompressed_rle",
        )
        generator.predictor = _Predictor(self.network, encoded)
        for found in generator.generate(np.broadcast_to(np.uint8(0), (*encoded.shape, 3))):
            yield ScoredMask(found["predicted_iou"], rle_to_mask(found["segmentation"]))


def load_segment_anything(path: Path, rule: str = "cpu") -> SegmentAnythingModel:
    """Read weights as Meta publishes them (``sam_vit_b_01ec64.pth``), or of the same architecture.

    `rule` is that for the device, see `levelfield.segmentation.devices.choose_device`.

    Raises
    ------
    ValueError
        If the file does not hold such weights.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        weights = stored.get("model_state", stored)
        network = build_network(weights)
        # Files of microSAM hold another decoder too, which is not used here.
        network.load_state_dict({name: weights[name] for name in network.state_dict()})
    except Exception as error:  # pickles and wrong shapes raise many kinds
        raise ValueError(
            f"{path} holds no weights of Segment Anything ({type(error).__name__}: {error}). "
            "Weights of its successors (SAM 2) have another architecture and do not fit"
        ) from error
    device = choose_device(rule)
    exact(network, device.torch)
    encode = network.image_encoder
    batches = Batches(encode, device.torch, "images", _BYTES_PER_PIXEL, _IMAGES_AT_ONCE)
    return SegmentAnythingModel(network, device.name, batches)


def build_network(weights: Mapping[str, Tensor]) -> Sam:
    """Build the network that some weights belong to, without giving it the weights."""
    width, patch = (_shape(weights, "image_encoder.patch_embed.proj")[axis] for axis in (0, -1))
    grid = int(weights["image_encoder.pos_embed"].shape[1])
    channels, side = _shape(weights, "image_encoder.neck.0")[0], grid * patch
    # A block that looks at a window of the image has fewer relative positions than one that looks
    # at all of it.
    positions = [
        weights[f"image_encoder.blocks.{block}.attn.rel_pos_h"].shape
        for block in range(_count(weights, r"image_encoder\.blocks\.(\d+)\."))
    ]
    seen = [(length + 1) // 2 for length, _ in positions]
    encoder = ImageEncoderViT(
        img_size=side,
        patch_size=patch,
        embed_dim=width,
        depth=len(positions),
        num_heads=width // positions[0][1],
        mlp_ratio=_shape(weights, "image_encoder.blocks.0.mlp.lin1")[0] / width,
        out_chans=channels,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        qkv_bias=True,
        use_rel_pos=True,
        window_size=min(seen),
        global_attn_indexes=[block for block, length in enumerate(seen) if length == grid],
    )
    prompts = PromptEncoder(
        embed_dim=channels,
        image_embedding_size=(grid, grid),
        input_image_size=(side, side),
        mask_in_chans=_shape(weights, "prompt_encoder.mask_downscaling.3")[0],
    )
    return Sam(encoder, prompts, _mask_decoder(weights, channels), _MEAN, _SPREAD)


def _mask_decoder(weights: Mapping[str, Tensor], channels: int) -> MaskDecoder:
    transformer = TwoWayTransformer(
        depth=_count(weights, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        embedding_dim=channels,
        mlp_dim=_shape(weights, "mask_decoder.transformer.layers.0.mlp.lin1")[0],
        num_heads=_DECODER_HEADS,
    )
    return MaskDecoder(
        num_multimask_outputs=_shape(weights, "mask_decoder.mask_tokens")[0] - 1,
        transformer=transformer,
        transformer_dim=channels,
        iou_head_depth=_count(weights, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
        iou_head_hidden_dim=_shape(weights, "mask_decoder.iou_prediction_head.layers.0")[0],
    )


def _shape(weights: Mapping[str, Tensor], layer: str) -> tuple[int, ...]:
    return tuple(weights[f"{layer}.weight"].shape)


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    return len({int(found[1]) for name in weights if (found := re.match(pattern, name))})
