"""The review page of a plate, from its tables and its store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.config.layouts import read_layout
from levelfield.config.planted import mark_layout
from levelfield.config.results import in_plate
from levelfield.config.settings import Science
from levelfield.io.tables import read_csv
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.review.answers import CROP_KEY, read_answers
from levelfield.qc.review.crops import numbers_in
from levelfield.qc.review.estimates import review_estimates
from levelfield.qc.review.page_data import set_numbers
from levelfield.qc.review.sampling import ReviewPlan, SetDraw, draw_plate
from levelfield.qc.statistics.comparison import Comparison, comparisons
from levelfield.report.review_page import ShownCrop, ShownSet, review_page
from levelfield.steps.fields import field_reader, read_flat_fields
from levelfield.steps.qc_plate import verdict_rules


def plate_review_page(
    results: Path,
    layout_path: Path | str,
    n_wells: int,
    store: Path | str,
    config: Mapping[str, Any],
    path: Path,
) -> str:
    """Return the review page of a judged plate.

    Parameters
    ----------
    results, store : Path
        Folder of the plate's results, and its images and labels.
    layout_path, n_wells : Path, int
        Its layout.
    config, path : mapping, Path
        The science of the run, and where the review belongs.

    Raises
    ------
    ValueError
        When nothing is there to be looked at, or the plate was judged with other settings.
    """
    science, file = Science(config), partial(in_plate, results)
    layout = mark_layout(read_layout(Path(layout_path), n_wells), config["objects"])
    objects, candidates = (
        pd.read_parquet(file("qc_plate", name)) for name in ("objects", "candidates")
    )
    listed, pairs = read_csv(file("qc_plate", "review_list")), comparisons(layout)
    plan = ReviewPlan(per_class=science.qc.review_per_class)
    draws = draw_plate(objects, candidates, pairs, plan)
    _check_list(results.name, listed, draws)
    sets = _shown_sets(results.name, objects, draws, pairs, science)
    checksums = listed.set_index(["well", "site", "object_set"])["checksum"].astype(str).to_dict()
    shown = [replace(own, crops=crops_of(draws[own.name], checksums)) for own in sets]
    read = field_reader(store, science, read_flat_fields(file("fit_illumination", "fields"))).read
    return review_page(results.name, shown, read, list(science.channels), str(path))


def _shown_sets(
    plate: str,
    objects: pd.DataFrame,
    draws: Mapping[str, SetDraw],
    pairs: Sequence[Comparison],
    science: Science,
) -> list[ShownSet]:
    """Return the object sets of the page, still without their crops."""
    answers, rules = read_answers(None, plate, {}, objects), verdict_rules(science)
    reviewed = review_estimates(plate, draws, pairs, answers, rules)
    channels = list(science.channels)
    own_channels = {made.name: channels.index(made.channels[0]) for made in science.object_sets}
    sets = []
    for name, draw in draws.items():
        rows = [row for row in reviewed if row.object_set == name]
        area = objects.loc[objects[OBJECT_SET] == name, "area_px"].median()
        diameter = float(2 * np.sqrt(area / np.pi)) if area > 0 else 20.0
        numbers = set_numbers(draw, answers, pairs, rows, rules)
        sets.append(ShownSet(name, numbers, (), own_channels[name], diameter))
    return sets


def _check_list(plate: str, listed: pd.DataFrame, draws: Mapping[str, SetDraw]) -> None:
    """Refuse to ask for answers that would not count."""
    if listed.empty:
        raise ValueError(
            f"plate '{plate}' has no objects in control wells, so that there is nothing to review."
        )
    for name, rows in listed.groupby("object_set"):
        draw = draws.get(str(name))
        if draw is None or set(rows["sample"].astype(str)) != {draw.sample}:
            raise ValueError(
                f"the crops of {name} on plate '{plate}' are not those of its "
                "qc/review_list.csv: layout, config or software have changed since it was judged. "
                "Run snakemake again, then levelfield review."
            )


def crops_of(draw: SetDraw, checksums: Mapping[Any, str]) -> list[ShownCrop]:
    """Return the crops to be looked at, each once, in order."""
    turns: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for number, own in enumerate(draw.classes.values()):
        for turn, place in enumerate(own.order[: own.planned]):
            key = tuple(own.crops.table.iloc[place][CROP_KEY])
            turns.setdefault(key, []).append((number, turn))
    found: dict[tuple[Any, ...], ShownCrop] = {}
    for class_key, place in draw.shown():
        own = draw.classes[class_key]
        row = own.crops.table.iloc[place].to_dict()
        key = tuple(row[name] for name in CROP_KEY)
        checksum = checksums.get((row["Metadata_Well"], row["Metadata_Site"], row[OBJECT_SET]), "")
        numbers = numbers_in(own.objects, own.crops, place)
        found.setdefault(key, ShownCrop(row, numbers, turns[key], checksum))
    return list(found.values())
