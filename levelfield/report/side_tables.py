"""Tables beside the answers: counts by segmenter and second opinion, doses, wells not covered."""

import math
from typing import TypeVar

import pandas as pd

from levelfield.qc.statistics.coverage import NotCovered
from levelfield.qc.statistics.records import from_table
from levelfield.qc.tables.counts import ClassCount
from levelfield.qc.tables.trend import Trend
from levelfield.qc.wording.numbers import NOTHING

Record = TypeVar("Record", ClassCount, Trend, NotCovered)
SHOWN_TREND = 0.05
"""p value of a rank correlation with the dose below which it counts as shown."""


def side_rows(table: pd.DataFrame | None, kind: type[Record], file: str) -> list[Record]:
    """Read ``qc/counts.csv``, ``qc/trend.csv`` or ``qc/not_covered.csv``, where it is there."""
    return [] if table is None or table.empty else from_table(table, kind, file)


def not_covered_rows(table: pd.DataFrame | None) -> list[NotCovered]:
    """Read ``qc/not_covered.csv``, the farthest first; a well with too few objects is farther."""
    rows = side_rows(table, NotCovered, "qc/not_covered.csv")
    return sorted(rows, key=lambda row: (-_distance(row), row.well, row.object_set))


def _distance(row: NotCovered) -> float:
    return math.inf if math.isnan(row.distance) else row.distance


def trend_words(trend: Trend) -> str:
    """Say whether a measure follows the dose."""
    if not trend.p_value < SHOWN_TREND:
        return "none shown"
    return "rises with the dose" if trend.spearman > 0 else "falls with the dose"


def whole(value: float) -> str:
    """Write a number of objects or fields: "1,301"."""
    return NOTHING if math.isnan(value) else f"{round(value):,}"


def per_field(number: float, fields: float) -> str:
    """Write how many objects there are in a field: "154.2"."""
    return NOTHING if math.isnan(number) or not fields else f"{number / fields:.1f}"


def percent(value: float) -> str:
    """Write a share in percent: "5.2 %"."""
    return NOTHING if math.isnan(value) else f"{value:.1f} %".replace("-", "−")
