"""Collect collages of the images that the evidence is trained on, as a plate makes its own.

    python -m levelfield.qc.train.collect_collages --data FOLDER --networks FOLDER --out FOLDER

The control classes are those of the study: the plain images of one half of a group, those of the
other half, and the latter with every phenotype. Of each, collages are composed and segmented as
images with phenotypes are. Writes the same tables as `levelfield.qc.train.collect`, in which a
collage is an image; ``fields`` has the numbers of donors too.
"""

import argparse
import zlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from levelfield.qc.collage.compose import compose
from levelfield.qc.collage.donors import donor_yield, find_donors
from levelfield.qc.collage.seen_field import SeenField, see_field
from levelfield.qc.train.collect import HEAD, TABLES, _middle, _small, collect_field, tasks
from levelfield.qc.train.images import FOLDS, Sources
from levelfield.qc.train.phenotypes import PHENOTYPES, with_change
from levelfield.qc.train.segmentations import OF_PHENOTYPES, Scene
from levelfield.qc.train.truth import at_visible_edge
from levelfield.segmentation.small_network.inference import NetworkModel, load_model

N_COLLAGES = 16
FEWEST_DONORS = 4


class Class(NamedTuple):
    """A control class: the images of one half of a group, with a phenotype or "none"."""

    group: str
    half: int
    phenotype: str


def classes_of(group: str) -> list[Class]:
    """List the classes of a group."""
    return [Class(group, half, "none") for half in (0, 1)] + [
        Class(group, 1, phenotype) for phenotype in PHENOTYPES
    ]


def fields_of(own: Class, sources: Sources, model: NetworkModel) -> list[SeenField]:
    """Look at the images of a class as the second opinion sees them."""
    found = []
    for task in tasks(sources, [own.group]):
        if task.half != own.half or (own.phenotype != "none" and not task.phenotypes):
            continue
        image, drawn = _middle(*sources.read(task.collection, task.name), task.side)
        reference = at_visible_edge(drawn, image)
        seed = zlib.crc32(f"{task.name} {own.phenotype}".encode())
        changed = with_change(own.phenotype, image, reference, seed)
        scene = Scene(*changed, model, sources.opinion_of(FOLDS[own.group]))
        # Of the reference only how large objects are.
        found.append(see_field(scene.image[None], scene.opinion(scene.reference)))
    return [field for field in found if field is not None]


def collect_class(own: Class, sources: Sources, number: int) -> dict[str, pd.DataFrame]:
    """Collect the tables of the collages of one class; none where there are too few donors."""
    torch.set_num_threads(1)
    fold = FOLDS[own.group]
    model = load_model(sources.weights_of(fold))
    fields = fields_of(own, sources, model)
    donors = find_donors(fields)
    if len(donors) < FEWEST_DONORS:
        return {}
    seed = zlib.crc32(" ".join(map(str, own)).encode())
    donated = {"n_donors": len(donors), "donor_yield": donor_yield(donors, fields)}
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for k, collage in enumerate(compose(fields, donors, number, [seed])):
        scene = Scene(collage.image[0], collage.truth, model, sources.opinion_of(fold))
        for kind, setting in OF_PHENOTYPES:
            name = f"collage {own.half} {k}"
            values = (own.group, name, own.half, own.phenotype, kind, setting, "none")
            head = dict(zip(HEAD, values, strict=True))
            tables = collect_field(scene.labels(kind, setting), scene)
            for table, of in zip(TABLES, tables, strict=True):
                more = donated if table == "fields" else {}
                found[table].append(of.assign(**head, **more))
    return {name: _small(pd.concat(parts, ignore_index=True)) for name, parts in found.items()}


def main() -> None:
    """Collect the collages of all groups, or of some."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the image collections")
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--groups", nargs="*", default=list(FOLDS), choices=list(FOLDS))
    parser.add_argument("--phenotypes", nargs="*", default=["none", *PHENOTYPES])
    parser.add_argument("--collages", type=int, default=N_COLLAGES)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    sources = Sources(chosen.data, chosen.networks)
    for group in chosen.groups:
        wanted = [own for own in classes_of(group) if own.phenotype in chosen.phenotypes]
        work = Parallel(n_jobs=chosen.jobs, return_as="generator", batch_size=1)(
            delayed(collect_class)(own, sources, chosen.collages) for own in wanted
        )
        parts = list(tqdm(work, total=len(wanted), desc=group, unit="class", mininterval=10))
        for name in TABLES:
            table = pd.concat([part[name] for part in parts if part], ignore_index=True)
            _small(table).to_parquet(chosen.out / f"{group}_{name}.parquet")


if __name__ == "__main__":
    main()
