"""The verdict as plain text, for the end of a run in a terminal."""

from __future__ import annotations

import textwrap

import pandas as pd

from levelfield.report.answers import QUESTIONS, WORST
from levelfield.report.numbers import NOTHING, interval, measured

_WIDTH = 96
_COLUMNS = (("", 30), ("estimate", 11), ("90 % interval", 22), ("margin", 10), ("verdict", 12))
_SCOPES = {"negcon": "negative", "poscon": "positive", "difference": "difference"}


def verdict_text(verdict: pd.DataFrame) -> str:
    """Write the verdict of one or more plates as a table, and what to do about the worst rows.

    Parameters
    ----------
    verdict : pandas.DataFrame
        ``qc/verdict.csv``, or several of them stacked.

    Returns
    -------
    str
        At most 96 columns wide, ending in a line break.
    """
    verdict = verdict.assign(perturbation=verdict["perturbation"].fillna("").astype(str))
    lines: list[str] = []
    for plate, own in verdict.groupby("plate", sort=False):
        lines += [f"Plate {plate}: is the segmentation good enough, in both control classes?", ""]
        for (object_set, key), rows in own.groupby(["object_set", "question"], sort=False):
            lines += _question(object_set, key, rows)
    return "\n".join(lines) + "\n"


def _question(object_set: str, key: str, rows: pd.DataFrame) -> list[str]:
    question = next(one for one in QUESTIONS if one.key == key)
    titles = [f"{object_set}: {question.title.lower()}", *(name for name, _ in _COLUMNS[1:])]
    lines = [_row(titles), "-" * sum(width for _, width in _COLUMNS)]
    answer = None
    for row in rows.to_dict("records"):
        if row["perturbation"] == WORST:
            answer = row
            continue
        lines.append(_row(_cells(row, f"{_SCOPES[row['scope']]:<11}{row['perturbation']}")))
    if answer is not None:
        lines.append(_row(_cells(answer, "the plate's answer")))
        lines += textwrap.wrap(
            str(answer["advice"]), _WIDTH - 2, initial_indent="  ", subsequent_indent="  "
        )
    return [*lines, ""]


def _cells(row: dict, name: str) -> list[str]:
    unit = row["unit"]
    at_least = unit == "%"
    return [
        name,
        measured(row["estimate"], unit),
        interval(row["ci_low"], row["ci_high"], unit) or NOTHING,
        f"{'≥ ' if at_least else '±'}{row['margin']:g} {unit}",
        row["verdict"],
    ]


def _row(cells: list[str]) -> str:
    parts = []
    for (_, width), cell in zip(_COLUMNS, cells, strict=True):
        parts.append(cell if len(cell) < width else cell[: width - 2] + "…")
    return "".join(
        f"{part:<{width}}" for (_, width), part in zip(_COLUMNS, parts, strict=True)
    ).rstrip()
