"""Estimate and truth beside each other, where some wells have reference labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from levelfield.qc.measures import THRESHOLD, Scope
from levelfield.qc.statistics.records import from_table
from levelfield.qc.truth import TruthLine
from levelfield.qc.wording.numbers import count, interval, measured
from levelfield.qc.wording.questions import MEASURE_TITLES, QUESTIONS
from levelfield.report.intervals import Side, interval_plot, interval_scale, is_signed
from levelfield.report.svg import Scale


@dataclass(frozen=True)
class Reading:
    """One way of answering: its value, interval, verdict and plot."""

    value: str
    interval: str
    verdict: str
    plot: Markup


@dataclass(frozen=True)
class ShownTruth:
    """One row of ``qc/truth.csv``, ready to be shown.

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
    scope: Scope
    name: str
    counts: str
    note: str
    estimate: Reading
    same_sites: Reading
    truth: Reading


def truth_answers(truth: pd.DataFrame | None) -> list[tuple[str, list[ShownTruth]]]:
    """Return the lines of ``qc/truth.csv`` by object set and question, those that have a truth."""
    if truth is None:
        return []
    known = truth[truth["truth"].notna()]
    return [
        (
            f"{object_set} · {QUESTIONS[question].title.lower()}",
            _shown(from_table(rows, TruthLine, "qc/truth.csv")),
        )
        for (object_set, question), rows in known.groupby(["object_set", "question"], sort=False)
    ]


def _shown(rows: Sequence[TruthLine]) -> list[ShownTruth]:
    sides = [_sides(row) for row in rows]
    every = [side for own in sides for side in own]
    scales = {
        kind: interval_scale([side for side in every if _kind(side) == kind])
        for kind in dict.fromkeys(map(_kind, every))
    }
    found = []
    for row, own in zip(rows, sides, strict=True):
        verdicts = (row.verdict, "", row.truth_verdict)
        readings = (
            _reading(side, verdict, scales[_kind(side)])
            for side, verdict in zip(own, verdicts, strict=True)
        )
        counts = [
            count(row.n_wells, "well"),
            count(row.n_sites, "image"),
            count(row.n_objects, "object"),
        ]
        head = MEASURE_TITLES[row.measure], row.scope, row.perturbation, " · ".join(counts)
        found.append(ShownTruth(*head, _note(row), *readings))
    return found


def _kind(side: Side) -> tuple[str, bool]:
    """Return what may be compared by eye: classes with classes, differences with differences."""
    return side.measure_name, side.scope == "difference"


def _sides(row: TruthLine) -> list[Side]:
    """Return the three answers of a row as if they were rows of the verdict."""
    head = row.measure, row.scope, row.unit, row.margin
    return [
        Side(*head, row.estimate, row.ci_low, row.ci_high),
        Side(*head, row.same_sites_estimate, row.same_sites_ci_low, row.same_sites_ci_high),
        Side(*head, row.truth, row.truth_ci_low, row.truth_ci_high),
    ]


def _reading(side: Side, verdict: str, scale: Scale) -> Reading:
    between = interval(side.ci_low, side.ci_high, side.unit)
    return Reading(
        value=measured(side.estimate, side.unit, signed=is_signed(side)),
        interval=f"90 % interval {between}" if between else "no interval",
        verdict=verdict,
        plot=interval_plot(side, scale),
    )


def _note(row: TruthLine) -> str:
    if row.question != THRESHOLD:
        return ""
    notes = [_convention(row.annotators_convention_px, row.scope)]
    if math.isfinite(row.fraction_low):
        low, high = (f"{100 * share:.0f} %" for share in (row.fraction_low, row.fraction_high))
        notes = [f"too low in {low}, too high in {high} of images", *notes]
    return "; ".join(filter(None, notes))


def _convention(px: float, scope: str) -> str:
    """Say where annotators draw: "annotators draw 0.4 px outside of the visible edge"."""
    if math.isnan(px):
        return ""
    size, side = f"{abs(px):.1f} px", "outside" if px > 0 else "inside"
    if scope == "difference":
        if size == "0.0 px":
            return "annotators draw alike in both classes"
        return f"annotators draw {size} farther {side} than in the negative wells"
    if size == "0.0 px":
        return "annotators draw on the visible edge"
    return f"annotators draw {size} {side} of the visible edge"
