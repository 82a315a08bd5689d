"""The verdict's files: judged rows and answers as they are written, in units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from levelfield.qc.statistics.estimates import PASS_LEVEL, Estimate
from levelfield.qc.verdict.answer import worst_of
from levelfield.qc.verdict.rows import Answer, Row


@dataclass(frozen=True)
class VerdictLine:
    """One row of ``qc/verdict.csv``, in ``unit``; intervals are at 90 %.

    Attributes are those of `levelfield.qc.verdict.rows.Row`, and

    is_worst : bool
        Whether it answers its question for the plate.
    matched, matched_low, matched_high : float
        The difference at equal local density; NaN where there is none.
    evidence, evidence_low, evidence_high : float
        By the evidence, also where the review decides.
    these_wells, these_wells_low, these_wells_high : float
        By the review, about the wells that were imaged alone.
    advice : str
        Words, made last.
    """

    plate: str
    question: str
    measure: str
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
    is_worst: bool
    next_step: str
    next_step_amount: int
    next_step_minutes: int
    calibrated: bool
    review: str
    n_drawn: int
    n_cannot_tell: int
    fewest_wells: int
    positive_value: float
    negative_value: float
    fraction_low: float
    fraction_high: float
    at_floor: bool
    by_matched: bool
    matched: float
    matched_low: float
    matched_high: float
    evidence: float
    evidence_low: float
    evidence_high: float
    these_wells: float
    these_wells_low: float
    these_wells_high: float
    missing: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class AnswerLine:
    """One row of ``qc/answers.csv``.

    Attributes are those of `levelfield.qc.verdict.rows.Answer`, its worst row and next step, and

    n_treated, n_not_covered : int
        Treated wells, and those whose objects look like neither control class.
    headline : str
        Words, made last.
    """

    plate: str
    object_set: str
    question: str
    verdict: str
    unreviewed: bool
    negative: str
    positive: str
    both: str
    worst_measure: str
    worst_scope: str
    worst_perturbation: str
    shared: bool
    cancelling: bool
    next_step: str
    next_step_amount: int
    next_step_minutes: int
    n_treated: int
    n_not_covered: int
    headline: str


def verdict_lines(rows: Sequence[Row], advice: Iterable[str]) -> list[VerdictLine]:
    """Return the lines of ``qc/verdict.csv``, with a text for each row."""
    worst = {
        id(worst_of(row for row in rows if (row.object_set, row.question) == key))
        for key in dict.fromkeys((row.object_set, row.question) for row in rows)
    }
    texts = zip(rows, advice, strict=True)
    return [_verdict_line(row, is_worst=id(row) in worst, advice=text) for row, text in texts]


def _verdict_line(row: Row, *, is_worst: bool, advice: str) -> VerdictLine:
    scale = row.measure.scale
    low, high = row.estimate.interval(PASS_LEVEL)
    return VerdictLine(
        plate=row.plate,
        question=row.question,
        measure=row.measure_name,
        object_set=row.object_set,
        scope=row.scope,
        perturbation=row.perturbation,
        estimate=row.estimate.value * scale,
        unit=row.unit,
        ci_low=low * scale,
        ci_high=high * scale,
        margin=round(row.margin * scale, 9),
        n_wells=row.n_wells,
        n_sites=row.n_sites,
        n_objects=row.n_objects,
        n_reviewed=row.review.n_reviewed,
        basis=row.basis,
        verdict=row.verdict,
        reason=row.reason,
        is_worst=is_worst,
        next_step=row.next_step.kind,
        next_step_amount=row.next_step.amount,
        next_step_minutes=row.next_step.minutes,
        calibrated=row.calibrated,
        review=row.review.state,
        n_drawn=row.review.n_drawn,
        n_cannot_tell=row.review.n_cannot_tell,
        fewest_wells=row.fewest_wells,
        positive_value=row.positive_value * scale,
        negative_value=row.negative_value * scale,
        fraction_low=row.fraction_low,
        fraction_high=row.fraction_high,
        at_floor=row.at_floor,
        by_matched=row.by_matched,
        **_interval("matched", row.matched, scale),
        **_interval("evidence", row.evidence, scale),
        **_interval("these_wells", row.reviewed_these_wells, scale),
        missing=row.missing,
        advice=advice,
    )


def _interval(name: str, estimate: Estimate | None, scale: float) -> dict[str, float]:
    """Return value and 90 % interval in units, NaN where there is no estimate."""
    value = estimate.value if estimate else float("nan")
    low, high = estimate.interval(PASS_LEVEL) if estimate else (float("nan"), float("nan"))
    return {name: value * scale, f"{name}_low": low * scale, f"{name}_high": high * scale}


def answer_lines(
    answers: Sequence[Answer],
    headlines: Iterable[str],
    coverage: dict[str, tuple[int, int]] | None = None,
) -> list[AnswerLine]:
    """Return the lines of ``qc/answers.csv``.

    Parameters
    ----------
    answers : sequence of Answer
        Of a plate or screen.
    headlines : iterable of str
        A text for each.
    coverage : mapping of str to (int, int), optional
        By object set, treated wells and those that look like neither control class.
    """
    return [
        AnswerLine(
            plate=one.plate,
            object_set=one.object_set,
            question=one.question,
            verdict=one.verdict,
            unreviewed=one.unreviewed,
            negative=one.negative,
            positive=one.positive,
            both=one.both,
            worst_measure=one.worst.measure_name,
            worst_scope=one.worst.scope,
            worst_perturbation=one.worst.perturbation,
            shared=one.shared,
            cancelling=one.cancelling,
            next_step=one.worst.next_step.kind,
            next_step_amount=one.worst.next_step.amount,
            next_step_minutes=one.worst.next_step.minutes,
            n_treated=(coverage or {}).get(one.object_set, (0, 0))[0],
            n_not_covered=(coverage or {}).get(one.object_set, (0, 0))[1],
            headline=text,
        )
        for one, text in zip(answers, headlines, strict=True)
    ]
