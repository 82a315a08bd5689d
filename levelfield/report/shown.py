"""Rows and answers of the verdict as pages and terminal show them alike."""

import math
from dataclasses import dataclass

from levelfield.qc.measures import Scope
from levelfield.qc.statistics.estimates import SEVERITY, Verdict
from levelfield.qc.verdict.answer import margins_off
from levelfield.qc.verdict.rows import rests_on_evidence
from levelfield.qc.verdict.tables import AnswerLine, Interval, VerdictLine
from levelfield.qc.wording.aims import Aim, aim
from levelfield.qc.wording.numbers import NOTHING, count, interval, measured
from levelfield.qc.wording.steps import next_head, next_step_in_short


class ShownRow(VerdictLine):
    """A row of ``qc/verdict.csv``: one estimate held against its margin, in ``unit``."""

    @property
    def aim(self) -> Aim | None:
        """What should happen to the objects, for parameter advice; None: nothing."""
        return aim(self, self.estimate)

    @property
    def value_words(self) -> str:
        """The estimate as it is shown everywhere."""
        if not math.isfinite(self.estimate):
            return NOTHING
        if self.at_floor:
            return "at the floor"
        return measured(self.estimate, self.unit, signed=self.signed)

    @property
    def interval_words(self) -> str:
        """The 90 % interval; empty where it is not known."""
        return interval(self.ci_low, self.ci_high, self.unit)

    def reading_words(self, reading: Interval) -> str:
        """Write another reading: "−2.1 pp (−4.0 to −0.2 pp)"; empty where there is none."""
        if not math.isfinite(reading.value):
            return ""
        between = interval(reading.low, reading.high, self.unit)
        said = measured(reading.value, self.unit, signed=self.signed)
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
class ShownAnswer(AnswerLine):
    """A row of ``qc/answers.csv`` with the rows that it rests on.

    Attributes
    ----------
    worst : ShownRow
        The row that decides.
    rows : tuple of ShownRow
        All rows of the question.
    """

    worst: ShownRow
    rows: tuple[ShownRow, ...]

    @property
    def next_in_short(self) -> str:
        """What to do next, with its cost; empty where nothing is to be done."""
        words = next_step_in_short(self.next_step, self.worst.measure_name)
        return f"{next_head(self.verdict)}: {words}" if words else ""

    def of_scope(self, scope: Scope) -> tuple[ShownRow, ...]:
        """Return the rows of one class, or of the differences."""
        return tuple(row for row in self.rows if row.scope == scope)

    def verdict_of(self, scope: Scope) -> Verdict:
        """Return the verdict of a class, or of the difference."""
        return {"negcon": self.negative, "poscon": self.positive, "difference": self.both}[scope]

    def unreviewed_in(self, scope: Scope) -> bool:
        """Whether the verdict of a class, or of the difference, rests on the evidence alone."""
        verdict, rows = self.verdict_of(scope), self.of_scope(scope)
        return rests_on_evidence(verdict, [row for row in rows if row.verdict == verdict])

    def worst_of(self, scope: Scope) -> ShownRow | None:
        """Return the row that a class, or the difference, stands or falls with."""
        return max(
            self.of_scope(scope),
            key=lambda row: (SEVERITY.index(row.verdict), _margins_off(row)),
            default=None,
        )


def _margins_off(row: ShownRow) -> float:
    scale = row.measure.scale
    return margins_off(row, row.estimate / scale, row.margin / scale)
