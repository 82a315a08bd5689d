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
from levelfield.qc.evidence.opinion_network import SHIPPED_OPINION

COLLECTIONS = ("bbbc038_train", "aitslab_nuclei")
MISC = "misc"
"""Tissue and odd images: never trained on, never judged."""
SHIPPED = Path(__file__).parents[2] / "weights" / "nuclei.safetensors"
SHIPPED_FOLD = 4
"""The network that comes with Levelfield has seen no group of this fold."""
FOLDS: dict[str, int] = {
    group: fold
    for fold, groups in {
        1: ("256x256_1", "256x256_3", "520x696_1", "520x696_2"),
        2: ("256x256_0", "256x256_5", "360x360_0"),
        3: ("256x256_2", "256x256_4", "520x696_0", "520x696_3"),
        SHIPPED_FOLD: ("aits_170702000001", "aits_170702090001"),
    }.items()
    for group in groups
}
"""Fold of each group: a network that is asked about a group has seen no group of its fold."""


@dataclass(frozen=True)
class Sources:
    """Where the data are: the folder with `COLLECTIONS` and ``bbbc013``, and that of networks.

    ``fold1``, ``fold2`` and ``fold3`` hold cross-fitted networks, as weights and as the second
    opinion asks them.
    """

    data: Path
    networks: Path

    def weights_of(self, fold: int) -> Path:
        """Return the weights of a network that never saw a fold."""
        return SHIPPED if fold == SHIPPED_FOLD else self._cross_fitted(fold, "weights.safetensors")

    def opinion_of(self, fold: int) -> Path:
        """Return the same network as the second opinion asks it."""
        own = self._cross_fitted(fold, "second_opinion.onnx")
        return SHIPPED_OPINION if fold == SHIPPED_FOLD else own

    def _cross_fitted(self, fold: int, name: str) -> Path:
        return self.networks / f"fold{fold}" / name

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
    """Choose images of a group, at most so many and evenly spread, and deal them into halves.

    ``collection, name, half``: the control classes of a plate are made of different images, those
    of half 0 and of half 1, drawn at random with a fixed seed.
    """
    own = index[index["group"] == group].reset_index(drop=True)
    places = np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).astype(int))
    order = np.random.default_rng(38).permutation(len(places))
    return own.loc[places, ["collection", "name"]].reset_index(drop=True).assign(half=order % 2)
