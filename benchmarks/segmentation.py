"""Compare segmentation methods on BBBC038 nuclei, with one parameter set for all images.

Prints and writes, from one run:

* ``results/segmentation.csv``: methods and their mean scores per image: average precision at an IoU
  of 0.5, 0.7 and 0.9, intersection over union of the foreground, splits and merges per object, the
  boundary bias, and CPU milliseconds per image;
* ``results/segmentation_groups.csv``: the same for each group of images;
* ``results/segmentation_folds.csv``: 5-fold cross-validation over groups. In each fold the
  candidate that is best on the other folds' images is judged on this fold's. The group ``misc`` is
  never judged;
* ``results/segmentation_network.csv`` and ``segmentation_network_groups.csv``: the decoders of
  the small network beside the classical methods, on the groups that its weights have not seen. The
  diameter is measured once for each group, as the workflow does for a plate. With ``--network``
  and ``--table`` the same for other weights; with ``--segmenters FOLDER`` also the small models
  of other segmenters that ``train_segmenters.py`` has left there;
* ``results/segmentation_speed.csv``: a 1080 x 1080 px site, against the same steps written with
  scikit-image and SciPy calls as a user would, and the largest memory in multiples of the image.

Run: ``OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/segmentation.py --data FOLDER`` with
the folder of ``bbbc038_train``.
"""

import argparse
import datetime
import platform
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from skimage import feature, filters, measure, segmentation

from levelfield.evaluation import evaluate_image
from levelfield.segmentation import load_model as load_segmenter
from levelfield.segmentation import segment_objects
from levelfield.segmentation.decoders import DECODERS
from levelfield.segmentation.methods.network import NetworkOptions, decode
from levelfield.segmentation.pixel_classifier import classes_from_labels, train_pixel_classifier
from levelfield.segmentation.small_network.inference import load_model
from levelfield.segmentation.threshold import GLOBAL_THRESHOLDS

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
DATA = REPOSITORY.parent / "shared" / "data" / "bbbc038_train"
# Weights that never saw the images of fold 1 of `folds.csv`, and the roles of all images.
NETWORK = REPOSITORY / "benchmarks" / "networks" / "fold1"
N_FOLDS = 5
SCORES = {
    "ap_50": "AP50",
    "ap_70": "AP70",
    "ap_90": "AP90",
    "split_rate": "splits",
    "merge_rate": "merges",
    "boundary_bias_px": "bias_px",
}
BALL = ({"step": "subtract_background", "parameters": {"method": "rolling_ball", "radius": 60}},)


def textbook(image):
    """Otsu and a distance watershed with scikit-image and SciPy, as tutorials do it."""
    smooth = filters.gaussian(image, 1)
    foreground = ndimage.binary_fill_holes(smooth > filters.threshold_otsu(smooth))
    distance = ndimage.distance_transform_edt(foreground)
    clumps = measure.label(foreground)
    surface = filters.gaussian(distance, 1)
    peaks = feature.peak_local_max(surface, min_distance=5, labels=clumps, exclude_border=False)
    seeds = np.zeros(image.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, seeds, mask=foreground)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return segmentation.relabel_sequential(np.where(areas[labels] >= 28, labels, 0))[0]


def method(name="classical", steps=(), given=None, **parameters):
    """Return a function from an image to labels."""

    def run(image):
        return segment_objects(image[None], name, parameters, given, steps).labels

    return run


def all_methods(load, forest_names) -> dict[str, Callable]:
    """Every row of the table."""
    methods = {"textbook: Otsu + distance watershed": textbook}
    for name in GLOBAL_THRESHOLDS:
        for log in (False, True):
            title = f"one threshold: {name}{' of the logarithm' if log else ''}"
            methods[title] = method(outline=None, threshold={"method": name, "log": log})
    sauvola = {"method": "sauvola", "window": 101}
    methods["one threshold: sauvola 101"] = method(outline=None, threshold=sauvola)
    blocks = {"method": "otsu", "window": 128}
    methods["one threshold: otsu, blocks of 128"] = method(outline=None, threshold=blocks)
    for centres in ("shape", "intensity", "log", "none"):
        lines = centres if centres != "log" else "shape"
        title = f"own outlines: centres {centres}, lines {lines}"
        methods[title] = method(declump={"centres": centres, "lines": lines})
    methods["own outlines: lines propagation"] = method(declump={"lines": "propagation"})
    methods["own outlines (default)"] = method()
    methods["own outlines after rolling ball"] = method(steps=BALL)
    methods |= candidates()
    forest = train_pixel_classifier(
        (image[None], classes_from_labels(labels)) for image, labels in map(load, forest_names)
    )
    methods["pixel classifier, 5 images"] = method("pixel_classifier", given={"classifier": forest})
    return methods


def candidates() -> dict[str, Callable]:
    """List the parameter sets among which the cross-validation chooses."""
    return {
        f"candidate: outline {outline}, depth {depth}": method(
            steps=BALL, outline=outline, declump={"depth": depth}
        )
        for outline in (0.35, 0.4, 0.45)
        for depth in (0.05, 0.08, 0.12)
    }


def score(index, load, methods) -> pd.DataFrame:
    """One row per method and image."""
    rows = []
    for position, (name, group) in enumerate(zip(index["name"], index["group"], strict=True), 1):
        image, reference = load(name)
        for title, run in methods.items():
            start = time.process_time()
            labels = run(image)
            elapsed = time.process_time() - start
            row = judge(labels, reference) | {"ms": 1000 * elapsed}
            rows.append({"method": title, "name": name, "group": group, **row})
        if position % 50 == 0:
            print(f"{position} of {len(index)} images", flush=True)
    return pd.DataFrame(rows)


# Diameter in px of the objects that the small models of `train_segmenters.py` learned from.
LEARNED_DIAMETER = 15.0
SEGMENTERS = {
    "stardist": ("stardist.zip", lambda diameter: {"scale": LEARNED_DIAMETER / diameter}),
    "mask_rcnn": ("mask_rcnn.safetensors", lambda diameter: {"scale": LEARNED_DIAMETER / diameter}),
    "cellpose3": ("cellpose3", lambda diameter: {"diameter": diameter}),
    # The model says that it was trained at 0.5 µm per px.
    "instanseg": (
        "instanseg.pt",
        lambda diameter: {"pixel_size": 0.5 * LEARNED_DIAMETER / diameter},
    ),
    "cellpose": ("cellpose", lambda diameter: {"diameter": diameter}),
}


def segmenters(folder: Path | None) -> dict[str, Callable]:
    """Return functions from an image and the typical diameter to labels, of what is there."""
    found = {}
    for name, (file, parameters) in SEGMENTERS.items():
        if folder is not None and (folder / file).exists():
            model = load_segmenter(name, folder / file, "cpu")
            found[f"{name}, small model"] = partial(segmented, name, model, parameters)
    return found


def segmented(name, model, parameters, image, diameter):
    return segment_objects(image[None], name, parameters(diameter), {"model": model}).labels


def score_network(index, load, model, methods, others) -> pd.DataFrame:
    """One row per method and image: every decoder of one prediction, and classical methods."""
    rows = []
    for group, part in index.groupby("group", sort=False):
        sample = part["name"].iloc[np.linspace(0, len(part) - 1, 8).round().astype(int)]
        found = model.measure_diameters([load(name)[0] for name in sample])
        diameter = float(np.round(np.median(found)))
        print(f"{group}: {diameter:.0f} px", flush=True)
        for name in part["name"]:
            image, reference = load(name)
            start = time.process_time()
            prediction = model.predict([image], diameter)[0]
            predicting = time.process_time() - start
            runs = {
                f"network: {decoder}": partial(decoded, prediction, decoder=decoder)
                for decoder in DECODERS
            }
            runs["network: flow, outline: null"] = partial(decoded, prediction, outline=None)
            runs["network: flow, outline: 0.45"] = partial(decoded, prediction, outline=0.45)
            runs |= methods
            runs |= {title: partial(run, diameter=diameter) for title, run in others.items()}
            for title, run in runs.items():
                start = time.process_time()
                labels = run(image)
                elapsed = time.process_time() - start
                elapsed += predicting if title.startswith("network") else 0
                row = judge(labels, reference) | {"ms": 1000 * elapsed}
                rows.append({"method": title, "name": name, "group": group, **row})
    return pd.DataFrame(rows)


def decoded(prediction, image, decoder="flow", **options):
    chosen = NetworkOptions(decoder=decoder, **options)
    return decode(prediction, image.shape, chosen, image).labels


def judge(labels, reference) -> dict[str, float]:
    """Return the scores of one image."""
    scores = evaluate_image(labels, reference).scores
    both = ((labels > 0) & (reference > 0)).sum()
    either = ((labels > 0) | (reference > 0)).sum()
    return {short: scores[long] for long, short in SCORES.items()} | {
        "foreground_iou": both / either
    }


def cross_validate(scores: pd.DataFrame) -> pd.DataFrame:
    """Choose on four folds, judge on the fifth; groups stay together."""
    chosen = scores[scores["method"].str.startswith("candidate")]
    counts = scores.drop_duplicates("name").groupby("group").size().drop("misc")
    fold, filled = {}, np.zeros(N_FOLDS)
    # The largest groups first, each into the fold that is emptiest so far.
    for group, count in counts.sort_values(ascending=False, kind="stable").items():
        fold[group] = int(filled.argmin())
        filled[fold[group]] += count
    folds = chosen["group"].map(fold)
    rows = []
    for number in range(N_FOLDS):
        learned = chosen[folds != number].groupby("method")[["AP50", "AP70"]].mean().sum(axis=1)
        best = learned.idxmax()
        judged = chosen[(folds == number) & (chosen["method"] == best)]
        groups = " ".join(group for group, where in fold.items() if where == number)
        means = judged[["AP50", "AP70", "AP90", "splits", "merges", "bias_px"]].mean()
        rows.append({"fold": number, "groups": groups, "chosen": best, "n": len(judged), **means})
    table = pd.DataFrame(rows)
    numbers = table.drop(columns=["fold", "groups", "chosen", "n"])
    weighted = numbers.mul(table["n"], axis=0).sum() / table["n"].sum()
    last = {"fold": "all", "groups": "", "chosen": "", "n": table["n"].sum(), **weighted}
    return pd.concat([table, pd.DataFrame([last])], ignore_index=True)


def big_site(load, index) -> np.ndarray:
    """Tile a 1080 x 1080 px site from nine 360 x 360 px images."""
    names = index.loc[index["group"] == "360x360_0", "name"].iloc[:9]
    tiles = [load(name)[0] for name in names]
    return np.block([tiles[row : row + 3] for row in (0, 3, 6)])


def speed(image) -> pd.DataFrame:
    """Time each method on one large site; the best of three, CPU time."""
    nuclei = method()(image)
    parent = {"parent": nuclei}

    def textbook_watershed(plane):
        smooth = filters.gaussian(plane, 1)
        mask = (smooth > filters.threshold_otsu(smooth)) | (nuclei > 0)
        return segmentation.watershed(filters.sobel(smooth), nuclei, mask=mask)

    def textbook_expansion(plane):
        return segmentation.expand_labels(nuclei, 10)

    pairs = {
        "one threshold": (method(outline=None, threshold={"method": "otsu"}), textbook),
        "own outlines (default)": (method(), None),
        "propagation": (method("propagation", given=parent), None),
        "watershed": (
            method("watershed", given=parent, threshold={"method": "otsu"}, fill_holes=False),
            textbook_watershed,
        ),
        "expansion": (method("expansion", given=parent), textbook_expansion),
    }
    rows = []
    for name, (own, other) in pairs.items():
        own(image)
        tracemalloc.start()
        own(image)
        memory = tracemalloc.get_traced_memory()[1] / image.nbytes
        tracemalloc.stop()
        own_s, other_s = best_of_three(own, image), best_of_three(other, image)
        rows.append(
            {
                "method": name,
                "ms": 1000 * own_s,
                "ms_scikit_image": 1000 * other_s,
                "sites_per_s": 1 / own_s,
                "memory_in_images": memory,
            }
        )
    return pd.DataFrame(rows)


def best_of_three(run: Callable | None, image) -> float:
    if run is None:
        return float("nan")
    times = []
    for _ in range(3):
        start = time.process_time()
        run(image)
        times.append(time.process_time() - start)
    return min(times)


def write(table: pd.DataFrame, name: str, note: str = "") -> None:
    """Print a table and write it with the machine, versions and date."""
    packages = ("levelfield", "numpy", "scipy", "scikit-image", "numba", "scikit-learn")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    today = datetime.date.today().isoformat()
    header = f"# {today}, {platform.machine()}, one thread, Python {platform.python_version()}"
    path = RESULTS / f"{name}.csv"
    text = f"{header}, {versions}\n" + (f"# {note}\n" if note else "")
    path.write_text(text + table.to_csv(index=False, float_format="%.4f"))
    print(f"\n{path.name} {note}\n{table.round(4).to_string(index=False)}", flush=True)


def network_tables(folder: Path, table: str, others: dict, index, load) -> None:
    """Compare the decoders with classical methods on images that the weights have not seen."""
    model = load_model(folder / "weights.safetensors")
    split = pd.read_csv(folder / "split.csv")
    unseen = split.loc[split["role"] == "held out", "name"]
    judged = index[index["name"].isin(unseen)]
    classical = {
        "textbook: Otsu + distance watershed": textbook,
        "own outlines (default)": method(),
        **candidates(),
    }
    scores = score_network(judged, load, model, classical, others)
    means = scores.drop(columns=["name", "group"]).groupby("method", sort=False).mean()
    write(means.reset_index(), table)
    groups = scores.drop(columns="name").groupby(["method", "group"], sort=False).mean()
    write(groups.reset_index(), f"{table}_groups")
    site = big_site(load, index)

    def network(image):
        return decoded(model.predict([image], 40.0)[0], image)

    seconds = best_of_three(network, site)
    print(f"network, flow decoder, a site of {site.shape} px: {seconds:.2f} s on one thread")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--every", type=int, default=1, help="take each N-th image of a group only")
    parser.add_argument("--network", type=Path, default=NETWORK, help="weights and their split")
    parser.add_argument("--table", default="segmentation_network", help="name of their table")
    parser.add_argument("--segmenters", type=Path, help="weights of other segmenters")
    parser.add_argument("--only-network", action="store_true", help="leave the other tables alone")
    options = parser.parse_args()
    index = pd.read_csv(options.data / "index.csv")

    def load(name):
        image = np.asarray(Image.open(options.data / "images" / f"{name}.png"))
        labels = np.asarray(Image.open(options.data / "labels" / f"{name}.png"))
        return image.astype(np.float32) / 255, labels.astype(np.int32)

    others = segmenters(options.segmenters)
    network_tables(options.network, options.table, others, index, load)
    if options.only_network:
        return
    # The forest learns from one image of each of five groups, which no method is judged on.
    groups = ("256x256_0", "256x256_1", "256x256_4", "360x360_0", "520x696_1")
    forest_names = [index.loc[index["group"] == group, "name"].iloc[-1] for group in groups]
    judged = index[~index["name"].isin(forest_names)].groupby("group").nth[:: options.every]
    methods = all_methods(load, forest_names)
    first = load(judged["name"].iloc[0])[0]
    for run in methods.values():  # compile before the clock starts
        run(first)
    write(speed(big_site(load, index)), "segmentation_speed")
    scores = score(judged, load, methods)
    numbers = scores.drop(columns=["name", "group"])
    table = numbers.groupby("method", sort=False).mean()
    write(table.reset_index(), "segmentation")
    groups = scores.drop(columns="name").groupby(["method", "group"], sort=False).mean()
    write(groups.reset_index(), "segmentation_groups")
    write(cross_validate(scores), "segmentation_folds")


if __name__ == "__main__":
    main()
