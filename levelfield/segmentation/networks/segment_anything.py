"""Segment Anything (Kirillov et al., ICCV 2023) through Meta's package `segment_anything`.

The package knows three sizes of network. Here the size is read from the weights themselves, so
that any file of the same architecture works, among them those of microSAM (Archit et al., 2025).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from torch import Tensor, nn

from levelfield.segmentation.devices import choose_device

PROMPTS_AT_ONCE = 32  # more would take a gigabyte of masks at 1080 x 1080 px
# What the network was trained to have its images scaled to: mean and spread of 8-bit photographs.
_MEAN = [123.675, 116.28, 103.53]
_SPREAD = [58.395, 57.12, 57.375]
_DECODER_HEADS = 8  # the weights do not tell it; all published ones have as many


@dataclass(frozen=True)
class ScoredMask:
    """A mask (Y, X) bool, and how good the network thinks it is (0 to 1)."""

    score: float
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentAnythingModel:
    """A model that is ready to predict.

    Attributes
    ----------
    network : Sam
        With its weights.
    device_name : str
        For tables.
    """

    network: Sam
    device_name: str
    fields_at_once: int = 1

    def masks_of_prompts(
        self,
        image: NDArray[np.uint8],
        boxes: NDArray[np.float32] | None,
        points: NDArray[np.float32] | None,
    ) -> Iterator[ScoredMask]:
        """Yield the best mask of every prompt, in their order.

        Parameters
        ----------
        image
            (Y, X, 3).
        boxes
            (n, 4) as (x0, y0, x1, y1) px, or None.
        points
            (n, 2) as (x, y) px, one in each object, or None.
        """
        predictor = SamPredictor(self.network)
        predictor.set_image(image)
        n_prompts = max(len(prompts) for prompts in (boxes, points) if prompts is not None)
        for first in range(0, n_prompts, PROMPTS_AT_ONCE):
            chosen = slice(first, first + PROMPTS_AT_ONCE)
            coordinates, inside = self._points(predictor, points, chosen)
            masks, quality, _ = predictor.predict_torch(
                coordinates,
                inside,
                None if boxes is None else self._boxes(predictor, boxes, chosen),
                # One point may mean a part, an object or a group; a box means one thing.
                multimask_output=boxes is None,
            )
            best = quality.argmax(1)
            for mask, scores, one in zip(masks, quality, best, strict=True):
                yield ScoredMask(float(scores[one]), mask[one].cpu().numpy())

    def _boxes(self, predictor: SamPredictor, boxes: NDArray[np.float32], chosen: slice) -> Tensor:
        tensor = torch.from_numpy(boxes[chosen]).to(predictor.device)
        return predictor.transform.apply_boxes_torch(tensor, predictor.original_size)

    def _points(
        self, predictor: SamPredictor, points: NDArray[np.float32] | None, chosen: slice
    ) -> tuple[Tensor | None, Tensor | None]:
        if points is None:
            return None, None
        tensor = torch.from_numpy(points[chosen, None]).to(predictor.device)
        scaled = predictor.transform.apply_coords_torch(tensor, predictor.original_size)
        return scaled, torch.ones(scaled.shape[:2], dtype=torch.int, device=predictor.device)

    def all_masks(
        self,
        image: NDArray[np.uint8],
        points_per_side: int,
        minimum_quality: float,
        minimum_stability: float,
    ) -> Iterator[ScoredMask]:
        """Yield masks of whatever a grid of points finds in an image (Y, X, 3)."""
        generator = SamAutomaticMaskGenerator(
            self.network,
            points_per_side=points_per_side,
            points_per_batch=PROMPTS_AT_ONCE,
            pred_iou_thresh=minimum_quality,
            stability_score_thresh=minimum_stability,
            output_mode="uncompressed_rle",
        )
        for found in generator.generate(image):
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
    return SegmentAnythingModel(network.eval().to(device.torch), device.name)


def build_network(weights: Mapping[str, Tensor]) -> Sam:
    """Build the network that some weights belong to, without giving it the weights."""
    side, patch = _side_of_image(weights), _shape(weights, "image_encoder.patch_embed.proj")[-1]
    channels = _shape(weights, "image_encoder.neck.0")[0]
    grid = side // patch
    decoder = "mask_decoder"
    return Sam(
        _image_encoder(weights, side, patch, channels),
        PromptEncoder(
            embed_dim=channels,
            image_embedding_size=(grid, grid),
            input_image_size=(side, side),
            mask_in_chans=_shape(weights, "prompt_encoder.mask_downscaling.3")[0],
        ),
        MaskDecoder(
            num_multimask_outputs=_shape(weights, f"{decoder}.mask_tokens")[0] - 1,
            transformer=TwoWayTransformer(
                depth=_count(weights, rf"{decoder}\.transformer\.layers\.(\d+)\."),
                embedding_dim=channels,
                mlp_dim=_shape(weights, f"{decoder}.transformer.layers.0.mlp.lin1")[0],
                num_heads=_DECODER_HEADS,
            ),
            transformer_dim=channels,
            iou_head_depth=_count(weights, rf"{decoder}\.iou_prediction_head\.layers\.(\d+)\."),
            iou_head_hidden_dim=_shape(weights, f"{decoder}.iou_prediction_head.layers.0")[0],
        ),
        _MEAN,
        _SPREAD,
    )


def _image_encoder(
    weights: Mapping[str, Tensor], side: int, patch: int, channels: int
) -> ImageEncoderViT:
    width = _shape(weights, "image_encoder.patch_embed.proj")[0]
    depth = _count(weights, r"image_encoder\.blocks\.(\d+)\.")
    # A block that looks at a window of the image has fewer relative positions than one that looks
    # at all of it.
    positions = [
        tuple(weights[f"image_encoder.blocks.{block}.attn.rel_pos_h"].shape)
        for block in range(depth)
    ]
    seen = [(length + 1) // 2 for length, _ in positions]
    whole = [block for block in range(depth) if seen[block] == side // patch]
    return ImageEncoderViT(
        img_size=side,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=width // positions[0][1],
        mlp_ratio=_shape(weights, "image_encoder.blocks.0.mlp.lin1")[0] / width,
        out_chans=channels,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        qkv_bias=True,
        use_rel_pos=True,
        window_size=min(seen),
        global_attn_indexes=whole,
    )


def _side_of_image(weights: Mapping[str, Tensor]) -> int:
    patch = _shape(weights, "image_encoder.patch_embed.proj")[-1]
    return int(weights["image_encoder.pos_embed"].shape[1]) * patch


def _shape(weights: Mapping[str, Tensor], layer: str) -> tuple[int, ...]:
    return tuple(weights[f"{layer}.weight"].shape)


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    numbers = {int(found[1]) for name in weights if (found := re.match(pattern, name))}
    return len(numbers)
