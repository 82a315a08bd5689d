"""Cellpose 3 in an environment of its own; see `levelfield.workers.exchange`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose.models import CellposeModel
from serve import serve

NUCLEI_DIAMETER = 17.0  # px; of the published model `nuclei`, whose file does not say so


def load(path: Path, rule: str) -> tuple[CellposeModel, str]:
    """Load a published or a user's model."""
    if rule == "auto":
        rule = "cuda" if torch.cuda.is_available() else "cpu"
    if rule.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch sees no GPU; set 'device: cpu' in the config")
    torch.set_num_threads(1)
    diameter = NUCLEI_DIAMETER if path.name.startswith("nuclei") else 30.0
    device = torch.device(rule)
    model = CellposeModel(device=device, pretrained_model=str(path), diam_mean=diameter)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return model, f"{rule} ({name})" if name else rule


def segment(
    model: CellposeModel, images: Sequence[np.ndarray], parameters: dict[str, Any]
) -> list[np.ndarray]:
    """Segment images of one channel, or of two: cytoplasm and nuclei."""
    n_channels = len(images[0])
    if n_channels > 2:
        raise ValueError(
            f"Cellpose 3 sees 1 channel, or 2 (cytoplasm and nuclei), but was given {n_channels}"
        )
    masks = model.eval(
        list(images),
        channels=[0, 0] if n_channels == 1 else [1, 2],
        channel_axis=0,
        diameter=parameters["diameter"],
        flow_threshold=parameters["flow_threshold"],
        cellprob_threshold=parameters["cell_probability"],
        niter=parameters["iterations"],
        min_size=-1,
    )[0]
    return masks


if __name__ == "__main__":
    serve(load, segment)
