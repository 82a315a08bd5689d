"""Compare the decoders of the network, on perfect and on real predictions.

Without ``--weights``: perfect predictions, made of the labels of all images of BBBC038. What a
decoder loses on them its representation loses by nature: touching objects for components, thin and
hollow ones for distances and polygons. Prints and writes ``results/decoders_perfect.csv``: mean
scores per image and CPU milliseconds for a site of 1080 x 1080 px.

With ``--weights FILE --split FILE``: what the network predicts of the images that have the role
``--role`` in the split that was written beside the weights. Writes ``results/decoders_real.csv``,
and ``results/decoders_groups.csv`` with the same per group. With ``--tune`` it tries values of each
decoder's parameters, one at a time from the defaults, and writes ``results/decoders_tuning.csv``;
use ``--role validation``, or the figures of what is held out mean nothing any more.

Run: ``OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/compare_decoders.py``
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from perfect_predictions import perfect_prediction  # noqa: E402

from benchmarks.decoders import DECODERS  # noqa: E402
from benchmarks.segmentation import DATA, SCORES, write  # noqa: E402
from levelfield.evaluation import evaluate_image  # noqa: E402
from levelfield.segmentation.small_network.inference import load_model, predict  # noqa: E402
from levelfield.segmentation.small_network.prediction import Prediction  # noqa: E402

SHARED = {
    "foreground": (0.35, 0.4, 0.45, 0.55, 0.6),
    "minimum_foreground": (0.0, 0.7, 0.75, 0.8, 0.9),
    "minimum_diameter": (3.0, 5.0, 6.0),
}
OWN = {
    "three_class": {"interior": (0.4, 0.5, 0.6, 0.8)},
    "distance": {"core": (0.3, 0.4, 0.6, 0.7)},
    "star": {"centre": (0.3, 0.4, 0.6, 0.7), "overlap": (0.15, 0.2, 0.4, 0.5)},
    "star_seeds": {
        "centre": (0.3, 0.4, 0.6, 0.7),
        "overlap": (0.15, 0.2, 0.4, 0.5),
        "core": (0.3, 0.5, 0.9),
    },
    "flow": {"depth": (0.1, 0.3, 0.7, 0.9)},
    "affinity": {"joining": (0.3, 0.4, 0.5, 0.6), "dividing": (0.2, 0.35, 0.65)},
    "consensus": {"minimum_agreement": (0.3, 0.4, 0.6, 0.7)},
}
Case = tuple[str, str, Prediction, np.ndarray]


def score(cases: Iterable[Case], decoders: dict[str, Callable]) -> pd.DataFrame:
    """One row per image and decoder."""
    rows = []
    for number, (name, group, prediction, reference) in enumerate(cases, 1):
        for title, decode in decoders.items():
            scores = evaluate_image(decode(prediction), reference).scores
            row = {short: scores[long] for long, short in SCORES.items()}
            rows.append({"decoder": title, "name": name, "group": group, **row})
        if number % 50 == 0:
            print(f"{number} images", flush=True)
    return pd.DataFrame(rows)


def milliseconds(prediction: Prediction) -> pd.Series:
    """CPU time of each decoder; the best of three, compiled before."""
    times = {}
    for name, decode in DECODERS.items():
        decode(prediction)
        taken = []
        for _ in range(3):
            start = time.process_time()
            decode(prediction)
            taken.append(1000 * (time.process_time() - start))
        times[name] = min(taken)
    return pd.Series(times, name="ms_1080")


def site(index: pd.DataFrame, load: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Tile a 1080 x 1080 px site from nine 360 x 360 px images, with all their nuclei."""
    names = index.loc[index["group"] == "360x360_0", "name"].iloc[:9]
    images, labels = zip(*map(load, names), strict=True)
    n_before = np.cumsum([0] + [tile.max() for tile in labels])
    labels = [
        np.where(tile > 0, tile + n, 0) for tile, n in zip(labels, n_before[:-1], strict=True)
    ]
    blocks = [[tiles[row : row + 3] for row in (0, 3, 6)] for tiles in (list(images), labels)]
    return np.block(blocks[0]), np.block(blocks[1]).astype(np.int32)


def tuned_decoders() -> dict[str, Callable]:
    """List each decoder with its defaults, and with one parameter changed at a time."""
    decoders: dict[str, Callable] = {}
    for name, decode in DECODERS.items():
        decoders[name] = decode
        for parameter, values in (SHARED | OWN.get(name, {})).items():
            for value in values:
                decoders[f"{name} {parameter}={value}"] = partial(decode, **{parameter: value})
    return decoders


def main() -> None:
    """Run everything that was asked for."""
    options = arguments()
    index = pd.read_csv(options.data / "index.csv")

    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        image = np.asarray(Image.open(options.data / "images" / f"{name}.png"))
        labels = np.asarray(Image.open(options.data / "labels" / f"{name}.png"))
        return image.astype(np.float32) / 255, labels.astype(np.int32)

    if options.weights is None:
        kind, chosen, source = "perfect", index, "perfect predictions"
    else:
        split = pd.read_csv(options.split)
        kind, chosen = "real", split[split["role"] == options.role]
        source = f"{options.weights.parent.name}/{options.weights.name}, {options.role} images"
        model = load_model(options.weights)

    def predicted(image: np.ndarray, labels: np.ndarray) -> Prediction:
        return perfect_prediction(labels) if kind == "perfect" else predict(model, image)

    def cases() -> Iterable[Case]:
        for name, group in zip(chosen["name"], chosen["group"], strict=True):
            image, labels = load(name)
            yield name, group, predicted(image, labels), labels

    chosen = chosen.groupby("group").nth[:: options.every]
    note = f"{source}, {len(chosen)} images"
    if options.tune:
        table = score(cases(), tuned_decoders()).drop(columns=["name", "group"])
        write(table.groupby("decoder", sort=False).mean().reset_index(), "decoders_tuning", note)
        return
    times = milliseconds(predicted(*site(index, load)))
    scores = score(cases(), DECODERS).drop(columns="name")
    table = scores.drop(columns="group").groupby("decoder", sort=False).mean().join(times)
    write(table.reset_index(), f"decoders_{kind}", note)
    if kind == "real":
        groups = scores.groupby(["decoder", "group"], sort=False).mean()
        write(groups.reset_index(), "decoders_groups", note)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--every", type=int, default=1, help="take each N-th image of a group only")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--split", type=Path)
    parser.add_argument("--role", default="held out")
    parser.add_argument("--tune", action="store_true")
    options = parser.parse_args()
    if (options.weights is None) != (options.split is None):
        parser.error("--weights and --split go together: the split says what the weights never saw")
    return options


if __name__ == "__main__":
    main()
