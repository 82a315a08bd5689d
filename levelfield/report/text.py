"""The verdict as plain text, for the end of a run in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pandas as pd

from levelfield.planted import note_of_verdict
from levelfield.report.answers import QUESTIONS, WORST
from levelfield.report.numbers import NOTHING, interval, measured

WIDTH = 92
_WIDTHS = (41, 10, 20, 10, 10)
_SCOPES = {"negcon": "negative", "poscon": "positive", "difference": "difference"}


def verdict_text(verdict: pd.DataFrame) -> str:
    """Write the verdict of one or more plates as a table, and the advice on what fails.

    Parameters
    ----------
    verdict : pandas.DataFrame
        ``qc/verdict.csv``, or several of them stacked.

    Returns
    -------
    str
        At most `WIDTH` columns wide, ending in a line break.
    """
    verdict = verdict.assign(perturbation=verdict["perturbation"].fillna("").astype(str))
    lines: list[str] = []
    for plate, own in verdict.groupby("plate", sort=False):
        lines += [f"Plate {plate}: is the segmentation good enough, in both control classes?", ""]
        if planted := note_of_verdict(own):
            lines += [*textwrap.wrap(planted, WIDTH), ""]
        lines += [_line("", "estimate", "90 % interval", "harmless", "verdict"), "-" * WIDTH]
        for (object_set, key), rows in own.groupby(["object_set", "question"], sort=False):
            lines += _question(object_set, key, rows.to_dict("records"))
        lines += ["-" * WIDTH, *_closing(own)]
    return "\n".join(lines) + "\n"


def _question(object_set: str, key: str, rows: list[Mapping]) -> list[str]:
    name = next(one.title for one in QUESTIONS if one.key == key).lower()
    lines = []
    for row in rows:
        if row["perturbation"] == WORST:
            lines.insert(0, _row(f"{object_set}, {name}", row))
        else:
            lines.append(_row(f"  {_SCOPES[row['scope']]:<11}{row['perturbation']}", row))
    return lines


def _row(name: str, row: Mapping) -> str:
    unit = row["unit"]
    return _line(
        name,
        measured(row["estimate"], unit),
        interval(row["ci_low"], row["ci_high"], unit) or NOTHING,
        f"{'≥ ' if unit == '%' else '±'}{row['margin']:g} {unit}",
        row["verdict"].upper() if row["perturbation"] == WORST else row["verdict"],
    )


def _line(*cells: str) -> str:
    name, *numbers, verdict = cells
    first = name if len(name) <= _WIDTHS[0] else name[: _WIDTHS[0] - 1] + "…"
    middle = (f"{cell:>{width}}" for cell, width in zip(numbers, _WIDTHS[1:-1], strict=True))
    return f"{first:<{_WIDTHS[0]}}{''.join(middle)}  {verdict}".rstrip()


def _closing(verdict: pd.DataFrame) -> list[str]:
    """Explain the first rows, and repeat the advice on answers that fail."""
    answers = verdict[(verdict["perturbation"] == WORST) & (verdict["scope"] == "difference")]
    text = (
        "The row of a question is the plate's answer: its worst difference between a positive "
        "control and its negative wells."
    )
    said = verdict[verdict["verdict"].isin(["pass", "fail"])]
    if (said["n_reviewed"] == 0).any():
        text += " A pass or fail without reviewed objects rests on the evidence alone."
    if (answers["verdict"] == "undecided").any():
        text += " The report says what would decide the undecided ones."
    lines = textwrap.wrap(text, WIDTH)
    for row in answers[answers["verdict"] == "fail"].to_dict("records"):
        lines += ["", *textwrap.wrap(f"{row['object_set']}, fail: {row['advice']}", WIDTH)]
    return [*lines, ""]
