"""The verdict's files: judged rows and answers as they are written, in units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from levelfield.qc.statistics.estimates import NOTHING, Estimate, Verdict
from levelfield.qc.statistics.records import shared_fields
from levelfield.qc.verdict.answer import rows_by_question, worst_of
from levelfield.qc.verdict.rows import Answer, Basis, Judged, NextStep, Reason, ReviewState, Row
from levelfield.questions import Scope


@dataclass(frozen=True)
class Interval:
    """A value with its 90 % interval; NaN where there is none."""

    value: float = field(metadata={"column": ""})
    low: float = field(metadata={"column": "_low"})
    high: float = field(metadata={"column": "_high"})

    @classmethod
    def of(cls, estimate: Estimate | None, scale: float) -> Interval:
        """Return an estimate in units; `scale` is units per fraction of objects, or per px."""
        return cls(*(estimate or NOTHING).in_units(scale))


@dataclass(frozen=True)
class VerdictLine(Judged):
    """One row of ``qc/verdict.csv``, in ``unit``; intervals are at 90 %.

    Those of `levelfield.qc.verdict.rows.Row`, and those below.

    Attributes
    ----------
    is_worst : bool
        Whether it answers its question for the plate.
    matched, evidence, these_wells : Interval
        The difference at equal local density; by the evidence, also where the review decides; by
        the review, about the wells that were imaged alone.
    advice : str
        Words, made last.
    """

    plate: str
    question: str
    measure_name: str = field(metadata={"column": "measure"})
    object_set: str
    scope: Scope
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
    basis: Basis
    verdict: Verdict
    reason: Reason
    is_worst: bool
    next_step: NextStep = field(metadata={"prefix": "next_step"})
    calibrated: bool
    review: ReviewState
    n_drawn: int
    n_cannot_tell: int
    fewest_wells: int
    positive_value: float
    negative_value: float
    fraction_low: float
    fraction_high: float
    at_floor: bool
    by_matched: bool
    matched: Interval = field(metadata={"prefix": "matched"})
    evidence: Interval = field(metadata={"prefix": "evidence"})
    these_wells: Interval = field(metadata={"prefix": "these_wells"})
    missing: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class AnswerLine:
    """One row of ``qc/answers.csv``.

    Those of `levelfield.qc.verdict.rows.Answer`, its worst row and next step, and those below.

    Attributes
    ----------
    n_treated, n_not_covered : int
        Treated wells, and those whose objects look like neither control class.
    headline : str
        Words, made last.
    """

    plate: str
    object_set: str
    question: str
    verdict: Verdict
    unreviewed: bool
    negative: Verdict
    positive: Verdict
    both: Verdict
    worst_measure: str
    worst_scope: Scope
    worst_perturbation: str
    shared: bool
    cancelling: bool
    next_step: NextStep = field(metadata={"prefix": "next_step"})
    n_treated: int
    n_not_covered: int
    headline: str


def verdict_lines(rows: Sequence[Row], advice: Iterable[str]) -> list[VerdictLine]:
    """Return the lines of ``qc/verdict.csv``, with a text for each row."""
    worst = {id(worst_of(group)) for group in rows_by_question(rows).values()}
    texts = zip(rows, advice, strict=True)
    return [_verdict_line(row, is_worst=id(row) in worst, advice=text) for row, text in texts]


def _verdict_line(row: Row, *, is_worst: bool, advice: str) -> VerdictLine:
    scale = row.measure.scale
    facts = shared_fields(row, VerdictLine) | shared_fields(row.review, VerdictLine)
    facts |= dict(zip(("estimate", "ci_low", "ci_high"), row.estimate.in_units(scale), strict=True))
    facts |= {
        "margin": round(row.margin * scale, 9),
        "review": row.review.state,
        "positive_value": row.positive_value * scale,
        "negative_value": row.negative_value * scale,
        "matched": Interval.of(row.matched, scale),
        "evidence": Interval.of(row.evidence, scale),
        "these_wells": Interval.of(row.reviewed_these_wells, scale),
    }
    return VerdictLine(**facts, is_worst=is_worst, advice=advice)


def answer_lines(
    answers: Sequence[Answer],
    headlines: Iterable[str],
    coverage: Mapping[str, tuple[int, int]] | None = None,
) -> list[AnswerLine]:
    """Return the lines of ``qc/answers.csv``, with a text for each answer.

    Coverage is by object set: treated wells and those that look like neither control class.
    """
    return [
        AnswerLine(
            **shared_fields(answer, AnswerLine),
            worst_measure=answer.worst.measure_name,
            worst_scope=answer.worst.scope,
            worst_perturbation=answer.worst.perturbation,
            n_treated=n_treated,
            n_not_covered=n_not_covered,
            headline=headline,
        )
        for answer, headline in zip(answers, headlines, strict=True)
        for n_treated, n_not_covered in [(coverage or {}).get(answer.object_set, (0, 0))]
    ]
