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
