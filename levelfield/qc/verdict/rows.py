"""Typed records of the verdict. They decide; words are made of them last (`levelfield.qc.wording`).

A `Row` is one estimate held against its margin, an `Answer` the plate's answer to one question: its
worst row. Tables on disk hold their fields one by one, and are read back as the same records.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from levelfield.qc.statistics.errors import NO_DOUBTS, Doubts
from levelfield.qc.statistics.estimates import Estimate, Verdict
from levelfield.questions import MEASURES, Measure, Scope

Basis = Literal["evidence", "review"]
Reason = Literal[
    "inside",  # pass: the 90 % interval lies within the margin
    "beyond",  # fail: beyond the margin, and zero is excluded
    "no_wells",  # a class has no wells with objects
    "nothing_measured",  # no objects, or no edge with contrast
    "one_well",  # a class has one well: its scatter is borrowed, and it cannot pass
    "sampling",  # the interval is too wide, mostly by the scatter between wells
    "doubt",  # the interval is too wide, mostly by the evidence's own error
    "multiplicity",  # it would fail alone, not among so many rows
    "uncalibrated",  # nothing is known of the evidence's error for this kind of object
    "reviewers_disagree",  # the evidence passes, the review contradicts it
    "excluded_sites",  # the plate gets no verdict
]
Step = Literal["none", "review", "wells", "layout", "annotate", "expose", "look", "images"]
ReviewState = Literal["unreviewed", "partial", "enough", "complete"]
Key = tuple[str, str, str, str]
"""Object set, measure, scope and perturbation."""


@dataclass(frozen=True)
class NextStep:
    """The cheapest thing to do next.

    Attributes
    ----------
    kind : str
        review objects; add wells; declare controls in the layout; annotate fields; expose shorter;
        look at images; see why images are left out.
    amount, minutes : int
        Objects per class, wells per class, or fields; and of a person's time. 0 where there is
        none.
    """

    kind: Step = field(default="none", metadata={"column": ""})
    amount: int = field(default=0, metadata={"column": "_amount"})
    minutes: int = field(default=0, metadata={"column": "_minutes"})


@dataclass(frozen=True)
class ReviewCounts:
    """How far the review of a row's classes is.

    Attributes
    ----------
    state : str
        unreviewed; partial: not everything that is planned has its answer, and what has does not
        decide; enough: it does; complete.
    n_drawn, n_reviewed : int
        Crops that are planned, and those with answers.
    n_cannot_tell, n_told : int
        Objects in these that nobody could tell, and all others.
    """

    state: ReviewState = "unreviewed"
    n_drawn: int = 0
    n_reviewed: int = 0
    n_cannot_tell: int = 0
    n_told: int = 0

    @classmethod
    def of(cls, states: Iterable[ReviewState], parts: Sequence["ReviewCounts"]) -> Self:
        """Sum up parts; the whole is as far as they all are, else partial."""
        known = set(states)
        return cls(
            known.pop() if len(known) == 1 else "partial" if known else "unreviewed",
            sum(part.n_drawn for part in parts),
            sum(part.n_reviewed for part in parts),
            sum(part.n_cannot_tell for part in parts),
            sum(part.n_told for part in parts),
        )


@dataclass(frozen=True)
class ReviewedRow:
    """What people said of one measure, in one class or between two.

    Attributes
    ----------
    object_set, measure, scope, perturbation, plate : str
        Whose, and of what.
    counts : ReviewCounts
        How far people are.
    estimate, these_wells : Estimate
        About this control: V = V_review + s²_between / W; and the same value about the wells that
        were imaged: the draw and the reviewers alone. Fractions; NaN without any answer.
    matched : Estimate or None
        A difference at equal local density, about the control; None where the classes share none.
    reviews_needed : int or None
        Crops per class whose review should decide the row, if it is as it seems. None where more
        would not: the wells scatter too much, or nothing is known.
    notes : str
        What does not count, and why.
    unit : str
        As shown: %, pp, or share: the bias, which only contradicts the evidence.
    """

    object_set: str
    measure: str
    scope: Scope
    perturbation: str
    counts: ReviewCounts = field(metadata={"prefix": ""})
    estimate: Estimate
    these_wells: Estimate
    matched: Estimate | None
    reviews_needed: int | None = None
    notes: str = ""
    unit: str = "pp"
    plate: str = ""

    @property
    def key(self) -> Key:
        """Which row of a plate it is of."""
        return self.object_set, self.measure, self.scope, self.perturbation

    @property
    def decides(self) -> bool:
        """Whether the review is complete or enough, and has an estimate."""
        return self.counts.state in ("complete", "enough") and math.isfinite(self.estimate.value)


_NOTHING, _NOT_REVIEWED = NextStep(), ReviewCounts()


class Judged:
    """What every row of a verdict can say of itself, be it made or read from a table."""

    object_set: str
    measure_name: str
    scope: Scope
    perturbation: str
    verdict: Verdict
    basis: Basis

    @property
    def key(self) -> Key:
        """Which row of a plate it is."""
        return self.object_set, self.measure_name, self.scope, self.perturbation

    @property
    def measure(self) -> Measure:
        """What is measured."""
        return MEASURES[self.measure_name]

    @property
    def signed(self) -> bool:
        """Whether it can err both ways, so that its value is shown with a sign."""
        return self.measure.kind(self.scope) == "signed"

    @property
    def unreviewed(self) -> bool:
        """Whether a pass or fail rests on the evidence alone; it is said wherever it is shown.

        Answers of a review that is not complete do not change it.
        """
        return rests_on_evidence(self.verdict, [self])


def rests_on_evidence(verdict: str, counted: Sequence[Judged]) -> bool:
    """Whether a verdict is a pass or fail, and any row that counts for it is not reviewed."""
    return verdict != "undecided" and any(row.basis == "evidence" for row in counted)


@dataclass(frozen=True)
class Row(Judged):
    """One estimate, held against its margin. In fractions of objects, or px.

    Attributes
    ----------
    plate, object_set, measure_name, scope, perturbation : str
        Whose, and of what; the name of a control has its dose where it has several.
    estimate, matched : Estimate or None
        What is judged: corrected, systematic error included; and a difference at equal local
        density, judged with it: the verdict is the worse of the two.
    margin : float
        Largest harmless size; of the agreement of a class the least share.
    verdict, reason, basis : str
        pass, fail or undecided; why; by evidence or review.
    calibrated, by_matched, at_floor : bool
        Whether the evidence is calibrated for this kind of object and segmenter; the
        density-matched estimate decided; a rate is below what faultless labels read.
    evidence, reviewed, reviewed_these_wells : Estimate or None
        What the evidence says, also where the review decides; what people say about this control,
        with the scatter between wells, and about the wells that were imaged alone.
    doubts, doubt_shares : Doubts, mapping of str to float
        What widens the interval, and the share of the whole variance that each source adds:
        sampling, constant, value, and doubts.
    review : ReviewCounts
        How far people are.
    n_wells, fewest_wells, n_sites, n_objects : int
        Behind the estimate; fewest: of the smaller class.
    positive_value, negative_value : float
        Corrected values of both classes of a difference, NaN otherwise.
    fraction_low, fraction_high : float
        Shares of images whose threshold is too low and too high, where the measure is bias.
    missing : tuple of str
        Classes without wells.
    next_step : NextStep
        The cheapest that would decide an undecided row, or would confirm an unreviewed one.
    """

    plate: str
    object_set: str
    measure_name: str
    scope: Scope
    perturbation: str
    estimate: Estimate
    margin: float
    verdict: Verdict
    reason: Reason
    matched: Estimate | None = None
    basis: Basis = "evidence"
    calibrated: bool = True
    evidence: Estimate | None = None
    by_matched: bool = False
    doubts: Doubts = NO_DOUBTS
    doubt_shares: dict[str, float] = field(default_factory=dict)
    review: ReviewCounts = _NOT_REVIEWED
    reviewed: Estimate | None = None
    reviewed_these_wells: Estimate | None = None
    n_wells: int = 0
    fewest_wells: int = 0
    n_sites: int = 0
    n_objects: int = 0
    positive_value: float = float("nan")
    negative_value: float = float("nan")
    fraction_low: float = float("nan")
    fraction_high: float = float("nan")
    missing: tuple[str, ...] = ()
    at_floor: bool = False
    next_step: NextStep = _NOTHING

    @property
    def question(self) -> str:
        """Which question the row answers."""
        return self.measure.question

    @property
    def unit(self) -> str:
        """Unit in which the row is shown."""
        return self.measure.unit_of(self.scope)


@dataclass(frozen=True)
class Answer:
    """The plate's answer to one question for one object set: its worst row.

    Attributes
    ----------
    plate, object_set, question : str
        Whose, and to what.
    verdict : str
        fail if any row fails, pass if all pass, else undecided.
    worst, rows : Row, tuple of Row
        The row that decides, which the headline names, and all of the question.
    negative, positive, both : str
        Verdicts of the negative wells, of the worst positive control, and of the worst difference.
    shared, cancelling : bool
        Whether both classes fail in the same direction and no difference does: counts are wrong,
        contrasts may still hold; whether splits and merges fail although their balance does not.
    next_step : NextStep
        The cheapest that would decide the question: that of the worst row, but a review as large as
        all its rows need.
    """

    plate: str
    object_set: str
    question: str
    verdict: Verdict
    worst: Row
    rows: tuple[Row, ...]
    negative: Verdict
    positive: Verdict
    both: Verdict
    shared: bool = False
    cancelling: bool = False
    next_step: NextStep = _NOTHING

    @property
    def unreviewed(self) -> bool:
        """Whether the answer rests on the evidence alone in any row that counts for it."""
        return rests_on_evidence(
            self.verdict, self.rows if self.verdict == "pass" else (self.worst,)
        )
