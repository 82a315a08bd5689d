"""Sites of real images and their labels, and what a perfect network would say of them."""

from itertools import cycle, islice
from pathlib import Path

import numpy as np
from cellpose import dynamics
from PIL import Image

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "bbbc038_train"
COUNTS = 65535.0
DISTINCT = 4  # sites; more are repetitions of these


def read(name, folder):
    return np.asarray(Image.open(DATA / folder / name))


def mosaic(side, shift):
    """Return a site (1, side, side) of real images, and its labels."""
    image, labels = np.zeros((side, side), np.float32), np.zeros((side, side), np.int32)
    names = sorted(path.name for path in (DATA / "labels").glob("*.png"))
    small = [name for name in names if read(name, "labels").shape == (256, 256)]
    if not small:
        raise ValueError(f"no images lie in '{DATA}': of blank sites every figure would be wrong")
    corners = [(row, column) for row in range(0, side, 256) for column in range(0, side, 256)]
    for (row, column), name in zip(corners, islice(cycle(small), shift, None), strict=False):
        part = labels[row : row + 256, column : column + 256]
        found = read(name, "labels")[: part.shape[0], : part.shape[1]].astype(np.int32)
        part[:] = np.where(found > 0, found + labels.max(), 0)
        plane = read(name, "images")[: part.shape[0], : part.shape[1]]
        image[row : row + 256, column : column + 256] = plane / 255
    return image[None], labels


def flows_of(labels, device):
    """Return what a perfect network would say of labels: (3, Y, X)."""
    _, inside, down, across = dynamics.labels_to_flows([labels.copy()], device=device)[0]
    return np.stack([5 * down, 5 * across, 12 * inside - 6]).astype(np.float32)
