"""Draw plates whose truth is known from a table of images."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import DEGRADED
from levelfield.qc.train.plates import COLUMNS, DIFFERING, ControlClass, Plate
from levelfield.qc.train.segmentations import KINDS, REFERENCE

FEWEST_IMAGES = 3
_SEGMENTATION = ["group", "kind", "setting"]


def all_plates(fields: pd.DataFrame, draws: int) -> list[Plate]:
    """Make all plates of a table of images, of `plates.with_measures`, with ``outside``.

    `draws` random halves of each group and kind of segmenter come with one segmentation and with
    two.
    """
    fields = fields[fields["kind"] != REFERENCE]
    plain = fields[(fields["phenotype"] == "none") & (fields["beside"] == "none")]
    good = plain[plain["planted"] == "none"]
    return [*_drawn(good, draws), *_sparser(good), *_changed(fields), *_planted(plain)]


def _class_of(images: pd.DataFrame) -> ControlClass:
    return ControlClass(images[list(COLUMNS)].to_numpy(float))


def _groups(table: pd.DataFrame, keys: list[str]) -> Any:
    return table.groupby(keys, sort=True)


def _drawn(good: pd.DataFrame, draws: int) -> Iterator[Plate]:
    """Random halves of each group: in the same segmentation, and in another one."""
    for (group, kind), own in _groups(good, ["group", "kind"]):
        random = np.random.default_rng([FOLDS[group], len(own), KINDS.index(kind)])
        settings = sorted(own["setting"].unique())
        names = np.array(sorted(own["image"].unique()))
        by_setting = {name: rows.set_index("image") for name, rows in own.groupby("setting")}
        for number in range(2 * draws):
            order = random.permutation(names)
            halves = order[: len(order) // 2], order[len(order) // 2 :]
            first, second = random.choice(settings, 2, replace=False)
            differing = DIFFERING[number % 2]
            pair = (first, first if differing == "nothing" else second)
            classes = [
                by_setting[setting].reindex(half).dropna(subset=["n"])
                for setting, half in zip(pair, halves, strict=True)
            ]
            if min(map(len, classes)) >= FEWEST_IMAGES:
                yield Plate(group, kind, differing, "", *map(_class_of, classes))


def _sparser(good: pd.DataFrame) -> Iterator[Plate]:
    """Compare the half of a group's images with fewer cells to the other, in every segmentation."""
    for (group, kind, _), own in _groups(good, _SEGMENTATION):
        images = own.sort_values(["true_n", "image"], kind="stable")
        half = len(images) // 2
        if half >= FEWEST_IMAGES:
            sparse, dense = images.iloc[:half], images.iloc[half:]
            yield Plate(group, kind, "density", "", _class_of(dense), _class_of(sparse))


def _changed(fields: pd.DataFrame) -> Iterator[Plate]:
    """Compare changed images of one half to plain images of the other half, or of itself."""
    plain = fields[(fields["phenotype"] == "none") & (fields["planted"] == "none")]
    shown_beside = dict(iter(_groups(plain, [*_SEGMENTATION, "beside"])))
    changed = fields[fields["phenotype"] != "none"]
    for key, own in _groups(changed, [*_SEGMENTATION, "phenotype"]):
        group, kind, _, name = key
        beside = shown_beside.get(key, plain.iloc[:0])
        other, same = beside[beside["half"] == 0], beside[beside["image"].isin(own["image"])]
        differing = "degraded" if name in DEGRADED else "phenotype"
        if min(len(own), len(other)) >= FEWEST_IMAGES:
            yield Plate(group, kind, differing, name, _class_of(other), _class_of(own))
        if min(len(own), len(same)) >= FEWEST_IMAGES and differing == "phenotype":
            differing = "phenotype, same images"
            yield Plate(group, kind, differing, name, _class_of(same), _class_of(own))


def _planted(plain: pd.DataFrame) -> Iterator[Plate]:
    """Errors planted into good segmentations: in the positive half, and in both."""
    faultless = dict(iter(_groups(plain[plain["planted"] == "none"], _SEGMENTATION)))
    planted = plain[plain["planted"] != "none"]
    for key, own in _groups(planted, _SEGMENTATION):
        group, kind, _ = key
        good = faultless.get(key, plain.iloc[:0])
        clean = _halves(good[good["image"].isin(own["image"])])
        if min(map(len, clean)) < 2:
            continue
        yield Plate(group, kind, "planted", "none", *map(_class_of, clean))
        for name, rows in own.groupby("planted", sort=True):
            halves = _halves(rows)
            if min(map(len, halves)) < 2:
                continue
            yield Plate(group, kind, "planted", name, _class_of(clean[0]), _class_of(halves[1]))
            yield Plate(group, kind, "planted in both", name, *map(_class_of, halves))


def _halves(images: pd.DataFrame) -> list[pd.DataFrame]:
    return [images[images["half"] == half] for half in (0, 1)]
