"""The annotated images that the evidence is trained and calibrated on, by group of images.

A group is an acquisition: images that look alike. Whatever is tested on a group was trained without
its whole fold, the network of the second opinion included.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL.Image import open as open_picture

from levelfield.arrays import Image, Labels
from levelfield.labels.objects import renumber

COLLECTIONS = ("bbbc038_train", "aitslab_nuclei")
MISC = "misc"
"""Tissue and odd images: never trained on, never judged."""
FOLDS: dict[str, int] = {
    "256x256_1": 1,
    "256x256_3": 1,
    "520x696_1": 1,
    "520x696_2": 1,
    "256x256_0": 2,
    "256x256_5": 2,
    "360x360_0": 2,
    "256x256_2": 3,
    "256x256_4": 3,
    "520x696_0": 3,
    "520x696_3": 3,
    "aits_170702000001": 4,
    "aits_170702090001": 4,
}
"""Fold of each group: no network has seen groups of its fold, nor the shipped one those of 4."""


@dataclass(frozen=True)
class Sources:
    """Where the data are.

    Attributes
    ----------
    data : Path
        Folder with `COLLECTIONS` and ``bbbc013``.
    networks : Path
        Folder with ``fold1``, ``fold2`` and ``fold3``: cross-fitted networks, as weights and as the
        second opinion asks them.
    shipped : Path
        Weights of the network that comes with Levelfield.
    shipped_opinion : Path
        The same network as the second opinion asks it.
    """

    data: Path
    networks: Path
    shipped: Path
    shipped_opinion: Path

    def weights_of(self, fold: int) -> Path:
        """Return the weights of a network that never saw a fold."""
        return self.shipped if fold == 4 else self.networks / f"fold{fold}" / "weights.safetensors"

    def opinion_of(self, fold: int) -> Path:
        """Return the same network as the second opinion asks it."""
        if fold == 4:
            return self.shipped_opinion
        return self.networks / f"fold{fold}" / "second_opinion.onnx"

    def index(self) -> pd.DataFrame:
        """List all images of `FOLDS`: ``collection, name, group``."""
        tables = [
            pd.read_csv(self.data / name / "index.csv").assign(collection=name)
            for name in COLLECTIONS
        ]
        table = pd.concat(tables, ignore_index=True)
        unknown = sorted(set(table["group"]) - {*FOLDS, MISC})
        if unknown:
            raise ValueError(
                f"Group {unknown[0]} of {self.data} belongs to no fold, so nothing says which "
                "network never saw it. Add it to levelfield.qc.train.images.FOLDS."
            )
        return table[table["group"] != MISC].reset_index(drop=True)

    def read(self, collection: str, name: str) -> tuple[Image, Labels]:
        """Read an image (Y, X), intensity 0-1, and its reference labels (Y, X)."""
        folder = self.data / collection
        image = np.asarray(open_picture(folder / "images" / f"{name}.png"), np.float32)
        labels = np.asarray(open_picture(folder / "labels" / f"{name}.png")).astype(np.int32)
        return image / np.float32(255), renumber(labels)


def chosen_images(index: pd.DataFrame, group: str, most: int) -> pd.DataFrame:
    """Choose the images of a group that are used, with the half of the group that each is in.

    Parameters
    ----------
    index : DataFrame
        From `Sources.index`.
    group : str
        Whose images.
    most : int
        At most so many, evenly spread over the group.

    Returns
    -------
    DataFrame
        ``collection, name, half``: the control classes of a plate are made of different images,
        those of half 0 and of half 1, drawn at random with a fixed seed.
    """
    own = index[index["group"] == group].reset_index(drop=True)
    places = np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).astype(int))
    own = own.iloc[places].reset_index(drop=True)
    order = np.random.default_rng(38).permutation(len(own))
    return own[["collection", "name"]].assign(half=order % 2)
