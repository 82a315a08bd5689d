"""Draw the seams in which evidence and reference contradict each other most, to be looked at blind.

Half of the crops are seams that the reference calls false and the evidence true, half the other
way round; their order is random. Judge each from the picture (one nucleus or two?) before opening
the key beside it.

    python benchmarks/qc_seams.py --scores SCORES --out FOLDER [--kind network --setting flow]

Writes FOLDER/seams.png and FOLDER/key.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from qc_data import network_for, read_scene
from skimage.exposure import rescale_intensity

from levelfield.qc.evidence.features import NEIGHBOUR, NUMBER

ACROSS, BORDER = 6, 8


def chosen(seams: pd.DataFrame, number: int) -> pd.DataFrame:
    """Draw among the worst contradictions of both kinds; at most half of all false seams."""
    false, true = seams[seams["is_false"]], seams[~seams["is_false"]]
    most = len(false) // 2
    worst = [false.nsmallest(most, "chance"), true.nlargest(most, "chance")]
    drawn = [part.sample(min(number // 2, len(part)), random_state=1) for part in worst]
    return pd.concat(drawn).sample(frac=1, random_state=2).reset_index(drop=True)


def draw(seams: pd.DataFrame, kind: str, setting: str, path: Path) -> None:
    """Draw every seam twice: the image, and with the outlines of its two objects."""
    rows = -(-len(seams) // ACROSS)
    figure, axes = plt.subplots(rows, 2 * ACROSS, figsize=(2.6 * ACROSS, 1.4 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for _, own in seams.groupby(["group", "image"]):
        scene = read_scene(own["image"].iloc[0], "none", network_for(own["group"].iloc[0]), 0)
        labels = scene.labels(kind, setting)
        for seam in own.itertuples():
            both = np.isin(labels, (getattr(seam, NUMBER), getattr(seam, NEIGHBOUR)))
            place = tuple(
                slice(max(0, found.min() - BORDER), found.max() + BORDER)
                for found in np.nonzero(both)
            )
            light = rescale_intensity(scene.image[place], out_range=(0.0, 1.0)) ** 0.8
            pair = axes.flat[2 * seam.Index : 2 * seam.Index + 2]
            for axis in pair:
                axis.imshow(light, cmap="gray")
            for number in np.unique(labels[place][both[place]]):
                pair[1].contour(labels[place] == number, [0.5], colors="tab:orange", linewidths=1)
            pair[0].set_title(str(seam.Index), fontsize=8, loc="left")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Draw them, and write the key."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", default="network")
    parser.add_argument("--setting", default="flow")
    parser.add_argument("--number", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    seams = pd.read_parquet(options.scores / "seams.parquet")
    own = seams[(seams["kind"] == options.kind) & (seams["setting"] == options.setting)]
    drawn = chosen(own, options.number)
    draw(drawn, options.kind, options.setting, options.out / "seams.png")
    drawn.to_csv(options.out / "key.csv", index_label="seam")
    print(
        f"{len(drawn)} of {own['is_false'].sum()} false and {(~own['is_false']).sum()} true seams"
    )


if __name__ == "__main__":
    main()
