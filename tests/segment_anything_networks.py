"""A small Segment Anything with random weights: the real architecture, in seconds."""

from functools import partial
from pathlib import Path

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

SIDE = 128


def small_network(seed: int = 0) -> Sam:
    """Build it as the package builds its own, with every number another than theirs."""
    torch.manual_seed(seed)
    return Sam(
        ImageEncoderViT(
            img_size=SIDE,
            patch_size=16,
            embed_dim=32,
            depth=3,
            num_heads=2,
            mlp_ratio=3.0,
            out_chans=64,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            qkv_bias=True,
            use_rel_pos=True,
            window_size=5,
            global_attn_indexes=[1],
        ),
        PromptEncoder(
            embed_dim=64,
            image_embedding_size=(SIDE // 16, SIDE // 16),
            input_image_size=(SIDE, SIDE),
            mask_in_chans=8,
        ),
        MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=64, mlp_dim=96, num_heads=8),
            transformer_dim=64,
            iou_head_depth=2,
            iou_head_hidden_dim=48,
        ),
    ).eval()


def write_small_network(path: Path) -> Path:
    torch.save(small_network().state_dict(), path)
    return path
