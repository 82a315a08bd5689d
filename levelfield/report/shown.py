"""Rows and answers of the verdict as pages and terminal show them alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

from levelfield.qc.measures import MEASURES, Measure
from levelfield.qc.verdict.rows import NextStep
from levelfield.qc.wording.aims import aim
from levelfield.qc.wording.numbers import NOTHING, count, interval, measured
from levelfield.qc.wording.parameters import Aim
from levelfield.qc.wording.steps import next_head, next_step_in_short

SCOPES = ("negcon", "poscon", "difference")
Reading = tuple[float, float, float]
"""A value and its 90 % interval."""


@dataclass(frozen=True)
class ShownRow:
    """A row of ``qc/verdict.csv``: one estimate held against its margin, in ``unit``.

    Attributes
    ----------
    plate, question, measure_name, object_set, scope, perturbation : str
        Which row.
    estimate, ci_low, ci_high, margin : float
        With the 90 % interval; NaN where nothing is known.
    unit, basis, verdict, reason, advice : str
        As in `levelfield.qc.verdict.rows.Row`.
    n_wells, n_sites, n_objects, n_reviewed, n_drawn : int
        Behind it; drawn: objects that are to be reviewed.
    review : str
        unreviewed, partial or complete.
    at_floor : bool
        Whether a rate is below what faultless labels read.
    positive_value, negative_value : float
        Of a difference, the values of its classes.
    fraction_low, fraction_high : float
        Shares of images whose threshold is too low and too high; NaN for other measures.
    matched, evidence, these_wells : (float, float, float)
        Other readings of the same, each with its 90 % interval, NaN where there is none: at equal
        local density, by the evidence alone, by the review of the imaged wells alone.
    next_step : NextStep
        What to do.
    """

    plate: str
    question: str
    measure_name: str
    object_set: str
    scope: str
    perturbation: str
    estimate: float
    unit: str
    ci_low: float
    ci_high: float
    margin: float
    n_wells: int
    n_sites: int
    n_objects: int
    n_reviewed: int
    basis: str
    verdict: str
    reason: str
    advice: str
    n_drawn: int
    review: str
    at_floor: bool
    positive_value: float
    negative_value: float
    fraction_low: float
    fraction_high: float
    matched: Reading
    evidence: Reading
    these_wells: Reading
    next_step: NextStep

    @property
    def measure(self) -> Measure:
        """What is measured."""
        return MEASURES[self.measure_name]

    @property
    def unreviewed(self) -> bool:
        """Whether a pass or fail rests on the evidence alone: of the row's basis and nothing else.

        Reviewed objects of a review that is not finished do not change it.
        """
        return self.verdict != "undecided" and self.basis == "evidence"

    @property
    def aim(self) -> Aim | None:
        """What should happen to the objects, for parameter advice; None: nothing."""
        classes = self.positive_value, self.negative_value
        if self.at_floor:
            return None
        return aim(self.measure_name, self.scope, self.verdict, self.estimate, self.margin, classes)

    @property
    def value_words(self) -> str:
        """The estimate as it is shown everywhere."""
        if not math.isfinite(self.estimate):
            return NOTHING
        if self.at_floor:
            return "at the floor"
        signed = self.measure.signed or self.scope == "difference"
        return measured(self.estimate, self.unit, signed=signed)

    @property
    def interval_words(self) -> str:
        """The 90 % interval; empty where it is not known."""
        return interval(self.ci_low, self.ci_high, self.unit)

    def reading_words(self, reading: Reading) -> str:
        """Write another reading: "−2.1 pp (−4.0 to −0.2 pp)"; empty where there is none."""
        value, low, high = reading
        if not math.isfinite(value):
            return ""
        between = interval(low, high, self.unit)
        said = measured(value, self.unit, signed=self.measure.signed or self.scope == "difference")
        return f"{said} ({between})" if between else said

    @property
    def review_words(self) -> str:
        """How far the review is: "review unfinished: 90 of 120 objects"."""
        if self.review == "partial":
            return f"review unfinished: {self.n_reviewed} of {self.n_drawn} objects"
        if self.review == "complete":
            return f"{count(self.n_reviewed, 'object')} reviewed"
        return "not reviewed"


@dataclass(frozen=True)
class ShownAnswer:
    """A row of ``qc/answers.csv`` with the rows that it rests on.

    Attributes
    ----------
    plate, object_set, question, verdict, headline : str
        Whose answer, to what, which, and in words.
    unreviewed, shared, cancelling : bool
        As in `levelfield.qc.verdict.rows.Answer`.
    negative, positive, both : str
        Verdicts of the classes and of their difference.
    worst : ShownRow
        The row that decides.
    rows : tuple of ShownRow
        All rows of the question.
    next_step : NextStep
        What to do.
    n_treated, n_not_covered : int
        Treated wells, and those whose objects look like neither control class.
    """

    plate: str
    object_set: str
    question: str
    verdict: str
    unreviewed: bool
    negative: str
    positive: str
    both: str
    worst: ShownRow
    rows: tuple[ShownRow, ...]
    shared: bool
    cancelling: bool
    next_step: NextStep
    n_treated: int
    n_not_covered: int
    headline: str

    @property
    def next_in_short(self) -> str:
        """What to do next, with its cost; empty where nothing is to be done."""
        words = next_step_in_short(self.next_step, self.worst.measure_name)
        return f"{next_head(self.verdict)}: {words}" if words else ""

    def of_scope(self, scope: str) -> tuple[ShownRow, ...]:
        """Return the rows of one class, or of the differences."""
        return tuple(row for row in self.rows if row.scope == scope)

    def verdict_of(self, scope: str) -> str:
        """Return the verdict of a class, or of the difference."""
        return {"negcon": self.negative, "poscon": self.positive, "difference": self.both}[scope]

    def unreviewed_in(self, scope: str) -> bool:
        """Whether the verdict of a class, or of the difference, rests on the evidence alone."""
        verdict, rows = self.verdict_of(scope), self.of_scope(scope)
        counted = rows if verdict == "pass" else [row for row in rows if row.verdict == verdict]
        return verdict != "undecided" and any(row.basis == "evidence" for row in counted)

    def worst_of(self, scope: str) -> ShownRow | None:
        """Return the row that a class, or the difference, stands or falls with."""
        order = {"pass": 0, "undecided": 1, "fail": 2}
        rows = self.of_scope(scope)
        return max(rows, key=lambda row: (order[row.verdict], _excess(row)), default=None)


def _excess(row: ShownRow) -> float:
    """How far an estimate is, in margins; one that is missing leaves most open."""
    if not math.isfinite(row.estimate):
        return math.inf
    if row.measure.is_share_of_right and row.scope != "difference":
        return (100.0 - row.estimate) / max(100.0 - row.margin, 1e-9)
    one_sided = row.scope != "difference" and not row.measure.signed
    return (row.estimate if one_sided else abs(row.estimate)) / row.margin
