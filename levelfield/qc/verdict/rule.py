"""Judge every row, and say why and what to do next.

The rule for one estimate is in `levelfield.qc.statistics.decision`, that for many rows in
`levelfield.qc.statistics.family`: all rows of a question on a plate, of all object sets, measures
and classes, raw and density-matched, are one family. Nothing withholds an answer but too many
excluded sites.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from levelfield.qc.statistics.decision import FEWEST_TO_PASS, decide
from levelfield.qc.statistics.estimates import FAIL_LEVEL, Verdict, worst_verdict
from levelfield.qc.statistics.family import failure_level
from levelfield.qc.statistics.records import shared_fields
from levelfield.qc.verdict.cases import Case, Held
from levelfield.qc.verdict.rows import Reason, Row
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.verdict.steps import UsualReview, classes_shown, next_step

CONTRADICTION = 0.10
"""Share of objects too large less those too small, beyond which a review contradicts a threshold
that passes by the evidence."""


def judge(cases: Sequence[Case], rules: Rules) -> list[Row]:
    """Return the judged row of every case, in their order."""
    levels, shown = _family_levels(cases), classes_shown(case.reading for case in cases)
    return [
        _row(
            case,
            levels[case.measure.question],
            UsualReview(rules.review_per_class, shown.get(case.reading.object_set, 1)),
            withheld=bool(rules.withheld),
        )
        for case in cases
    ]


def _family_levels(cases: Sequence[Case]) -> dict[str, float]:
    """Return by question the level of the interval that must exclude zero for a row to fail."""
    families: dict[str, list[tuple[Case, Held]]] = {}
    for case in cases:
        families.setdefault(case.measure.question, []).extend((case, own) for own in case.held)
    return {question: _level(family) for question, family in families.items()}


def _level(family: Sequence[tuple[Case, Held]]) -> float:
    return failure_level(
        [case.bound.limit for case, _ in family],
        [own.without_error.standard_error for _, own in family],
        [own.without_error.all_degrees_of_freedom for _, own in family],
        [case.calibrated and case.bound.kind != "share" for case, _ in family],
    )


def _row(case: Case, level: float, usual: UsualReview, *, withheld: bool) -> Row:
    verdict, by_matched = _verdict(case, level)
    reason = _reason(case, verdict, by_matched)
    if verdict == "pass" and _contradicted(case):
        verdict, reason = "undecided", "reviewers_disagree"
    if withheld:
        verdict, reason = "undecided", "excluded_sites"
    step = next_step(case, verdict, reason, usual)
    return replace(_record(case, verdict, reason, by_matched), next_step=step)


def _verdict(case: Case, level: float) -> tuple[Verdict, bool]:
    """Return the worse of the raw and the density-matched verdict, and whether it is the latter."""
    found = [
        decide(
            own.estimate,
            case.bound,
            without_error=own.without_error,
            level=level,
            calibrated=case.calibrated,
            can_pass=case.reading.fewest_wells >= FEWEST_TO_PASS,
        )
        for own in case.held
    ]
    whole = worst_verdict(found)
    return whole, whole != found[0]


def _contradicted(case: Case) -> bool:
    """Whether people saw a threshold bias, of which they have no px."""
    said = case.reviewed
    if case.reading.measure != "bias" or said is None:
        return False
    return abs(said.value) > CONTRADICTION and said.p_value() < 1 - FAIL_LEVEL


def _reason(case: Case, verdict: Verdict, by_matched: bool) -> Reason:
    if verdict != "undecided":
        return "inside" if verdict == "pass" else "beyond"
    if not np.isfinite(case.decides.estimate.value):
        return "no_wells" if case.reading.missing else "nothing_measured"
    if case.reading.fewest_wells < FEWEST_TO_PASS:
        return "one_well"
    if not case.calibrated:
        return "uncalibrated"
    own = case.held[-1] if by_matched else case.decides
    if decide(own.estimate, case.bound, without_error=own.without_error) == "fail":
        return "multiplicity"
    wide_by_sampling = own.estimate.variance >= own.estimate.systematic_variance
    return "sampling" if wide_by_sampling else "doubt"


def _record(case: Case, verdict: Verdict, reason: Reason, by_matched: bool) -> Row:
    reading, constants, estimate = case.reading, case.constants, case.decides.estimate
    facts = shared_fields(case, Row) | shared_fields(reading, Row)
    facts |= {
        "measure_name": reading.measure,
        "calibrated": constants.calibrated,
        "estimate": estimate,
        "matched": case.matched.estimate if case.matched else None,
        "evidence": case.evidence.estimate,
    }
    for name in ("positive_value", "negative_value"):
        facts[name] = constants.value(facts[name], "class")
    if reading.measure != "bias":
        facts |= {"fraction_low": float("nan"), "fraction_high": float("nan")}
    is_rate = case.bound.kind == "rate"
    return Row(
        **facts,
        margin=case.bound.margin,
        verdict=verdict,
        reason=reason,
        basis="review" if case.by_review else "evidence",
        by_matched=by_matched,
        doubt_shares=dict(case.shares),
        reviewed_these_wells=case.these_wells,
        at_floor=is_rate and not case.by_review and estimate.value < 0,
    )
