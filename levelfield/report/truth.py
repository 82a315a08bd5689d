"""Estimate and truth beside each other, where some wells have reference labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from levelfield.qc.measures import THRESHOLD
from levelfield.qc.wording.numbers import count, interval, measured
from levelfield.qc.wording.questions import MEASURE_TITLES, QUESTIONS
from levelfield.report.intervals import interval_plot, interval_scale, is_signed
from levelfield.report.svg import Scale

_SIDES = ("", "same_sites_", "truth_")


@dataclass(frozen=True)
class Side:
    """One of the three answers of a row, as `levelfield.report.intervals` draws it."""

    measure_name: str
    scope: str
    unit: str
    margin: float
    estimate: float
    ci_low: float
    ci_high: float
    verdict: str


@dataclass(frozen=True)
class Reading:
    """One way of answering: its value, interval, verdict and plot."""

    value: str
    interval: str
    verdict: str
    plot: Markup


@dataclass(frozen=True)
class TruthLine:
    """One row of ``qc/truth.csv``.

    Attributes
    ----------
    measure, scope, name, counts : str
        Of the row.
    note : str
        Of the threshold: shares of images where it is too low and too high, by the references, and
        where the annotators draw.
    estimate, same_sites, truth : Reading
        By the evidence on the whole plate and on the fields that have a reference, and by these.
    """

    measure: str
    scope: str
    name: str
    counts: str
    note: str
    estimate: Reading
    same_sites: Reading
    truth: Reading


def truth_answers(truth: pd.DataFrame | None) -> list[tuple[str, list[TruthLine]]]:
    """Return the lines of ``qc/truth.csv`` by object set and question, those that have a truth."""
    if truth is None:
        return []
    titles = {key: one.title.lower() for key, one in QUESTIONS.items()}
    known = truth[truth["truth"].notna()]
    return [
        (f"{object_set} · {titles[question]}", _lines(rows.to_dict("records")))
        for (object_set, question), rows in known.groupby(["object_set", "question"], sort=False)
    ]


def _lines(rows: list[Mapping]) -> list[TruthLine]:
    sides = {row: [_side(one, name) for name in _SIDES] for row, one in enumerate(rows)}
    every = [side for own in sides.values() for side in own]
    kinds = dict.fromkeys(_kind(side) for side in every)
    scales = {
        kind: interval_scale([side for side in every if _kind(side) == kind]) for kind in kinds
    }
    return [
        TruthLine(
            measure=MEASURE_TITLES[row["measure"]],
            scope=row["scope"],
            name=row["perturbation"],
            counts=" · ".join(
                count(row[f"n_{what}s"], name)
                for what, name in (("well", "well"), ("site", "image"), ("object", "object"))
            ),
            note=_note(row),
            **{
                name: _reading(side, scales[_kind(side)])
                for name, side in zip(("estimate", "same_sites", "truth"), own, strict=True)
            },
        )
        for row, own in zip(rows, sides.values(), strict=True)
    ]


def _kind(side: Side) -> tuple[str, bool]:
    """Return what may be compared by eye: classes with classes, differences with differences."""
    return side.measure_name, side.scope == "difference"


def _side(row: Mapping, prefix: str) -> Side:
    """Return one of the three answers of a row as if it were a row of the verdict."""
    value = "truth" if prefix == "truth_" else f"{prefix}estimate"
    verdicts = {"": row["verdict"], "truth_": row["truth_verdict"]}
    return Side(
        measure_name=row["measure"],
        scope=row["scope"],
        unit=row["unit"],
        margin=row["margin"],
        estimate=row[value],
        ci_low=row[f"{prefix}ci_low"],
        ci_high=row[f"{prefix}ci_high"],
        verdict=verdicts.get(prefix, ""),
    )


def _reading(side: Side, scale: Scale) -> Reading:
    between = interval(side.ci_low, side.ci_high, side.unit)
    return Reading(
        value=measured(side.estimate, side.unit, signed=is_signed(side)),
        interval=f"90 % interval {between}" if between else "no interval",
        verdict=side.verdict or "",
        plot=interval_plot(side, scale),
    )


def _note(row: Mapping) -> str:
    if row["question"] != THRESHOLD:
        return ""
    notes = [_convention(row["annotators_convention_px"], row["scope"])]
    if pd.notna(row["fraction_low"]):
        low, high = (f"{100 * row[f'fraction_{call}']:.0f} %" for call in ("low", "high"))
        notes = [f"too low in {low}, too high in {high} of images", *notes]
    return "; ".join(note for note in notes if note)


def _convention(px: float, scope: str) -> str:
    """Say where annotators draw: "annotators draw 0.4 px outside of the visible edge"."""
    if pd.isna(px):
        return ""
    size, is_out = f"{abs(px):.1f} px", px > 0
    if scope == "difference":
        if size == "0.0 px":
            return "annotators draw alike in both classes"
        side = "outside" if is_out else "inside"
        return f"annotators draw {size} farther {side} than in the negative wells"
    if size == "0.0 px":
        return "annotators draw on the visible edge"
    return f"annotators draw {size} {'outside' if is_out else 'inside'} of the visible edge"
