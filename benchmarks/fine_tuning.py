"""Fine-tuning from weights against training from scratch, on acquisitions the weights never saw.

The weights must have been trained without the groups of fold 1 (``folds.csv``): each of these is an
acquisition that is new to them. Of each, 5 and 10 images (evenly spread over its sorted names) are
learned from, and others judge; no acquisition has 50 images to spare, so those are taken from all
of them together. At most ``--judges`` images of an acquisition judge. Fine-tuning uses the defaults
of the workflow; training from scratch gets more steps (``--more``), and the usual learning rate.
All are judged with outlines that follow the image (`outline: 0.4`) and as the network has learned
them (`outline: null`).
Writes ``results/fine_tuning.csv`` and ``results/fine_tuning.png``, and prints by how much 10 images
improve AP@0.7.

Run: ``OMP_NUM_THREADS=1 python benchmarks/fine_tuning.py --weights FOLDER/weights.safetensors``
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from train_network import DATA, REPOSITORY, load_image

from levelfield.segmentation.networks.unet import load_network
from levelfield.training.kinds import KINDS, unet_segmenter
from levelfield.training.loop import train
from levelfield.training.recipe import TrainingSettings
from levelfield.training.scoring import MEANS, POOLED, score_segmenter

RESULTS = REPOSITORY / "benchmarks" / "results"
FOLD = 1
SIZES = (5, 10)
LARGE = 50
TOGETHER = "all together"
WAYS = ("as shipped", "fine-tuned", "from scratch")
# The default, and those that the network itself has learned.
OUTLINES = {"image": 0.4, "network": None}


def spread(names: list[str], n: int) -> list[str]:
    """Choose at most n names, evenly over all."""
    if len(names) <= n:
        return names
    return [names[i] for i in np.linspace(0, len(names) - 1, n).round().astype(int)]


def tasks(index: pd.DataFrame, judges: int) -> list[tuple[str, list[str], list[str]]]:
    """List what is learned from and what judges: acquisition, training images, test images."""
    found = []
    groups = {group: sorted(part["name"]) for group, part in index.groupby("group")}
    for group, names in groups.items():
        # All sizes are judged on the same images.
        most = spread(names, max(SIZES))
        rest = [name for name in names if name not in most]
        found += [(group, spread(most, size), rest) for size in SIZES]
    names = [name for part in groups.values() for name in part]
    most = spread(names, LARGE)
    found.append((TOGETHER, most, [name for name in names if name not in most]))
    return [(group, learned, spread(rest, judges)) for group, learned, rest in found]


def settings(way: str, options: argparse.Namespace) -> TrainingSettings:
    """Return the settings of fine-tuning, or of a longer training from scratch."""
    given = dict(KINDS["network"].fine_tuning) | {"check_every": 10_000}
    if way == "from scratch":
        given["steps"] *= options.more
        given["learning_rate"] = TrainingSettings.learning_rate
    return TrainingSettings(**given)


def run(options: argparse.Namespace) -> pd.DataFrame:
    """Train and judge every task in every way."""
    index = pd.read_csv(options.data / "index.csv")
    folds = pd.read_csv(REPOSITORY / "benchmarks" / "folds.csv").set_index("group")["fold"]
    index = index[index["group"].map(folds) == FOLD]
    shipped = load_network(options.weights)[0]
    groups = dict(zip(index["name"], index["group"], strict=True))
    images = {name: load_image(options.data, name, group) for name, group in groups.items()}
    rows = []
    for way in options.ways:
        for acquisition, learned, judges in tasks(index, options.judges):
            if options.acquisitions and acquisition not in options.acquisitions:
                continue
            if way == "as shipped" and len(learned) == min(SIZES):
                continue  # the same weights, judged by the same images
            started = time.process_time()
            weights = shipped
            if way != "as shipped":
                start = shipped if way == "fine-tuned" else None
                chosen = [images[name] for name in learned]
                weights = train(chosen, [], settings(way, options), start).weights
            seconds = time.process_time() - started
            for outlines, outline in OUTLINES.items():
                judged = [images[name] for name in judges]
                segment = unet_segmenter(weights, outline=outline)
                scores = score_segmenter(segment, judged).iloc[0]
                rows.append(
                    {"acquisition": acquisition, "weights": way, "outlines": outlines}
                    | {"n_learned": 0 if way == "as shipped" else len(learned)}
                    | {"n_judges": len(judges), "training_s": round(seconds, 1)}
                    | {name: round(float(scores[name]), 4) for name in (*MEANS, *POOLED)}
                )
            print(pd.DataFrame(rows[-2:]).to_string(index=False, header=len(rows) == 2), flush=True)
            write(pd.DataFrame(rows), options)
    return pd.DataFrame(rows)


def write(table: pd.DataFrame, options: argparse.Namespace) -> None:
    """Write the table, with how it was made."""
    how = settings("fine-tuned", options)
    with (options.out / "fine_tuning.csv").open("w") as file:
        file.write(
            f"# fine-tuning: {how.steps} steps of {how.batch} samples; from scratch: "
            f"{options.more} times as many; one CPU thread, torch {torch.__version__}; training_s "
            "in CPU seconds\n"
        )
        table.to_csv(file, index=False)


def draw(table: pd.DataFrame) -> Figure:
    """Draw AP@0.7 over the number of images, one acquisition beside the other."""
    names = list(dict.fromkeys(table["acquisition"]))
    figure = Figure(figsize=(2.4 * len(names), 3.6), layout="constrained")
    plots = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(plots, names, strict=True):
        part = table[table["acquisition"] == name]
        styles = product(zip(WAYS, ("0.4", "#0072B2", "#D55E00"), strict=True), OUTLINES)
        for (way, colour), outlines in styles:
            some = part[(part["weights"] == way) & (part["outlines"] == outlines)]
            look = {"color": colour, "linestyle": "-" if outlines == "image" else ":"}
            look["label"] = f"{way}, outlines of the {outlines}"
            if some.empty:  # not among --ways
                continue
            if way == "as shipped":
                axes.axhline(some["ap_70"].iloc[0], **look)
            else:
                axes.plot(some["n_learned"], some["ap_70"], marker="o", **look)
        axes.set(title=name, xlabel="images learned from")
        axes.set_xlim(0, part["n_learned"].max() * 1.2)
        axes.spines[["top", "right"]].set_visible(False)
    plots[0].set(ylabel="AP@0.7 on others", ylim=(0, 1))
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def gains(table: pd.DataFrame) -> pd.Series:
    """Return what fine-tuning on 10 images adds to AP@0.7: percentage points, by acquisition."""
    table = table.set_index(["acquisition", "outlines"])[["ap_70", "weights", "n_learned"]]
    tuned = table[(table["weights"] == "fine-tuned") & (table["n_learned"] == max(SIZES))]
    shipped = table[table["weights"] == "as shipped"]
    return 100 * (tuned["ap_70"] - shipped["ap_70"]).dropna()


def main() -> None:
    """Run, print, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--more", type=int, default=5)
    parser.add_argument("--judges", type=int, default=16)
    parser.add_argument("--acquisitions", nargs="*")
    parser.add_argument("--ways", nargs="*", default=WAYS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    table = run(options)
    draw(table).savefig(options.out / "fine_tuning.png", dpi=110, metadata={"Software": None})
    print("\nAP@0.7 gained by fine-tuning on 10 images, percentage points:")
    print(gains(table).round(1).to_string())
    print("mean", gains(table).groupby("outlines").mean().round(1).to_dict())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
