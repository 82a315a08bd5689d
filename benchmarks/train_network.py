"""Train the network for nuclei on BBBC038, as the shipped weights were trained.

``--fold K`` leaves out the groups of fold K (``folds.csv``; fold 0 is never left out, so that
``--fold 0`` learns from all groups but those of validation). One more group of the rest decides
when to stop. Writes into ``--out``: ``weights.safetensors``, ``history.csv`` (the losses),
``split.csv`` (the role of every image), and ``checkpoint.pt``, from which it resumes.

Run: ``OMP_NUM_THREADS=1 python benchmarks/train_network.py --fold 1 --out FOLDER``
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from levelfield.segmentation.networks.unet import load_network, save_network
from levelfield.training.loop import train
from levelfield.training.losses import HEADS
from levelfield.training.recipe import Machine, TrainingSettings
from levelfield.training.samples import training_image

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data" / "bbbc038_train"


def load_image(data: Path, name: str, group: str):
    """Read one image of BBBC038 and its labels."""
    image = np.asarray(Image.open(data / "images" / f"{name}.png"))
    labels = np.asarray(Image.open(data / "labels" / f"{name}.png"))
    return training_image(name, group, image.astype(np.float32) / 255, labels.astype(np.int32))


def roles(index: pd.DataFrame, fold: int, validation: list[str]) -> pd.DataFrame:
    """Give every image its role: training, validation or held out; groups stay whole."""
    folds = pd.read_csv(REPOSITORY / "benchmarks" / "folds.csv").set_index("group")["fold"]
    held_out = index["group"].map(folds).eq(fold) & (fold > 0)
    role = np.where(held_out, "held out", "training").astype(object)
    role[index["group"].isin(validation) & ~held_out] = "validation"
    return index[["name", "group"]].assign(role=role)


def progress(row: dict[str, float], seconds_left: float) -> None:
    validation = f", validation {row['validation']:.3f}" if "validation" in row else ""
    print(
        f"step {row['step']:.0f}: training {row['training']:.3f}{validation}, "
        f"{seconds_left / 60:.0f} min left",
        flush=True,
    )


def main() -> None:
    """Train once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--validation", nargs="*", default=["520x696_3"])
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    for name in ("steps", "check_every", "batch", "side", "patience", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(TrainingSettings, name))
    for name in ("learning_rate", "threshold_bias", "split_merge"):
        parser.add_argument(f"--{name}", type=float, default=getattr(TrainingSettings, name))
    parser.add_argument("--heads", nargs="*", default=HEADS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    options.out.mkdir(parents=True, exist_ok=True)
    index = pd.read_csv(options.data / "index.csv")
    split = roles(index, options.fold, options.validation)
    split.to_csv(options.out / "split.csv", index=False)
    images = {
        role: [
            load_image(options.data, row.name, row.group) for row in part.itertuples(index=False)
        ]
        for role, part in split.groupby("role")
        if role != "held out"
    }
    settings = TrainingSettings(
        **{
            name: getattr(options, name)
            for name in TrainingSettings.__dataclass_fields__
            if name not in ("heads", "backbone")
        },
        heads=tuple(options.heads),
    )
    result = train(
        images["training"],
        images.get("validation", []),
        settings,
        load_network(options.start)[0] if options.start else None,
        Machine(options.device, options.workers),
        options.out / "checkpoint.pt",
        progress,
    )
    result.history.to_csv(options.out / "history.csv", index=False)
    facts = {"data": "BBBC038v1, fluorescence part", "fold": str(options.fold)}
    save_network(options.out / "weights.safetensors", result.weights, facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
