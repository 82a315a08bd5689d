"""Cellpose's own networks, with so few layers that they run in a test, and flows of real labels."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from cellpose import vit
from cellpose.dynamics import labels_to_flows
from cellpose.models import CellposeModel as Reference
from segment_anything.modeling.image_encoder import ImageEncoderViT
from torch import nn


class SmallSam(nn.Module):
    """Stands for Segment Anything, of which Cellpose takes the image encoder."""

    def __init__(self, checkpoint=None):
        super().__init__()
        self.image_encoder = ImageEncoderViT(
            depth=2,
            embed_dim=32,
            num_heads=2,
            out_chans=256,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=14,
            global_attn_indexes=(1,),
        )


def use_small_sam(monkeypatch) -> None:
    """Let every new Cellpose-SAM network have two layers of 32 channels."""
    monkeypatch.setitem(vit.sam_model_registry, "vit_l", SmallSam)


def save_random_network(path: Path, seed: int = 0) -> Path:
    """Write weights of a small network whose every part has an effect."""
    torch.manual_seed(seed)
    network = vit.CPSAM()
    for name, value in network.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            value.data.normal_(0, 0.3)
    # Flows of usual size, and about half of the pixels inside.
    network.out.weight.data *= 4
    network.save_model(path)
    return path


def reference(path: Path) -> Reference:
    return Reference(pretrained_model=str(path), device=torch.device("cpu"), use_bfloat16=False)


def outputs_of(labels: np.ndarray) -> np.ndarray:
    """What a perfect network would say of labels: (3, Y, X) float32."""
    _, inside, down, across = labels_to_flows(
        [labels.astype(np.int32)], device=torch.device("cpu")
    )[0]
    return np.stack([5 * down, 5 * across, 12 * inside - 6]).astype(np.float32)


class SmallDino(nn.Module):
    """Stands for DINOv3's encoder, with the parts of it that Cellpose uses, and no more."""

    def __init__(self, pretrained=False, width=32):
        super().__init__()
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, 16, stride=16)
        self.patch_embed.norm = nn.LayerNorm(width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.storage_tokens = nn.Parameter(torch.randn(1, 4, width))
        self.blocks = nn.ModuleList(_DinoBlock(width) for _ in range(2))
        self.norm = nn.LayerNorm(width)

    def rope_embed(self, H, W):
        return torch.linspace(-1, 1, H * W)[:, None]


class _DinoBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Linear(width, width)

    def forward(self, tokens, places):
        tokens = tokens + self.attn(tokens, tokens, tokens, need_weights=False)[0]
        with_places = torch.cat([tokens[:, :5], tokens[:, 5:] + places], 1)
        return tokens + self.mlp(with_places).relu()


def use_small_dino(monkeypatch) -> None:
    """Let every new Cellpose-DINO network have two layers of 32 channels."""
    for name in ("dinov3_vitl16", "dinov3_vitb16"):
        monkeypatch.setattr(vit, name, SmallDino, raising=False)


def save_random_dino(path: Path) -> Path:
    """Write weights of a small Cellpose-DINO network whose every part has an effect."""
    torch.manual_seed(0)
    vit.CPDINO().save_model(path)
    return path
