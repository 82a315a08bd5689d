"""The few real images on which small models are trained, and the ones that judge them.

The split is by group, that is by acquisition: no image of a held-out group is trained on.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from real_images import BBBC038

TRAINING_GROUPS = ("256x256_3", "256x256_4", "256x256_5")
HELD_OUT_GROUP = "256x256_1"
N_HELD_OUT = 4


def _read(name: str) -> tuple[np.ndarray, np.ndarray]:
    with Image.open(BBBC038 / "images" / f"{name}.png") as image:
        pixels = np.asarray(image, np.float32) / 255
    with Image.open(BBBC038 / "labels" / f"{name}.png") as labels:
        return pixels, np.asarray(labels, np.int32)


def _names(groups: tuple[str, ...]) -> list[str]:
    index = pd.read_csv(BBBC038 / "index.csv")
    chosen = index[index["group"].isin(groups)]
    return [name for name in chosen["name"] if (BBBC038 / "images" / f"{name}.png").exists()]


def training_images() -> list[tuple[np.ndarray, np.ndarray]]:
    """Images (Y, X) of intensity 0-1 and their labels, all 256 x 256 px."""
    return [_read(name) for name in _names(TRAINING_GROUPS)]


def write_training_sheet(path: Path) -> Path:
    """Write a sheet of the same images, for the workflow's own training."""
    names = _names(TRAINING_GROUPS)
    groups = pd.read_csv(BBBC038 / "index.csv").set_index("name")["group"]
    rows = [
        {
            "image": BBBC038 / "images" / f"{name}.png",
            "labels": BBBC038 / "labels" / f"{name}.png",
            "group": groups[name],
        }
        for name in names
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def held_out_images() -> list[tuple[np.ndarray, np.ndarray]]:
    """The first images of the group that nothing is trained on."""
    return [_read(name) for name in _names((HELD_OUT_GROUP,))[:N_HELD_OUT]]


def write_training_images(path: Path) -> Path:
    """Write the training images for a script that runs in another environment."""
    images, labels = zip(*training_images(), strict=True)
    np.savez(path, images=np.stack(images), labels=np.stack(labels))
    return path
