"""Cellpose 3 in an environment of its own; see `levelfield.segmentation.workers.exchange`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose.models import CellposeModel
from serve import prepare_torch, serve  # type: ignore[import-not-found]  # beside this file


def load(path: Path, device: str) -> CellposeModel:
    """Load a published or a user's model."""
    prepare_torch(device)
    model = CellposeModel(device=torch.device(device), pretrained_model=str(path))
    model.own_diameter = model.diam_mean
    return model


def segment(
    model: CellposeModel, images: Sequence[np.ndarray], parameters: dict[str, Any]
) -> list[np.ndarray]:
    """Segment images of one channel, or of two: cytoplasm and nuclei."""
    n_channels = len(images[0])
    if n_channels > 2:
        raise ValueError(
            f"Cellpose 3 sees 1 channel, or 2 (cytoplasm and nuclei), but was given {n_channels}"
        )
    # Object sets may share a model: what one of them asks for must not stay for the next.
    model.diam_mean = parameters["model_diameter"] or model.own_diameter
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
