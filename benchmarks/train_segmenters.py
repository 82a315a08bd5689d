"""Train a small model of every learned segmenter, minutes each, for `segmentation.py --segmenters`.

They learn from 256 x 256 px images of groups that fold 1 (``folds.csv``) does not hold out. The
environments are those of `make test-segmenters`. Writes into ``--out``: ``stardist.zip``,
``cellpose3``, ``instanseg.pt``, ``mask_rcnn.safetensors``, and with ``--cellpose`` the 1.2 GB of
``cellpose``, whose judgement takes a minute for each image on a CPU.

Run: ``OMP_NUM_THREADS=1 python benchmarks/train_segmenters.py --out FOLDER``
"""

import argparse
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from train_network import DATA, REPOSITORY, load_image

from levelfield.segmentation.workers.exchange import environment_python
from levelfield.training.kinds import KINDS
from levelfield.training.loop import train

SCRIPTS = REPOSITORY / "tests" / "segmenters"
GROUPS = ("256x256_0", "256x256_4", "256x256_5")
IMAGES_PER_GROUP = 20


def chosen_images(data: Path) -> list:
    """Take the first images of each group."""
    index = pd.read_csv(data / "index.csv")
    part = index[index["group"].isin(GROUPS)].groupby("group").head(IMAGES_PER_GROUP)
    return [load_image(data, row.name, row.group) for row in part.itertuples(index=False)]


def train_elsewhere(environment: str, samples: Path, folder: Path) -> None:
    """Train in an environment of its own."""
    command = [environment_python(environment), SCRIPTS / f"train_{environment}.py"]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
    subprocess.run([*command, samples, folder], check=True, env=settings)


def zip_folder(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)


def main() -> None:
    """Train what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cellpose", action="store_true")
    options = parser.parse_args()
    out, images = options.out, chosen_images(options.data)
    out.mkdir(parents=True, exist_ok=True)
    pixels, labels = [image.image for image in images], [image.labels for image in images]
    samples = out / "samples.npz"
    np.savez(samples, images=np.stack(pixels), labels=np.stack(labels))
    if not (out / "mask_rcnn.safetensors").exists():
        kind = KINDS["mask_rcnn"]
        settings = kind.settings({}, fine_tuning=False)
        result = train(images, [], settings, recipe=kind.recipe)
        kind.write(out / "mask_rcnn.safetensors", result.weights, settings, {})
    if not (out / "stardist.zip").exists():
        train_elsewhere("stardist", samples, out)
        zip_folder(out / "small", out / "stardist.zip")
    if not (out / "cellpose3").exists():
        train_elsewhere("cellpose3", samples, out)
        (out / "models" / "small").rename(out / "cellpose3")
    if not (out / "instanseg.pt").exists():
        train_elsewhere("instanseg", samples, out)
        (out / "small.pt").rename(out / "instanseg.pt")
    if options.cellpose and not (out / "cellpose").exists():
        sys.path.insert(0, str(SCRIPTS))
        from train_cellpose import train_cellpose

        train_cellpose(pixels, labels, out / "cellpose")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
