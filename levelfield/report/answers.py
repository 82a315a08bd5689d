"""The verdict table in the order in which people ask: object set, question, control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from levelfield.qc.evidence.calibration import MERGE_FLOOR, SPLIT_FLOOR
from levelfield.qc.statistics.comparison import Comparison
from levelfield.report.distributions import control_groups
from levelfield.report.intervals import interval_plot, interval_scale
from levelfield.report.numbers import count, interval, measured

WORST = "worst"
SCOPES = ("negcon", "poscon", "difference")


@dataclass(frozen=True)
class Question:
    """How a question is put to people.

    Attributes
    ----------
    key, title, text, reading : str
        Name in the table, in a heading, as a question, and how its sign is read.
    """

    key: str
    title: str
    text: str
    reading: str


QUESTIONS = (
    Question(
        "agreement",
        "Agreement",
        "Are most objects right?",
        "Share of objects that are neither split nor merged nor badly outlined. It takes a "
        "reference or a review to claim it; missed objects are not counted.",
    ),
    Question(
        "threshold",
        "Threshold",
        "Are about as many images thresholded a bit too low as too high?",
        "Distance from the visible edge to the outline: above zero the outlines are too large "
        "(threshold too low), below zero too small (too high).",
    ),
    Question(
        "split_merge",
        "Splits and merges",
        "Are there about as many over- as under-segmented objects?",
        "Superfluous minus lacking objects, per object: above zero too many are split, below zero "
        "too many are merged.",
    ),
)


@dataclass(frozen=True)
class Cell:
    """One row of the verdict table, ready to be shown."""

    scope: str
    name: str
    verdict: str
    unreviewed: bool
    estimate: str
    interval: str
    counts: str
    advice: str
    note: str
    plot: Markup


@dataclass(frozen=True)
class Line:
    """A positive control beside its negative control and their difference."""

    name: str
    negcon: Cell | None
    poscon: Cell | None
    difference: Cell | None


@dataclass(frozen=True)
class Answer:
    """The answer to one question for one object set.

    Attributes
    ----------
    anchor : str
        Name of its place on the page.
    object_set : str
        Whose question it is.
    question : Question
        Which one.
    margin : str
        The harmless range, in words.
    worst : Cell
        The plate's answer: the worst difference.
    worst_control : str
        The positive control that the worst difference belongs to.
    lines : tuple of Line
        One per positive control.
    """

    anchor: str
    object_set: str
    question: Question
    margin: str
    worst: Cell
    worst_control: str
    lines: tuple[Line, ...]

    @property
    def worst_line(self) -> Line:
        """The line of the control that answers for the plate."""
        return next(line for line in self.lines if line.name == self.worst_control)


def answers(
    verdict: pd.DataFrame,
    pairs: Sequence[Comparison],
    qc_sites: pd.DataFrame,
    reviewed: pd.DataFrame | None = None,
) -> list[Answer]:
    """Put the verdict of one plate in order.

    Parameters
    ----------
    verdict : pandas.DataFrame
        ``qc/verdict.csv`` of one plate.
    pairs : sequence of Comparison
        The plate's controls, from `levelfield.qc.statistics.comparison.comparisons`.
    qc_sites : pandas.DataFrame
        ``qc/sites.csv``, for the plain rates beside an estimate.
    reviewed : pandas.DataFrame, optional
        ``qc/reviewed.csv``, for what people said beside what the evidence says.

    Raises
    ------
    ValueError
        If a question has no row that answers for the plate.
    """
    verdict = verdict.assign(
        **{name: verdict[name].fillna("").astype(str) for name in ("perturbation", "advice")}
    )
    notes = class_notes(qc_sites, pairs)
    for key, note in review_notes(reviewed).items():
        notes[key] = f"{notes[key]}; {note}" if notes.get(key) else note
    found = []
    for number, object_set in enumerate(verdict["object_set"].unique()):
        own = verdict[verdict["object_set"] == object_set]
        for question in QUESTIONS:
            rows = own[own["question"] == question.key].to_dict("records")
            if rows:
                anchor = f"answer-{number}-{question.key}"
                found.append(_answer(anchor, question, rows, pairs, notes))
    return found


def _answer(
    anchor: str,
    question: Question,
    rows: Sequence[Mapping],
    pairs: Sequence[Comparison],
    notes: Mapping[tuple, str],
) -> Answer:
    worst = [row for row in rows if row["perturbation"] == WORST and row["scope"] == "difference"]
    if not worst:
        raise ValueError(
            f"The verdict of {rows[0]['object_set']} on {question.key} has no difference row named "
            "'worst', which answers for the plate. Make qc/verdict.csv anew."
        )
    others = [row for row in rows if row["perturbation"] != WORST]
    scales = _scales(others)
    cells = {(row["scope"], row["perturbation"]): _cell(row, scales, notes) for row in others}
    lines = tuple(
        Line(
            pair.perturbation,
            cells.get(("negcon", pair.negative_name)),
            cells.get(("poscon", pair.perturbation)),
            cells.get(("difference", pair.perturbation)),
        )
        for pair in pairs
    )
    return Answer(
        anchor=anchor,
        object_set=worst[0]["object_set"],
        question=question,
        margin=_margin(worst[0]),
        worst=_cell(worst[0], scales, notes),
        worst_control=_same(worst[0], others),
        lines=lines,
    )


def _scales(rows: Sequence[Mapping]) -> dict:
    """Return one scale for all rows of a unit."""
    units = dict.fromkeys(row["unit"] for row in rows)
    return {unit: interval_scale([row for row in rows if row["unit"] == unit]) for unit in units}


def _cell(row: Mapping, scales: Mapping, notes: Mapping[tuple, str]) -> Cell:
    counts = [
        count(row["n_wells"], "well"),
        count(row["n_sites"], "image"),
        count(row["n_objects"], "object"),
        f"{row['n_reviewed']:,} reviewed",
    ]
    return Cell(
        scope=row["scope"],
        name=row["perturbation"],
        verdict=row["verdict"],
        unreviewed=row["verdict"] != "undecided" and row["n_reviewed"] == 0,
        estimate=measured(row["estimate"], row["unit"]),
        interval=interval(row["ci_low"], row["ci_high"], row["unit"]),
        counts=" · ".join(counts),
        advice=row["advice"],
        note=notes.get(tuple(row[key] for key in _NOTE_KEY), ""),
        plot=interval_plot(row, scales[row["unit"]]),
    )


def _margin(row: Mapping) -> str:
    unit = row["unit"]
    return f"±{row['margin']:g} {unit}"


def _same(worst: Mapping, rows: Sequence[Mapping]) -> str:
    """Name the positive control whose difference the worst row repeats."""
    keys = ("estimate", "ci_low", "ci_high", "verdict", "n_objects")
    for row in rows:
        same = all(
            row[key] == worst[key] or (pd.isna(row[key]) and pd.isna(worst[key])) for key in keys
        )
        if row["scope"] == "difference" and same:
            return row["perturbation"]
    raise ValueError(
        f"The worst difference of {worst['object_set']} on {worst['question']} equals that of no "
        "positive control. Make qc/verdict.csv anew."
    )


_NOTE_KEY = ("object_set", "question", "scope", "perturbation")


def class_notes(qc_sites: pd.DataFrame, pairs: Sequence[Comparison]) -> dict[tuple, str]:
    """Say how many images are thresholded too low and too high, how many objects split and merged.

    Returns
    -------
    dict of (object_set, question, scope, perturbation) to str
        Shares of the images and of the objects of each control.
    """
    notes = {}
    for object_set, own in qc_sites.groupby("object_set", sort=True):
        for group in control_groups(pairs):
            sites = own[own["Metadata_Well"].isin(group.wells)]
            key = group.scope, group.name
            notes[object_set, "threshold", *key] = _threshold_note(sites)
            notes[object_set, "split_merge", *key] = _split_merge_note(sites)
    return notes


def review_notes(reviewed: pd.DataFrame | None) -> dict[tuple, str]:
    """Say what the evidence alone says where a review decides, and how far the review is.

    Returns
    -------
    dict of (object_set, question, scope, perturbation) to str
        Nothing for rows that nobody has reviewed.
    """
    notes = {}
    rows = [] if reviewed is None else reviewed.fillna({"perturbation": ""}).to_dict("records")
    for row in rows:
        key = tuple(row[name] for name in _NOTE_KEY)
        if row["review"] == "partial":
            notes[key] = f"review unfinished: {row['n_reviewed']} of {row['n_drawn']} objects"
        elif row["review"] == "complete":
            notes[key] = _both(row)
    return notes


def _both(row: Mapping) -> str:
    """Write the estimate that does not count for the verdict beside the one that does."""
    other, unit = "evidence", row["unit"]
    words = "by the evidence alone"
    if row["question"] == "threshold":
        other, unit, words = "reviewed", "pp", "by the review, too large minus too small"
    text = f"{words} {measured(row[f'{other}_estimate'], unit)}"
    between = interval(row[f"{other}_ci_low"], row[f"{other}_ci_high"], unit)
    return f"{text} ({between})" if between else text


def _threshold_note(sites: pd.DataFrame) -> str:
    calls = sites.loc[sites["threshold_bias_px"].notna(), "threshold_call"]
    if calls.empty:
        return ""
    low, high = ((calls == call).mean() for call in ("low", "high"))
    return f"too low in {low:.0%}, too high in {high:.0%} of images".replace("%", " %")


def _split_merge_note(sites: pd.DataFrame) -> str:
    objects = sites["n_objects"].sum()
    if not objects:
        return ""
    split, merged = (
        (sites[name].fillna(0) * sites["n_objects"]).sum() / objects
        for name in ("split_rate", "merge_rate")
    )
    found = [
        f"{name} {share:.1%}" if share > floor else f"{name} at the floor (≤ {floor:.1%})"
        for name, share, floor in (("split", split, SPLIT_FLOOR), ("merged", merged, MERGE_FLOOR))
    ]
    return f"{', '.join(found)} of objects".replace("%", " %")


def headline(found: Sequence[Answer], within_limit: bool) -> str:
    """Say in one sentence how the plate stands."""
    if not within_limit:
        return "No verdict. Too many images had to be left out."
    failed = [one for one in found if one.worst.verdict == "fail"]
    open_ = [one for one in found if one.worst.verdict == "undecided"]
    if failed:
        names = ", ".join(f"{one.object_set}, {one.question.title.lower()}" for one in failed)
        return f"No. {len(failed)} of {len(found)} questions fail: {names}."
    if not open_:
        return "Yes. Every question passes, and the control classes do not differ."
    return f"Not decided yet. No question fails, but {len(open_)} of {len(found)} are undecided."
