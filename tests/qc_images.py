"""Real images for the tests of the QC: BBBC038 nuclei with labels, BBBC013 nuclei and cells."""

import numpy as np
import pandas as pd
from PIL import Image
from real_images import BBBC013, BBBC038
from scipy import ndimage

from levelfield.segmentation.registry import segment_objects


def nuclei_by_group(images=2):
    """Image and reference labels, a few per acquisition: [(group, [(image, labels), ...]), ...]."""
    index = pd.read_csv(BBBC038 / "index.csv")
    groups = index[(index["group"] != "misc") & (index["n"] >= 20)].groupby("group")
    return [
        (group, [load_nuclei(name) for name in rows["name"].head(images)]) for group, rows in groups
    ]


def load_nuclei(name):
    folder = BBBC038
    image = np.asarray(Image.open(folder / "images" / f"{name}.png"), np.float32) / 255
    labels = np.asarray(Image.open(folder / "labels" / f"{name}.png")).astype(np.int32)
    return image, labels


def load_bbbc013(well):
    """DNA and FKHR image of one well of the BBBC013 plate, 8 bit, background clipped at 0."""
    folder = BBBC013
    found = [
        next(folder.glob(f"Channel{channel}-*-{well[0]}-{well[1:]}.tif")) for channel in (2, 1)
    ]
    return tuple(np.asarray(Image.open(path), np.float32) / 255 for path in found)


def nuclei_and_cells(well):
    """DNA image, nuclei, FKHR image, cells."""
    dna, fkhr = load_bbbc013(well)
    nuclei = segment_objects(dna[None], "classical", {}).labels
    cells = segment_objects(fkhr[None], "propagation", {}, {"parent": nuclei}).labels
    return dna, nuclei, fkhr, cells


def dilated(labels, distance):
    """Grow objects over background up to a distance in px; where they meet, the nearer wins."""
    outside, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    return np.where(outside <= distance, labels[tuple(nearest)], 0).astype(np.int32)


def eroded(labels, distance):
    """Remove object pixels up to a distance in px from background; keep every object's core."""
    inside = ndimage.distance_transform_edt(labels > 0)
    return np.where(inside > distance, labels, 0).astype(np.int32)


def merged(labels, share, rng):
    """Merge a share of the touching pairs of a label image; returns labels and pairs merged."""
    pairs = touching_pairs(labels)
    chosen = pairs[rng.permutation(len(pairs))[: round(share * len(pairs))]]
    target = np.arange(labels.max() + 1)
    for one, other in chosen:
        target[target == target[other]] = target[one]
    return target[labels].astype(np.int32), len(chosen)


def touching_pairs(labels):
    pairs = set()
    for view in (labels, labels.T):
        here, there = view[1:], view[:-1]
        where = (here != there) & (here > 0) & (there > 0)
        pairs |= {tuple(sorted(pair)) for pair in zip(here[where], there[where], strict=True)}
    return np.array(sorted(pairs), int).reshape(-1, 2)


def split(labels, share, rng):
    """Cut a share of the objects in two across their longer axis; returns labels and number."""
    count = labels.max()
    chosen = 1 + rng.permutation(count)[: round(share * count)]
    result = labels.copy()
    for label in chosen:
        y, x = np.nonzero(labels == label)
        points = np.stack([y - y.mean(), x - x.mean()])
        _, axes = np.linalg.eigh(points @ points.T)
        half = axes[:, 1] @ points > 0
        result[y[half], x[half]] = result.max() + 1
    return result, len(chosen)
