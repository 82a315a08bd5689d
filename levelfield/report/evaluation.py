"""The page that compares a plate's segmentation with reference labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from levelfield.config.settings import EvaluationSettings
from levelfield.evaluation import summarise
from levelfield.evaluation.picture import COLOURS, draw_evaluation
from levelfield.evaluation.tables import ALL_SIZES
from levelfield.qc.wording.numbers import NOTHING, count, measured, plain
from levelfield.report.page import environment

WORST_IMAGES = 10
_FILES_NAMED = 20
_FIELD = ("Metadata_Well", "Metadata_Site")
_CLASSES = ("poscon", "negcon")
Groups = dict[tuple[Any, ...], dict[str, Mapping[str, Any]]]
"""Rows of all sizes by group, and by statistic."""


@dataclass(frozen=True)
class EvaluationReport:
    """All that the page shows: what `levelfield.steps.evaluate.evaluate_plate` made.

    `planted` says what was planted into the labels on purpose; it is empty where nothing was.
    """

    plate: str
    settings: EvaluationSettings
    objects: pd.DataFrame
    images: pd.DataFrame
    groups: pd.DataFrame
    references: pd.DataFrame
    picture: bytes
    versions: Mapping[str, str] = field(default_factory=dict)
    planted: str = ""


class Score(NamedTuple):
    """A column of the table of scores: its name, what it asks and its unit."""

    key: str
    title: str
    says: str
    unit: str = ""

    def write(self, value: float, signed: bool = False) -> str:
        """Write a value, or a difference, which has a sign."""
        if self.unit == "%":
            return measured(100 * value, "pp") if signed else _percent(value)
        return measured(value, self.unit, signed=signed or bool(self.unit)).strip()


def _percent(share: float) -> str:
    return NOTHING if pd.isna(share) else f"{plain(100 * share, 2)} %"


def _share(value: float) -> str:
    return measured(value, "", signed=False).strip()


SCORES = (
    Score(
        "ap_50",
        "AP at 0.5",
        "Are objects found and roughly right? Right objects ÷ (right + extra + not found); an "
        "object is right if it reaches 0.5 with its partner. Insensitive to outlines.",
    ),
    Score("recall", "Recall", "Share of the reference objects that are found."),
    Score("precision", "Precision", "Share of the segmented objects that are right."),
    Score(
        "mean_ap",
        "Mean AP",
        "Mean of AP at 0.50, 0.55 … 0.95: also asks for good outlines. For small objects, less "
        "than about 10 px across, a single pixel moves it a lot.",
    ),
    Score("split_rate", "Split", "Surplus fragments per segmented object.", "%"),
    Score("merge_rate", "Merged", "Merges per segmented object.", "%"),
    Score("missed_rate", "Missed", "Reference objects of which hardly anything is found.", "%"),
    Score("extra_rate", "Extra", "Segmented objects where the references have none.", "%"),
    Score(
        "balance_pp",
        "Balance",
        "Will counts be biased? Surplus fragments minus objects lost in merges, per 100 segmented "
        "objects; above 0 = too many objects. Splits and merges cancel here, so read them too.",
        "pp",
    ),
    Score(
        "boundary_bias_px",
        "Outline",
        "Is the threshold right? How far outlines lie outside (above 0) or inside those of the "
        "references. People’s outlines have a habit of their own: compare groups.",
        "px",
    ),
)
"""What docs/evaluation.md says to read first."""


def evaluation_page(data: EvaluationReport) -> str:
    """Write the page; it needs nothing but itself, and the same tables give the same bytes."""
    by, parameters = list(data.settings.by), data.settings.parameters
    coloured = picture_groups(data.images, by)
    references = data.references.groupby("object_set", sort=False)
    template = environment().get_template("evaluation.html.j2")
    return template.render(
        name=data.plate,
        planted=data.planted,
        by=" and ".join(map(_plain_name, by)),
        criterion=_CRITERIA[parameters.get("criterion", "iou")],
        scores=SCORES,
        worst_images=WORST_IMAGES,
        worst_columns=[_plain_name(column) for column in _further(by)],
        sets=[_set_parts(data, name, by) for name in data.images["object_set"].unique()],
        reference_sets=[_reference_parts(str(name), rows) for name, rows in references],
        picture=data.picture,
        picture_by=" and ".join(map(_plain_name, coloured)),
        groups_left_out=bool(set(by).difference(coloured)),
        parameters=parameters,
        versions=data.versions,
    )


_CRITERIA = {
    "iou": "the area that both share is at least half of the area that both cover (IoU ≥ 0.5)",
    "boundary_iou": "the rims of both agree by at least half (boundary IoU ≥ 0.5)",
    "intersection_over_reference": "at least half of the reference object is covered",
}


def draw_scores(images: pd.DataFrame, by: Sequence[str]) -> Figure:
    """Draw AP, errors and sizes; a colour per group of `picture_groups`."""
    return draw_evaluation(images, picture_groups(images, by))


def picture_groups(images: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """Return the columns whose groups get a colour; not `by` where there are too many of them."""
    sets = ["object_set"] if len(images["object_set"].unique()) > 1 else []
    groups = [*sets, *by]
    too_many = groups and len(images[groups].drop_duplicates()) > len(COLOURS)
    return sets if too_many else groups


def _plain_name(column: str) -> str:
    """Write a column as people say it: ``Metadata_ControlType`` is "control type"."""
    name = column.removeprefix("Metadata_").replace("_", " ")
    letters = (f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return "".join(letters).strip()


def _set_parts(data: EvaluationReport, object_set: str, by: list[str]) -> dict[str, Any]:
    objects, images, scores = (
        table[table["object_set"] == object_set]
        for table in (data.objects, data.images, data.groups)
    )
    overall = _whole(summarise(objects, images), [])[()]
    groups = _whole(scores, by) if by else {}
    lines = [_line(", ".join(map(str, key)) or NOTHING, rows) for key, rows in groups.items()]
    lines.append(_line("All images", overall))
    return {
        "name": object_set,
        "sentences": _sentences(overall["pooled"]),
        "lines": lines,
        "difference": _difference(by, groups),
        "worst": _worst(images, data.references, by),
    }


def _whole(groups: pd.DataFrame, by: list[str]) -> Groups:
    """Return by group the rows of all sizes, by statistic."""
    found: Groups = {}
    for row in groups[groups["size_class"] == ALL_SIZES].to_dict("records"):
        found.setdefault(tuple(row[name] for name in by), {})[row["statistic"]] = row
    return found


def _line(name: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    pooled, mean = rows["pooled"], rows["mean_of_images"]
    spread = rows["sd_of_images"]["ap_50"]
    around = "" if pd.isna(spread) else f" ± {_share(spread)}"
    return {
        "name": name,
        "n_images": int(pooled["n_images"]),
        "n_reference": int(pooled["n_reference"]),
        "n_prediction": int(pooled["n_prediction"]),
        "cells": [score.write(pooled[score.key]) for score in SCORES],
        "per_image": f"{_share(mean['ap_50'])}{around}",
    }


def _difference(by: list[str], groups: Groups) -> list[str]:
    """Return positive minus negative controls, where these are among the groups."""
    if by != ["Metadata_ControlType"] or not all((name,) in groups for name in _CLASSES):
        return []
    positive, negative = (groups[(name,)]["pooled"] for name in _CLASSES)
    return [score.write(positive[score.key] - negative[score.key], True) for score in SCORES]


def _sentences(pooled: Mapping[str, Any]) -> list[str]:
    n_reference, n_prediction = int(pooled["n_reference"]), int(pooled["n_prediction"])
    found = f"The references hold {count(n_reference, 'object')}"
    if n_reference:
        found += f", of which {_percent(pooled['recall'])} are found"
    right = f"The segmentation has {count(n_prediction, 'object')}"
    if n_prediction:
        right += f", of which {_percent(pooled['precision'])} are right"
    sentences = [f"{found}.", f"{right}."]
    bias = pooled["boundary_bias_px"]
    if not pd.isna(bias):
        side = "outside" if bias > 0 else "inside"
        sentences.append(
            f"Outlines lie {measured(abs(bias), 'px', signed=False)} {side} of those "
            "of the references, at the median."
        )
    return sentences


def _further(by: Sequence[str]) -> list[str]:
    """Return the columns that say more about an image than its well and site."""
    return [name for name in by if name not in _FIELD]


def _worst(images: pd.DataFrame, references: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    """List the images with the lowest AP at 0.5; those that are perfect are not among them."""
    field = [*_FIELD, "object_set"]
    whole = images[(images["size_class"] == ALL_SIZES) & (images["ap_50"] < 1)]
    whole = whole.sort_values(["ap_50", "mean_ap"], kind="stable").head(WORST_IMAGES)
    whole = whole.merge(references[[*field, "file"]], on=field, how="left")
    return [
        row | {"groups": [row[name] for name in _further(by)], "ap": _share(row["ap_50"])}
        for row in whole.to_dict("records")
    ]


def _reference_parts(object_set: str, rows: pd.DataFrame) -> dict[str, Any]:
    number = rows["status"].value_counts()
    unused = list(rows.loc[rows["status"] == "unused", "file"])
    missing = rows.loc[rows["status"] == "missing", "file"]
    return {
        "name": object_set,
        **{name: int(number.get(name, 0)) for name in ("compared", "missing", "refused")},
        "n_unused": len(unused),
        "unused": unused[:_FILES_NAMED],
        "refusals": rows[rows["status"] == "refused"].to_dict("records"),
        "first_missing": missing.iloc[0] if len(missing) else "",
    }
