"""Estimate and truth beside each other, where some wells have reference labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.records import from_table
from levelfield.qc.truth import TruthLine
from levelfield.qc.wording.numbers import interval, measured
from levelfield.questions import QUESTIONS, THRESHOLD
from levelfield.report.intervals import Side, interval_plot, interval_scale, is_signed
from levelfield.report.records import count_words, grouped, share_words
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

    The note is of thresholds: shares of images where they are too low and too high, by the
    references, and where the annotators draw. The readings are by the evidence on the whole plate
    and on the fields that have a reference, and by these.
    """

    row: TruthLine
    counts: str
    note: str
    readings: tuple[Reading, ...]


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
    by_kind = grouped((side for own in sides for side in own), _kind)
    scales = {kind: interval_scale(own) for kind, own in by_kind.items()}
    found = []
    for row, own in zip(rows, sides, strict=True):
        verdicts = (row.verdict, "", row.truth_verdict)
        readings = tuple(
            _reading(side, verdict, scales[_kind(side)])
            for side, verdict in zip(own, verdicts, strict=True)
        )
        counts = count_words(row.n_wells, row.n_sites, row.n_objects)
        found.append(ShownTruth(row, counts, _note(row), readings))
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
    shares = share_words(row.fraction_low, row.fraction_high)
    return "; ".join(filter(None, [shares, _convention(row.annotators_convention_px, row.scope)]))


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
