"""A tiny data collection and a small model trained on it, for tests of training and of scoring."""

import contextlib
import functools
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from real_images import BBBC038, REPOSITORY

from levelfield.qc.evidence.trees import train_trees
from levelfield.qc.train import collect, evidence
from levelfield.qc.train.collected import read
from levelfield.qc.train.images import Sources, chosen_images

GROUPS = ("256x256_1", "256x256_4")  # of different folds
SETTINGS = {"classical": ("default", "split")}
PLANTED = ("drops 0.4", "merges 0.4", "splits 0.4")


def sources():
    networks = REPOSITORY / "benchmarks" / "networks"
    return Sources(BBBC038.parent, networks)


def small_tasks(group, images=3, side=160):
    index = pd.read_csv(BBBC038 / "index.csv").assign(collection=BBBC038.name)
    there = index["name"].isin({path.stem for path in (BBBC038 / "images").iterdir()})
    own = chosen_images(index[there & (index["n"] >= 20)], group, images)
    return [
        collect.Task(
            group,
            int(row.half),
            row.collection,
            row.name,
            side,
            ("dim",) if row.half else (),
            PLANTED,
        )
        for row in own.itertuples()
    ]


def collect_task(task):
    """Collect one image in two settings only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "SETTINGS", SETTINGS)
        patch.setattr(collect, "GOOD", (("classical", "default"),))
        patch.setattr(collect, "OF_PHENOTYPES", (("classical", "default"),))
        return collect.collect_image(task, sources())


@functools.cache
def prepared():
    """All terms of a few images of two groups, by way of the files."""
    with tempfile.TemporaryDirectory() as folder:
        for group in GROUPS:
            parts = [collect_task(task) for task in small_tasks(group)]
            for name in collect.TABLES:
                table = pd.concat([part[name] for part in parts], ignore_index=True)
                table.to_parquet(Path(folder) / f"{group}_{name}.parquet")
        return evidence.Prepared(read(Path(folder), list(GROUPS)))


@contextlib.contextmanager
def small_trees():
    """Train ensembles that are small enough for few data."""
    own = functools.partial(train_trees, n_trees=20, leaves=6, smallest_leaf=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "train_trees", own)
        yield


@functools.cache
def small_model():
    with small_trees():
        return prepared().train(None, None)
