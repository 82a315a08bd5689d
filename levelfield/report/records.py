"""The verdict's tables read back as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from levelfield.qc.verdict.rows import NextStep
from levelfield.report.shown import Reading, ShownAnswer, ShownRow

ROW_COLUMNS = (
    "plate",
    "question",
    "measure",
    "object_set",
    "scope",
    "perturbation",
    "estimate",
    "unit",
    "ci_low",
    "ci_high",
    "margin",
    "n_wells",
    "n_sites",
    "n_objects",
    "n_reviewed",
    "basis",
    "verdict",
    "reason",
    "is_worst",
    "next_step",
    "next_step_amount",
    "next_step_minutes",
    "review",
    "n_drawn",
    "positive_value",
    "negative_value",
    "fraction_low",
    "fraction_high",
    "at_floor",
    "matched",
    "matched_low",
    "matched_high",
    "evidence",
    "evidence_low",
    "evidence_high",
    "these_wells",
    "these_wells_low",
    "these_wells_high",
    "advice",
)
"""Of ``qc/verdict.csv``: those that are shown."""
ANSWER_COLUMNS = (
    "plate",
    "object_set",
    "question",
    "verdict",
    "unreviewed",
    "negative",
    "positive",
    "both",
    "worst_measure",
    "worst_scope",
    "worst_perturbation",
    "shared",
    "cancelling",
    "next_step",
    "next_step_amount",
    "next_step_minutes",
    "n_treated",
    "n_not_covered",
    "headline",
)
"""Of ``qc/answers.csv``."""


def read_rows(verdict: pd.DataFrame) -> list[ShownRow]:
    """Read ``qc/verdict.csv`` of one or several plates.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _require(verdict, ROW_COLUMNS, "qc/verdict.csv")
    return [_row(row) for row in verdict.to_dict("records")]


def read_answers(answers: pd.DataFrame, verdict: pd.DataFrame) -> list[ShownAnswer]:
    """Read ``qc/answers.csv`` with the rows of ``qc/verdict.csv`` that each answer rests on.

    Raises
    ------
    ValueError
        If a column is missing, or the row that decides an answer is not in the verdict.
    """
    _require(answers, ANSWER_COLUMNS, "qc/answers.csv")
    rows: dict[tuple[str, str, str], list[ShownRow]] = {}
    for row in read_rows(verdict):
        rows.setdefault((row.plate, row.object_set, row.question), []).append(row)
    return [_answer(one, rows) for one in answers.to_dict("records")]


def class_margins(verdict: pd.DataFrame) -> dict[str, float]:
    """Return the margin of a class by measure, in its unit, from ``qc/verdict.csv``."""
    classes = verdict[verdict["scope"] != "difference"]
    return {
        str(measure): float(rows["margin"].iloc[0])
        for measure, rows in classes.groupby("measure", sort=True)
    }


def _answer(one: Mapping[str, Any], rows: Mapping[tuple, list[ShownRow]]) -> ShownAnswer:
    plate, object_set, question = (_text(one[key]) for key in ("plate", "object_set", "question"))
    own = rows.get((plate, object_set, question), [])
    named = one["worst_measure"], one["worst_scope"], _text(one["worst_perturbation"])
    worst = [row for row in own if (row.measure_name, row.scope, row.perturbation) == named]
    if not worst:
        raise ValueError(
            f"The answer of {object_set} on {question} (plate {plate}) names the row "
            f"{', '.join(map(str, named))}, which qc/verdict.csv does not hold. Delete both tables "
            "and run the workflow again."
        )
    return ShownAnswer(
        plate=plate,
        object_set=object_set,
        question=question,
        verdict=one["verdict"],
        unreviewed=bool(one["unreviewed"]),
        negative=_verdict(one["negative"]),
        positive=_verdict(one["positive"]),
        both=_verdict(one["both"]),
        worst=worst[0],
        rows=tuple(own),
        shared=bool(one["shared"]),
        cancelling=bool(one["cancelling"]),
        next_step=_step(one),
        n_treated=int(one["n_treated"]),
        n_not_covered=int(one["n_not_covered"]),
        headline=_text(one["headline"]),
    )


def _row(row: Mapping[str, Any]) -> ShownRow:
    words = ("question", "object_set", "scope", "unit", "basis", "verdict", "reason", "review")
    numbers = ("estimate", "ci_low", "ci_high", "margin", "positive_value", "negative_value")
    numbers += ("fraction_low", "fraction_high")
    counts = ("n_wells", "n_sites", "n_objects", "n_reviewed", "n_drawn")
    return ShownRow(
        plate=_text(row["plate"]),
        measure_name=row["measure"],
        perturbation=_text(row["perturbation"]),
        advice=_text(row["advice"]),
        next_step=_step(row),
        at_floor=bool(row["at_floor"]),
        **{name: row[name] for name in words},
        **{name: float(row[name]) for name in numbers},
        **{name: int(row[name]) for name in counts},
        **{name: _reading(row, name) for name in ("matched", "evidence", "these_wells")},
    )


def _reading(row: Mapping[str, Any], name: str) -> Reading:
    return float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"])


def _step(row: Mapping[str, Any]) -> NextStep:
    kind = _text(row["next_step"]) or "none"
    return NextStep(kind, int(row["next_step_amount"]), int(row["next_step_minutes"]))


def _verdict(value: Any) -> str:
    return _text(value) or "undecided"


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _require(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: another "
            "version of Levelfield made it. Delete it and run the workflow again."
        )
