"""Compare losses, and heads that learn jointly with heads that learn alone.

* Losses: weights that never saw fold 1 (``--start``) learn on for 400 steps, with the losses of the
  heads only, and with a loss more that asks one of the QC's questions.
* Heads: from scratch for 300 steps, all together, or only those that one decoder needs.

All are judged on every ``--every``-th image of fold 1. So few steps compare, they do not finish.
Writes ``results/losses.csv``; trained weights stay in ``--out``, and are used again if they are
there.

Run: ``OMP_NUM_THREADS=1 python benchmarks/losses.py --start WEIGHTS --out FOLDER``
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from segmentation import DATA, judge, write
from train_network import load_image

from levelfield.segmentation.methods.network import NetworkOptions, decode
from levelfield.segmentation.small_network.inference import load_model

SCRIPT = Path(__file__).with_name("train_network.py")
MORE = ("--steps", "400", "--learning_rate", "0.001", "--seed", "2", "--check_every", "100")
SCRATCH = ("--steps", "300", "--check_every", "100")
EVERY_DECODER = ("flow", "affinity", "three_class")
# Name: options of the training, and the decoders that it serves.
VARIANTS = {
    "loss_standard": (MORE, EVERY_DECODER),
    "loss_threshold_bias": ((*MORE, "--threshold_bias", "0.5"), EVERY_DECODER),
    "loss_split_merge": ((*MORE, "--split_merge", "0.5"), EVERY_DECODER),
    "heads_joint": (SCRATCH, EVERY_DECODER),
    "heads_flow": ((*SCRATCH, "--heads", "foreground", "flow"), ("flow",)),
    "heads_affinities": ((*SCRATCH, "--heads", "foreground", "affinities"), ("affinity",)),
    "heads_classes": ((*SCRATCH, "--heads", "foreground", "classes"), ("three_class",)),
}


def trained(name: str, options: tuple[str, ...], start: Path, out: Path) -> Path:
    """Return the weights of a variant; train them if they are not there."""
    folder = out / name
    if not (folder / "weights.safetensors").is_file():
        begin = ("--start", str(start)) if name.startswith("loss") else ()
        command = [sys.executable, str(SCRIPT), "--fold", "1", "--out", str(folder)]
        subprocess.run([*command, "--workers", "0", *begin, *options], check=True)
    return folder


def score(folder: Path, decoders: tuple[str, ...], data: Path, every: int) -> pd.DataFrame:
    """Judge one variant's decoders on images that it has not seen; one row per decoder."""
    model = load_model(folder / "weights.safetensors")
    split = pd.read_csv(folder / "split.csv")
    unseen = split[split["role"] == "held out"].iloc[::every]
    images = [load_image(data, row.name, row.group) for row in unseen.itertuples(index=False)]
    typical = {
        group: float(np.median([image.diameter for image in images if image.group == group]))
        for group in unseen["group"].unique()
    }
    rows = []
    for image in images:
        prediction = model.predict([image.image], typical[image.group])[0]
        for decoder in decoders:
            labels = decode(prediction, image.image.shape, NetworkOptions(decoder=decoder)).labels
            rows.append({"decoder": decoder, **judge(labels, image.labels)})
    return pd.DataFrame(rows).groupby("decoder", sort=False).mean().reset_index()


def main() -> None:
    """Train what is missing, judge everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=2)
    options = parser.parse_args()
    tables = []
    for name, (training, decoders) in VARIANTS.items():
        folder = trained(name, training, options.start, options.out)
        table = score(folder, decoders, options.data, options.every)
        tables.append(table.assign(variant=name))
        print(tables[-1].round(3).to_string(index=False), flush=True)
    table = pd.concat(tables, ignore_index=True)
    write(table[["variant", *table.columns[:-1]]], "losses")


if __name__ == "__main__":
    main()
