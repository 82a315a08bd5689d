"""Collect the data behind the evidence: features of many segmentations, with the truth beside them.

    python -m levelfield.qc.train.collect --data FOLDER --networks FOLDER --out FOLDER

Every annotated image is segmented in many ways, good and bad. Half of them come again with
phenotypes, transformed together with their reference, and some with errors planted into good
segmentations. Networks are cross-fitted: those asked about a group of images never saw it. Writes
``<name>.parquet`` of `TABLES`, a row per object, touching pair, candidate and field.
"""

import argparse
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from levelfield.arrays import Image, Labels
from levelfield.labels.objects import renumber
from levelfield.qc.evidence.candidates import find_candidates
from levelfield.qc.evidence.features import field_features
from levelfield.qc.train import cytoplasm
from levelfield.qc.train.images import FOLDS, Sources, chosen_images
from levelfield.qc.train.phenotypes import DEGRADED, PHENOTYPES, with_change
from levelfield.qc.train.segmentations import GOOD, OF_PHENOTYPES, REFERENCE, SETTINGS, Scene
from levelfield.qc.train.truth import add_truth, at_visible_edge
from levelfield.segmentation.planting import (
    dimness_order,
    plant_drops,
    plant_growth,
    plant_merges,
    plant_splits,
    size_order,
)
from levelfield.segmentation.small_network.inference import load_model

TABLES = ("objects", "pairs", "candidates", "fields")
HEAD = ("group", "image", "half", "phenotype", "kind", "setting", "planted")
"""What a row belongs to: what was done to the image, to the segmentation, and to its result."""
_DOSES = (0.02, 0.05, 0.1, 0.2, 0.4)
PLANTINGS: dict[str, tuple[str, float]] = {
    f"{error} {amount:g}": (error, amount)
    for error, amounts in {
        **dict.fromkeys(("splits", "merges", "drops"), _DOSES),
        **dict.fromkeys(("drops of small", "drops of dim"), (0.1, 0.2, 0.4)),
        "splits and merges": (0.1, 0.2),
        "moved": (-1.0, 1.0, 2.0),
    }.items()
    for amount in amounts
}
"""Errors that are planted by name, such as "splits 0.1": shares of the objects, or px."""
_CYTOPLASM = 12  # images of BBBC013, of cytoplasm and of nuclei


class Amount(NamedTuple):
    """How much is made of the images of a group: small images are many and cheap."""

    images: int
    transformed: int  # of these, in the positive half: they come with phenotypes, too
    planted: int  # of each half: they get planted errors
    degraded: int  # of those with phenotypes: they come blurred, noisy and crowded as well
    side: int  # px; only the middle square of larger images is taken, all of them for 0


AMOUNTS: dict[str, Amount] = {
    "256x256": Amount(images=18, transformed=6, planted=4, degraded=3, side=0),
    "360x360": Amount(images=10, transformed=4, planted=3, degraded=2, side=400),
    "520x696": Amount(images=10, transformed=4, planted=3, degraded=2, side=400),
    "aits": Amount(images=10, transformed=4, planted=3, degraded=2, side=640),
}
"""By the part of a group's name before its first underscore."""


class Task(NamedTuple):
    """One image, and what is made of it; with a `side` (px), of its middle alone."""

    group: str
    half: int
    collection: str
    name: str
    side: int
    phenotypes: tuple[str, ...] = ()
    plantings: tuple[str, ...] = ()


def planted(
    error: str, amount: float, labels: Labels, image: Image, random: np.random.Generator
) -> Labels:
    """Plant an error of `PLANTINGS` into labels (Y, X) of an image (Y, X)."""
    if error == "splits":
        return plant_splits(labels, amount, random)
    if error == "merges":
        return plant_merges(labels, amount, random)
    if error == "splits and merges":
        return plant_splits(plant_merges(labels, amount, random), amount, random)
    if error == "moved":
        return plant_growth(labels, amount)
    order = None
    if error == "drops of small":
        order = size_order(labels).astype(float)
    elif error == "drops of dim":
        order = dimness_order(labels, image)
    return plant_drops(labels, amount, random, order)


def tasks(sources: Sources, groups: Sequence[str]) -> list[Task]:
    """List all images of some groups, with what is made of each (`AMOUNTS`)."""
    index, found = sources.index(), []
    for group in groups:
        amount = AMOUNTS[group.split("_")[0]]
        own = chosen_images(index, group, amount.images)
        own["rank"] = own.groupby("half").cumcount()
        for row in own.to_dict("records"):
            rank, half = row.pop("rank"), row["half"]
            degraded = tuple(DEGRADED) if rank < amount.degraded else ()
            phenotypes = (*PHENOTYPES, *degraded) if half and rank < amount.transformed else ()
            errors = tuple(PLANTINGS) if rank < amount.planted else ()
            found.append(
                Task(group, **row, phenotypes=phenotypes, plantings=errors, side=amount.side)
            )
    return found


def segmentations(
    task: Task, scene: Scene, phenotype: str
) -> Iterator[tuple[str, str, str, Labels]]:
    """Give kind, setting, planted error and labels of all segmentations of one image."""
    if phenotype != "none":
        for kind, setting in OF_PHENOTYPES if phenotype in PHENOTYPES else GOOD:
            yield kind, setting, "none", scene.labels(kind, setting)
        return
    made = {}
    for kind, settings in SETTINGS.items():
        for setting in settings:
            made[kind, setting] = scene.labels(kind, setting)
            yield kind, setting, "none", made[kind, setting]
    yield REFERENCE, REFERENCE, "none", scene.reference
    for kind, setting in GOOD:
        labels = made[kind, setting]
        for name in task.plantings if labels.any() else ():
            # The same random numbers at every dose, so that a larger one holds the smaller.
            random = np.random.default_rng(zlib.crc32(task.name.encode()))
            yield kind, setting, name, planted(*PLANTINGS[name], labels, scene.image, random)


def collect_image(task: Task, sources: Sources) -> dict[str, pd.DataFrame]:
    """Collect the tables of one image in all its forms; none of an image without any object."""
    torch.set_num_threads(1)
    fold = FOLDS[task.group]
    model = load_model(sources.weights_of(fold))
    image, drawn = _middle(*sources.read(task.collection, task.name), task.side)
    reference = at_visible_edge(drawn, image)
    if not reference.any():
        return {}
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for phenotype in ("none", *task.phenotypes):
        seed = zlib.crc32(f"{task.name} {phenotype}".encode())
        changed = with_change(phenotype, image, reference, seed)
        scene = Scene(*changed, model, sources.opinion_of(fold))
        if not scene.reference.any():
            continue
        for *made, labels in segmentations(task, scene, phenotype):
            values = (task.group, task.name, task.half, phenotype, *made)
            head = dict(zip(HEAD, values, strict=True))
            for name, table in zip(TABLES, collect_field(labels, scene), strict=True):
                found[name].append(table.assign(**head))
    return {name: _small(pd.concat(parts, ignore_index=True)) for name, parts in found.items()}


def _middle(image: Image, labels: Labels, side: int) -> tuple[Image, Labels]:
    """Return the middle square of an image and its labels; all of it for a side of 0."""
    if not side:
        return image, labels
    starts = [max(0, (length - side) // 2) for length in image.shape]
    window = tuple(slice(start, start + side) for start in starts)
    return np.ascontiguousarray(image[window]), renumber(np.ascontiguousarray(labels[window]))


def collect_field(labels: Labels, scene: Scene) -> tuple[pd.DataFrame, ...]:
    """Collect `TABLES` of one segmentation of one image."""
    opinion = scene.opinion(labels)
    features = field_features(labels, scene.image, opinion=opinion)
    candidates = find_candidates(labels, scene.image, opinion)
    truth = add_truth(features, candidates, labels, scene.reference)
    seen = int(len(np.unique(opinion.labels)) - 1)
    counts = {"n": len(truth.objects), "n_second_opinion": seen} | truth.counts
    counts["reference_bias_px"] = scene.reference_bias_px
    return truth.objects, truth.pairs, truth.candidates, pd.DataFrame([counts])


def _small(table: pd.DataFrame) -> pd.DataFrame:
    """Keep floats in single precision, and texts that repeat as categories."""
    floats: dict[Any, Any] = dict.fromkeys(table.select_dtypes("float64").columns, np.float32)
    texts = dict.fromkeys([n for n in HEAD if n != "half"], "category")
    return table.astype(floats | texts)


def main() -> None:
    """Collect all groups, or some."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the image collections")
    parser.add_argument(
        "--networks", type=Path, required=True, help="folder of fold1, fold2, fold3"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--groups", nargs="*", default=list(FOLDS), choices=list(FOLDS))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    sources = Sources(chosen.data, chosen.networks)
    appearance = chosen.out / "cytoplasm.parquet"
    if not appearance.exists():
        cytoplasm.collect(sources, _CYTOPLASM).to_parquet(appearance)
    for group in chosen.groups:
        own = tasks(sources, [group])
        work = Parallel(n_jobs=chosen.jobs, return_as="generator")(
            delayed(collect_image)(task, sources) for task in own
        )
        parts = list(tqdm(work, total=len(own), desc=group, unit="image", mininterval=10))
        for name in TABLES:
            table = pd.concat([part[name] for part in parts if part], ignore_index=True)
            _small(table).to_parquet(chosen.out / f"{group}_{name}.parquet")


if __name__ == "__main__":
    main()
