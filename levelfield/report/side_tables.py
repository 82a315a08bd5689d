"""Tables beside the answers: counts by segmenter and second opinion, doses, wells not covered."""

import math
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from levelfield.qc.statistics.coverage import NotCovered
from levelfield.qc.statistics.doses import Trend
from levelfield.qc.statistics.records import from_table
from levelfield.qc.statistics.summary import ClassCount
from levelfield.qc.wording.numbers import NOTHING, measured, plain
from levelfield.qc.wording.questions import MEASURE_TITLES

Record = TypeVar("Record", ClassCount, Trend, NotCovered)
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
class NotCoveredLine:
    """A treated well whose objects look like neither control class."""

    well: str
    object_set: str
    perturbation: str
    distance: str
    reason: str


def count_lines(counts: pd.DataFrame | None) -> list[CountLine]:
    """Read ``qc/counts.csv``: both ways of counting side by side, and per field."""
    return [
        CountLine(
            object_set=row.object_set,
            scope=row.scope,
            control=row.perturbation,
            fields=_whole(row.n_fields),
            labels=_whole(row.n_labels),
            per_field=_per(row.n_labels, row.n_fields),
            second_opinion=_whole(row.n_second_opinion),
            second_per_field=_per(row.n_second_opinion, row.n_fields),
            missed=_share(row.missed),
            invented=_share(row.invented),
        )
        for row in _rows(counts, ClassCount, "qc/counts.csv")
    ]


def trend_lines(trend: pd.DataFrame | None) -> list[TrendLine]:
    """Read ``qc/trend.csv``."""
    return [_trend(row) for row in _rows(trend, Trend, "qc/trend.csv")]


def not_covered_lines(table: pd.DataFrame | None) -> list[NotCoveredLine]:
    """Read ``qc/not_covered.csv``, the farthest first; a well with too few objects is farther."""
    rows = _rows(table, NotCovered, "qc/not_covered.csv")
    rows.sort(key=lambda row: (-_or_infinite(row.distance), row.well, row.object_set))
    return [
        NotCoveredLine(
            row.well, row.object_set, row.perturbation, plain(row.distance, 2), row.reason
        )
        for row in rows
    ]


def _or_infinite(distance: float) -> float:
    return math.inf if math.isnan(distance) else distance


def _trend(row: Trend) -> TrendLine:
    direction = "rises" if row.spearman > 0 else "falls"
    return TrendLine(
        object_set=row.object_set,
        measure=MEASURE_TITLES[row.measure],
        control=row.perturbation,
        doses=row.n_doses,
        wells=row.n_wells,
        slope=NOTHING if row.slope is None else measured(row.slope, row.unit),
        correlation=measured(row.spearman, "").rstrip(),
        says=f"{direction} with the dose" if row.p_value < SHOWN_TREND else "none shown",
    )


def _rows(table: pd.DataFrame | None, kind: type[Record], file: str) -> list[Record]:
    return [] if table is None or table.empty else from_table(table, kind, file)


def _whole(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{round(value):,}"


def _per(number: float, fields: float) -> str:
    return NOTHING if math.isnan(number) or not fields else f"{number / fields:.1f}"


def _share(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.1f} %".replace("-", "−")
