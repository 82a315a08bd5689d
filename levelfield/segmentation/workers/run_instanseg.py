"""InstanSeg in an environment of its own; see `levelfield.segmentation.workers.exchange`."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from instanseg import InstanSeg
from serve import prepare_torch, serve  # type: ignore[import-not-found]  # beside this file

SCRIPT = "instanseg.pt"  # the name of the TorchScript in published archives


def load(path: Path, device: str) -> InstanSeg:
    """Load a TorchScript, or a published archive with one in it."""
    prepare_torch(device)
    network = torch.jit.load(_script(path), map_location="cpu")
    return InstanSeg(network, device=device, verbosity=0, channels_last=False)


def _script(path: Path) -> io.BytesIO:
    """Return the TorchScript, which is a zip archive itself, of a file."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if PurePosixPath(name).name == SCRIPT:
                return io.BytesIO(archive.read(name))
    return io.BytesIO(path.read_bytes())


def segment(
    model: InstanSeg, images: Sequence[np.ndarray], parameters: dict[str, Any]
) -> list[np.ndarray]:
    """Segment images, each by itself."""
    results = []
    for image in images:
        labels = model.eval_small_image(
            torch.from_numpy(image), return_image_tensor=False, **parameters
        )
        results.append(labels[0, 0].cpu().numpy())
    return results


if __name__ == "__main__":
    serve(load, segment)
