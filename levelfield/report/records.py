"""Rows and answers of the verdict, read from their tables, as pages and terminal show them."""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from levelfield.qc.statistics.estimates import SEVERITY, Verdict
from levelfield.qc.statistics.records import from_table
from levelfield.qc.verdict.answer import margins_off
from levelfield.qc.verdict.rows import rests_on_evidence
from levelfield.qc.verdict.tables import AnswerLine, Interval, VerdictLine
from levelfield.qc.wording.aims import Aim, aim
from levelfield.qc.wording.numbers import count, interval, measured
from levelfield.qc.wording.questions import name_of_row
from levelfield.qc.wording.steps import next_head, next_step_in_short
from levelfield.questions import THRESHOLD, Scope

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


class ShownRow(VerdictLine):
    """A row of ``qc/verdict.csv``: one estimate held against its margin, in ``unit``."""

    @property
    def name(self) -> str:
        """The row in words: "merge rate in the positive control Drug A"."""
        return name_of_row(self.measure_name, self.scope, self.perturbation)

    @property
    def aim(self) -> Aim | None:
        """What should happen to the objects, for parameter advice; None: nothing."""
        return aim(self, self.estimate)

    @property
    def value_words(self) -> str:
        """The estimate as it is shown everywhere."""
        if self.at_floor and math.isfinite(self.estimate):
            return "at the floor"
        return measured(self.estimate, self.unit, signed=self.signed)

    @property
    def interval_words(self) -> str:
        """The 90 % interval; empty where it is not known."""
        return interval(self.ci_low, self.ci_high, self.unit)

    @property
    def review_words(self) -> str:
        """How far the review is: "review unfinished: 40 of 100 crops"."""
        if self.review == "partial":
            return f"review unfinished: {self.n_reviewed} of {self.n_drawn} crops"
        if self.review != "unreviewed":
            return f"{count(self.n_reviewed, 'crop')} reviewed"
        return "not reviewed"

    @property
    def notes(self) -> list[str]:
        """What else is known beside the estimate: shares of images, other readings of the same."""
        notes = [share_words(self.fraction_low, self.fraction_high)]
        notes = notes if self.question == THRESHOLD and notes[0] else []
        readings = [("at equal local density", self.matched)]
        if self.basis == "review":
            readings.append(("by the evidence alone", self.evidence))
            readings.append(("these wells alone", self.these_wells))
        return notes + [
            f"{label} {self._words(reading)}"
            for label, reading in readings
            if math.isfinite(reading.value)
        ]

    def _words(self, reading: Interval) -> str:
        """Write another reading: "−2.1 pp (−4.0 to −0.2 pp)"."""
        between = interval(reading.low, reading.high, self.unit)
        said = measured(reading.value, self.unit, signed=self.signed)
        return f"{said} ({between})" if between else said


@dataclass(frozen=True)
class ShownAnswer(AnswerLine):
    """A row of ``qc/answers.csv`` with all rows of its question, and the one that decides."""

    worst: ShownRow
    rows: tuple[ShownRow, ...]

    @property
    def next_in_short(self) -> str:
        """What to do next, with its cost; empty where nothing is to be done."""
        words = next_step_in_short(self.next_step)
        return f"{next_head(self.verdict)}: {words}" if words else ""

    def verdict_of(self, scope: Scope) -> Verdict:
        """Return the verdict of a class, or of the difference."""
        return {"negcon": self.negative, "poscon": self.positive, "difference": self.both}[scope]

    def unreviewed_in(self, scope: Scope) -> bool:
        """Whether the verdict of a class, or of the difference, rests on the evidence alone."""
        verdict = self.verdict_of(scope)
        rows = [row for row in self.rows if row.scope == scope and row.verdict == verdict]
        return rests_on_evidence(verdict, rows)

    def worst_row(self, scope: Scope) -> ShownRow | None:
        """Return the row that a class, or the difference, stands or falls with."""
        rows = [row for row in self.rows if row.scope == scope]
        return max(
            rows, key=lambda row: (SEVERITY.index(row.verdict), _margins_off(row)), default=None
        )

    def worst_words(self, scope: Scope) -> str:
        """Say the estimate that a class, or the difference, stands or falls with, and of what."""
        worst = self.worst_row(scope)
        if worst is None:
            return ""
        several = len({row.measure_name for row in self.rows if row.scope == scope}) > 1
        return f"{worst.value_words}, {worst.measure_name}" if several else worst.value_words


def _margins_off(row: ShownRow) -> float:
    scale = row.measure.scale
    return margins_off(row, row.estimate / scale, row.margin / scale)


def count_words(n_wells: int, n_sites: int, n_objects: int) -> str:
    """Say what a row rests on: "8 wells · 8 images · 1,234 objects"."""
    named = (n_wells, "well"), (n_sites, "image"), (n_objects, "object")
    return " · ".join(count(number, name) for number, name in named)


def share_words(low: float, high: float) -> str:
    """Say in which shares of images a threshold is too low and too high; nothing if unknown."""
    if not math.isfinite(low + high):
        return ""
    return f"too low in {100 * low:.0f} %, too high in {100 * high:.0f} % of images"


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Return items by a key of theirs, in the order in which keys and items come."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def read_rows(verdict: pd.DataFrame) -> list[ShownRow]:
    """Read ``qc/verdict.csv`` of one or several plates.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    return from_table(verdict, ShownRow, "qc/verdict.csv")


def read_answers(answers: pd.DataFrame, verdict: pd.DataFrame) -> list[ShownAnswer]:
    """Read ``qc/answers.csv`` with the rows of ``qc/verdict.csv`` that each answer rests on.

    Raises
    ------
    ValueError
        If a column is missing, or the row that decides an answer is not in the verdict.
    """
    lines = from_table(answers, AnswerLine, "qc/answers.csv")
    rows = grouped(read_rows(verdict), lambda row: (row.plate, row.object_set, row.question))
    return [
        _answer(line, rows.get((line.plate, line.object_set, line.question), [])) for line in lines
    ]


def _answer(line: AnswerLine, rows: list[ShownRow]) -> ShownAnswer:
    named = line.worst_measure, line.worst_scope, line.worst_perturbation
    worst = [row for row in rows if (row.measure_name, row.scope, row.perturbation) == named]
    if not worst:
        raise ValueError(
            f"The answer of {line.object_set} on {line.question} (plate {line.plate}) names the "
            f"row {', '.join(named)}, which qc/verdict.csv does not hold. Delete both tables and "
            "run the workflow again."
        )
    return ShownAnswer(**vars(line), worst=worst[0], rows=tuple(rows))


def class_margins(verdict: pd.DataFrame) -> dict[str, float]:
    """Return the margin of a class by measure, in its unit, from ``qc/verdict.csv``."""
    classes = verdict[verdict["scope"] != "difference"]
    margins = classes.groupby("measure", sort=True)["margin"].first()
    return {str(measure): float(margin) for measure, margin in margins.items()}
