"""The annotated nuclei: two collections, their groups, and the same images at other magnifications.

A folder of collections holds, of each, ``index.csv`` (``name, group`` and more), ``images`` and
``labels``. ``folds.csv`` says which network never learns from a group: that of its fold, 1 to 3.
The groups of fold 0 are never left out.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from levelfield.segmentation.small_network.tiles import rescale

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data"
COLLECTIONS = ("bbbc038_train", "aitslab_nuclei")


def read_index(data: Path = DATA) -> pd.DataFrame:
    """Return ``name, group, fold, folder`` of every image of both collections."""
    parts = [
        pd.read_csv(data / name / "index.csv").assign(folder=str(data / name))
        for name in COLLECTIONS
    ]
    folds = pd.read_csv(REPOSITORY / "benchmarks" / "folds.csv").set_index("group")["fold"]
    index = pd.concat(parts, ignore_index=True)
    return index.assign(fold=index["group"].map(folds))[["name", "group", "fold", "folder"]]


def read_image(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (Y, X) float32 from 0 to 1 and its labels (Y, X) int32."""
    image, labels = (
        Image.open(next((Path(folder) / kind).glob(f"{name}.*"))) for kind in ("images", "labels")
    )
    # A format that knows no grey levels has them three times.
    return np.float32(image.convert("L")) / 255, np.asarray(labels).astype(np.int32)


def zoomed(image: np.ndarray, labels: np.ndarray, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and its labels as another objective would show them."""
    if zoom == 1:
        return image, labels
    larger = ndimage.zoom(labels, zoom, order=0, grid_mode=True, mode="nearest")
    return rescale(image, zoom), larger
