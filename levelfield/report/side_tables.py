"""Tables beside the answers: counts by segmenter and second opinion, doses, wells not covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from levelfield.qc.wording.numbers import NOTHING, measured, plain
from levelfield.qc.wording.questions import MEASURE_TITLES

COUNT_COLUMNS = (
    "object_set",
    "scope",
    "perturbation",
    "n_fields",
    "n_labels",
    "n_second_opinion",
    "missed",
    "invented",
)
"""Of ``qc/counts.csv``; ``missed`` and ``invented`` are in percent."""
TREND_COLUMNS = (
    "object_set",
    "measure",
    "perturbation",
    "n_doses",
    "n_wells",
    "spearman",
    "slope",
    "unit",
    "p_value",
)
"""Of ``qc/trend.csv``; ``slope`` is in ``unit`` per tenfold dose."""
NOT_COVERED_COLUMNS = ("object_set", "well", "perturbation", "distance", "reason")
"""Of ``qc/not_covered.csv``; ``distance`` is in scatters between like wells."""
SHOWN_TREND = 0.05
"""p value of a rank correlation with the dose below which it counts as shown."""


@dataclass(frozen=True)
class CountLine:
    """One control of one object set in the table of counts."""

    object_set: str
    scope: str
    control: str
    fields: str
    labels: str
    per_field: str
    second_opinion: str
    second_per_field: str
    missed: str
    invented: str


@dataclass(frozen=True)
class TrendLine:
    """How one measure changes with the dose of one control."""

    object_set: str
    measure: str
    control: str
    doses: int
    wells: int
    slope: str
    correlation: str
    says: str


@dataclass(frozen=True)
class NotCovered:
    """A treated well whose objects look like neither control class."""

    well: str
    object_set: str
    perturbation: str
    distance: str
    reason: str


def count_lines(counts: pd.DataFrame | None) -> list[CountLine]:
    """Read ``qc/counts.csv``: both ways of counting side by side, and per field."""
    return [_count(row) for row in _rows(counts, COUNT_COLUMNS, "qc/counts.csv")]


def trend_lines(trend: pd.DataFrame | None) -> list[TrendLine]:
    """Read ``qc/trend.csv``."""
    return [_trend(row) for row in _rows(trend, TREND_COLUMNS, "qc/trend.csv")]


def not_covered_lines(table: pd.DataFrame | None) -> list[NotCovered]:
    """Read ``qc/not_covered.csv``, the farthest first."""
    rows = _rows(table, NOT_COVERED_COLUMNS, "qc/not_covered.csv")
    rows.sort(key=lambda row: (-_size(row["distance"]), str(row["well"]), str(row["object_set"])))
    return [
        NotCovered(
            well=str(row["well"]),
            object_set=str(row["object_set"]),
            perturbation=_text(row["perturbation"]),
            distance=plain(row["distance"], 2),
            reason=_text(row["reason"]),
        )
        for row in rows
    ]


def _size(distance: float) -> float:
    """Return the distance; a well with too few objects comes first."""
    return float("inf") if pd.isna(distance) else float(distance)


def _count(row: Mapping) -> CountLine:
    fields = row["n_fields"]
    return CountLine(
        object_set=str(row["object_set"]),
        scope=row["scope"],
        control=_text(row["perturbation"]),
        fields=_whole(fields),
        labels=_whole(row["n_labels"]),
        per_field=_per(row["n_labels"], fields),
        second_opinion=_whole(row["n_second_opinion"]),
        second_per_field=_per(row["n_second_opinion"], fields),
        missed=_share(row["missed"]),
        invented=_share(row["invented"]),
    )


def _trend(row: Mapping) -> TrendLine:
    slope = float("nan") if pd.isna(row["slope"]) else float(row["slope"])
    shown = pd.notna(row["p_value"]) and row["p_value"] < SHOWN_TREND
    direction = "rises" if row["spearman"] > 0 else "falls"
    return TrendLine(
        object_set=str(row["object_set"]),
        measure=MEASURE_TITLES[row["measure"]],
        control=_text(row["perturbation"]),
        doses=int(row["n_doses"]),
        wells=int(row["n_wells"]),
        slope=measured(slope, row["unit"]),
        correlation=measured(row["spearman"], "").rstrip(),
        says=f"{direction} with the dose" if shown else "none shown",
    )


def _rows(table: pd.DataFrame | None, columns: Sequence[str], name: str) -> list[dict]:
    if table is None or table.empty:
        return []
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"{name} lacks {', '.join(missing)}: another version of Levelfield made it. Delete it "
            "and run the workflow again."
        )
    return table.to_dict("records")


def _whole(value: float) -> str:
    return NOTHING if pd.isna(value) else f"{round(value):,}"


def _per(number: float, fields: float) -> str:
    return NOTHING if pd.isna(number) or not fields else f"{number / fields:.1f}"


def _share(value: float) -> str:
    return NOTHING if pd.isna(value) else f"{value:.1f} %".replace("-", "−")


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)
