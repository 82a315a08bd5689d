"""Rows on their way to a verdict: corrected estimates, with what each would be without an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from levelfield.arrays import ordered_sum
from levelfield.qc.statistics.decision import Bound, bound_of
from levelfield.qc.statistics.errors import Constants
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.statistics.readings import MATCHED, RAW, Reading
from levelfield.qc.verdict.rows import ReviewCounts, ReviewedRow
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import MEASURES, Measure, n_classes


@dataclass(frozen=True)
class Held:
    """An estimate as it is held against its margin.

    Attributes
    ----------
    estimate, without_error : Estimate
        Corrected, systematic error included; and with the variances that it would have if the true
        error were zero.
    """

    estimate: Estimate
    without_error: Estimate


@dataclass(frozen=True)
class Case:
    """One row on its way to a verdict, in fractions and px.

    Attributes
    ----------
    reading, bound, constants : Reading, Bound, Constants
        What the data say, the margin, and how far the evidence errs.
    evidence, decides, matched : Held or None
        By the evidence; the estimate that counts: by the review where it is complete; and what
        counts at equal local density.
    by_review, review : bool, ReviewCounts
        Whether the review decides, and how far it is.
    reviewed, these_wells : Estimate or None
        What people say.
    asked, reviews_needed : bool, int or None
        Whether it is known how many reviews per class would decide the row, and the number, or None
        where no number does.
    shares : mapping of str to float
        Share of the variance of the evidence that each source adds.
    """

    reading: Reading
    bound: Bound
    constants: Constants
    evidence: Held
    decides: Held
    matched: Held | None = None
    by_review: bool = False
    review: ReviewCounts = ReviewCounts()  # noqa: RUF009
    reviewed: Estimate | None = None
    these_wells: Estimate | None = None
    asked: bool = False
    reviews_needed: int | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def measure(self) -> Measure:
        """What is measured."""
        return MEASURES[self.reading.measure]

    @property
    def calibrated(self) -> bool:
        """Whether the error of the estimate that counts is known."""
        return self.by_review or self.constants.calibrated

    @property
    def held(self) -> list[Held]:
        """All estimates that are judged: raw and density-matched."""
        return [self.decides] if self.matched is None else [self.decides, self.matched]


def plate_cases(
    readings: Sequence[Reading], reviewed: Sequence[ReviewedRow], rules: Rules
) -> list[Case]:
    """Put every raw row together with its density-matched estimate and its review."""
    reviews = {row.key: row for row in reviewed}
    matched = {row.key: row for row in readings if row.adjustment == MATCHED}
    return [
        _plate_case(row, matched.get(row.key), reviews.get(row.key), rules)
        for row in readings
        if row.adjustment == RAW
    ]


def _plate_case(
    reading: Reading, matched: Reading | None, review: ReviewedRow | None, rules: Rules
) -> Case:
    constants, bound = rules_of(reading, rules)
    evidence = held_reading(reading, constants, bound)
    size = constants.error_size(evidence.estimate.value, reading.scope)
    parts = constants.error_model(reading.scope).parts(size, reading.doubts)
    case = Case(
        reading,
        bound,
        constants,
        evidence,
        evidence,
        held_reading(matched, constants, bound) if matched else None,
        shares=shares_of({"sampling": evidence.estimate.variance} | parts),
    )
    return case if review is None else _with_review(case, review)


def _with_review(case: Case, review: ReviewedRow) -> Case:
    """Add a review: it decides where it is complete, but of the threshold it has no px."""
    case = replace(case, review=review.counts, asked=True, reviews_needed=review.reviews_needed)
    if not review.decides:
        return case
    said = known_scatter(review.estimate, case.reading, case.constants)
    case = replace(case, reviewed=said, these_wells=review.these_wells)
    if case.reading.measure == "bias":
        return case
    matched = None
    if review.matched is not None:
        equal = known_scatter(review.matched, case.reading, case.constants)
        matched = Held(equal, equal)
    return replace(case, by_review=True, decides=Held(said, said), matched=matched)


def rules_of(row: Reading | ReviewedRow, rules: Rules) -> tuple[Constants, Bound]:
    """Return what a row is corrected by, and what it is held against."""
    bound = bound_of(MEASURES[row.measure], row.scope, rules.margins.of(row.measure, row.scope))
    return rules.constants_of(row.measure, row.object_set), bound


def held_reading(reading: Reading, constants: Constants, bound: Bound) -> Held:
    """Correct a reading by its calibration."""
    found = corrected(reading, constants)
    possible = MEASURES[reading.measure].possible(reading.scope)
    return held(replace(found, possible=possible), reading, constants, bound)


def corrected(reading: Reading, constants: Constants) -> Estimate:
    """Return the corrected estimate of a reading, with some scatter between wells at least."""
    found = constants.correct(reading.estimate, reading.scope, reading.doubts)
    return known_scatter(found, reading, constants)


def held(estimate: Estimate, reading: Reading, constants: Constants, bound: Bound) -> Held:
    """Say what variance a corrected estimate would have if the true error were zero.

    The error that grows with the value is smaller there.
    """
    if not np.isfinite(estimate.value):
        return Held(estimate, estimate)
    of_value = constants.error_model(reading.scope).of_value
    now, free = (
        of_value * constants.error_size(value, reading.scope)
        for value in (estimate.value, 1.0 if bound.kind == "share" else 0.0)
    )
    systematic = max(estimate.systematic_variance - max(now**2 - free**2, 0.0), 0.0)
    return Held(estimate, replace(estimate, systematic_variance=systematic))


def known_scatter(estimate: Estimate, reading: Reading, constants: Constants) -> Estimate:
    """Give an estimate whose classes have one well each the usual scatter between wells."""
    if not np.isfinite(estimate.value) or np.isfinite(estimate.variance):
        return estimate
    return replace(
        estimate,
        variance=n_classes(reading.scope) * constants.between_wells**2,
        degrees_of_freedom=constants.degrees_of_freedom,
    )


def shares_of(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the share of the whole that each part adds; empty where it is unknown."""
    total = ordered_sum(parts.values())
    known = np.isfinite(total) and total > 0
    return {name: part / total for name, part in parts.items()} if known else {}
