"""Judge networks and the classical default on images zoomed by 0.5, 1, 2 and 3, labels alike.

Each network is judged on the groups of both collections that it has never learned from (its fold in
``folds.csv``); the classical default, which learns nothing, on all of these. As in the workflow,
the typical diameter is measured once for each group and zoom. A row per method, image and zoom is
appended as soon as it is known, the first image of every group before any second: cut off early,
the table is as broad and less precise. ``NAME=WEIGHTS:FOLD:SMALLEST-LARGEST`` shows a network its
objects at other sizes (px) than it sees by default. Prints means by method, group and zoom.

Run: ``OMP_NUM_THREADS=1 python benchmarks/zoomed.py NAME=WEIGHTS:FOLD ... --out TABLE.csv``
"""

import argparse
import csv
import multiprocessing
import time
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from annotated import DATA, read_image, read_index, zoomed

from levelfield.evaluation import evaluate_image
from levelfield.segmentation import segment_objects
from levelfield.segmentation.small_network import inference
from levelfield.segmentation.small_network.inference import NetworkModel, load_model

ZOOMS = (0.5, 1.0, 2.0, 3.0)
CLASSICAL = "classical"
N_MEASURED = 2  # images of a group on which its diameter is measured
COUNTS = ("n_reference", "n_prediction", "n_excess_fragments", "n_merges", "n_missed", "n_extra")
SCORES = ("ap_50", "ap_70", "ap_90", "boundary_bias_px", *COUNTS)
COLUMNS = ("method", "fold", "group", "name", "zoom", "diameter", *SCORES, "seconds")


class Task(NamedTuple):
    """An image to be judged, or, without a name, a diameter to be measured."""

    method: str
    weights: str
    sizes: tuple[float, float]
    fold: int
    group: str
    folder: str
    zoom: float
    names: tuple[str, ...]
    diameter: float | None


def tasks(options: argparse.Namespace) -> list[Task]:
    """List the diameters that are to be measured, a task for each method, group and zoom."""
    index = read_index(options.data)
    found = []
    for method in options.methods:
        title, _, where = method.partition("=")
        weights, fold, sizes = (*where.split(":"), "", "")[:3]
        limits = tuple(map(float, sizes.split("-"))) if sizes else inference.DIAMETERS
        chosen = index[index["fold"] == int(fold)] if where else index[index["fold"] > 0]
        for (group, number, place), part in chosen.groupby(["group", "fold", "folder"]):
            names = sorted(part["name"])
            spread = np.linspace(0, len(names) - 1, min(options.each, len(names)))
            some = tuple(names[i] for i in spread.round().astype(int))
            found += [
                Task(title, weights, limits, int(number), group, place, zoom, some, None)
                for zoom in options.zooms
            ]
    return found


@lru_cache(maxsize=4)
def model_of(weights: str, device: str) -> NetworkModel:
    """Return a network; on a GPU one that computes tile by tile, for images one by one."""
    model = load_model(Path(weights), device)
    if device == "cpu":
        return model
    from levelfield.segmentation.networks.unet_runtime import TorchNetwork

    class OneByOne(TorchNetwork):
        batch = 1

    return NetworkModel(OneByOne(model.runtime.network, model.runtime.device), device, {})


def measured(work: tuple[Task, str]) -> Task:
    """Measure the typical diameter of a group, as the workflow does for a plate."""
    task, device = work
    if task.method == CLASSICAL:
        return task
    images = [
        zoomed(*read_image(task.folder, name), task.zoom)[0] for name in task.names[:N_MEASURED]
    ]
    found = model_of(task.weights, device).measure_diameters(images)
    return task._replace(diameter=float(np.median(found)) if len(found) else None)


def judged(work: tuple[Task, str]) -> dict:
    """Segment one image and compare it with its labels."""
    task, device = work
    image, reference = zoomed(*read_image(task.folder, task.names[0]), task.zoom)
    started = time.perf_counter()
    if task.method == CLASSICAL:
        labels = segment_objects(image[None], CLASSICAL, {}).labels
    else:
        given = {"model": model_of(task.weights, device)}
        options = {"diameter": task.diameter}
        with mock.patch.object(inference, "DIAMETERS", task.sizes):
            labels = segment_objects(image[None], "network", options, given).labels
    seconds = time.perf_counter() - started
    scores = evaluate_image(labels, reference).scores
    row = task._asdict() | {"name": task.names[0], "seconds": seconds} | scores
    return {name: row[name] for name in COLUMNS}


def by_rank(measured_tasks: list[Task]) -> list[Task]:
    """Return a task for each image: the first of every group, then the second ..."""
    singles = [
        (rank, -task.zoom, task._replace(names=(name,)))
        for task in measured_tasks
        for rank, name in enumerate(task.names)
    ]
    return [task for *_, task in sorted(singles, key=lambda each: each[:2])]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate scores by method, group and zoom: means of images, and rates of all objects."""
    everything = rows.assign(group=rows["fold"].map("all of fold {}".format))
    grouped = pd.concat([rows, everything]).groupby(["method", "group", "zoom"], sort=False)
    sums, means = grouped[list(COUNTS)].sum(), grouped[list(SCORES[:4])].mean()
    rates = pd.DataFrame(
        {
            "n_images": grouped.size(),
            "splits": sums["n_excess_fragments"] / sums["n_prediction"],
            "merges": sums["n_merges"] / sums["n_prediction"],
            "missed": sums["n_missed"] / sums["n_reference"],
            "extra": sums["n_extra"] / sums["n_prediction"],
        }
    )
    return means.join(rates).join(grouped[["diameter", "seconds"]].mean()).reset_index()


def compile_once(found: list[Task], device: str) -> None:
    """Do on a small image what all processes are about to do, before they divide."""
    if device != "cpu":
        import_module("levelfield.segmentation.networks.unet_runtime")
    for task in {task.method: task for task in reversed(found)}.values():
        judged((measured((task, "cpu")), "cpu"))
    model_of.cache_clear()


def write_rows(options: argparse.Namespace) -> None:
    """Judge everything, in parallel, until the time is over."""
    ends = time.monotonic() + options.seconds
    found = tasks(options)
    compile_once(found, options.device)
    with (
        multiprocessing.get_context("fork").Pool(options.processes) as pool,
        options.out.open("a", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        if not file.tell():
            writer.writeheader()
            file.flush()
        alike = {(task.weights, task.group, task.zoom): task for task in found}
        # The largest images first: what takes long must not begin last.
        order = sorted(alike.values(), key=lambda task: (-task.zoom, task.folder))
        diameters = pool.map(measured, [(task, options.device) for task in order], chunksize=1)
        size = {(task.weights, task.group, task.zoom): task.diameter for task in diameters}
        known = [
            task._replace(diameter=size[task.weights, task.group, task.zoom]) for task in found
        ]
        images = [(task, options.device) for task in by_rank(known)]
        print(f"{len(size)} diameters measured, {len(images)} images to judge", flush=True)
        rows = pool.imap_unordered(judged, images)
        for _ in images:
            try:
                writer.writerow(rows.next(timeout=max(ends - time.monotonic(), 0.01)))
            except multiprocessing.TimeoutError:
                print("the time is over", flush=True)
                pool.terminate()
                return
            file.flush()


def main() -> None:
    """Judge, or tabulate what was judged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", help=f"NAME=WEIGHTS:FOLD[:SIZES], or {CLASSICAL}")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--zooms", type=float, nargs="+", default=ZOOMS)
    parser.add_argument("--each", type=int, default=8, help="images of a group")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e6, help="stop after so long")
    options = parser.parse_args()
    write_rows(options)
    print(summary(pd.read_csv(options.out)).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
