"""Judge every row of a verdict: on the evidence, or on a review where there is one.

The rule (QC.md): *pass* when the 90 % interval lies inside ±margin, *fail* when it does not and the
95 % interval excludes zero, else *undecided*. A failure of one difference among several is
corrected for the others (`levelfield.qc.statistics.estimates.holm`): object sets and positive controls are one
family per question, since the plate fails as soon as one of them does.

Evidence is doubted in three ways. Its variants disagree: their range widens the interval.
Images are outside of what it was calibrated on: its error is larger, and it cannot pass. The
classes look different, or the variants contradict each other: it is undecided until a review.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.qc.evidence.looks import LARGEST_RANGE, SATURATION
from levelfield.qc.review.estimates import COMPLETE, UNREVIEWED
from levelfield.qc.statistics.comparison import MATCHED, RAW
from levelfield.qc.statistics.estimates import (
    FAIL_LEVEL,
    Estimate,
    Verdict,
    at_least_verdict,
    equivalence_verdict,
    failure_p_value,
    holm,
    worse,
)
from levelfield.qc.verdict.rules import EXACT, Constants, Rules

UNITS = {"split_merge": ("pp", 100.0), "threshold": ("px", 1.0), "agreement": ("%", 100.0)}
SMALLEST_UNREVIEWED_MARGIN = 0.10
"""Of the balance, as a fraction: within less than this, a pass takes a review."""
LARGEST_OUTSIDE = 1 / 3
"""Share of a class's images that may lie outside of what was calibrated; of plain images 7 % are
flagged by mistake, which is one of the four of a small class in a quarter of all plates."""
_ROW = ("object_set", "question", "scope", "perturbation")


@dataclass(frozen=True)
class Case:
    """One row on its way to a verdict, in fractions and px.

    Attributes
    ----------
    row : mapping
        Of the raw estimates.
    margin : float
        Largest harmless size; for the agreement of one class the least share.
    evidence : Estimate
        By the evidence, corrected, with its systematic error.
    matched : Estimate or None
        The same at equal local density.
    review : mapping
        Of `levelfield.qc.review.estimates.review_estimates`; empty without any.
    constants : Constants
        Behind the estimate that counts.
    """

    row: Mapping
    margin: float
    evidence: Estimate
    matched: Estimate | None
    review: Mapping
    constants: Constants

    @property
    def question(self) -> str:
        """Which question the row answers."""
        return self.row["question"]

    @property
    def is_difference(self) -> bool:
        """Whether the row compares two classes."""
        return self.row["scope"] == "difference"

    @property
    def state(self) -> str:
        """Whether the classes were reviewed: unreviewed, partial, complete."""
        return self.review.get("review", UNREVIEWED)

    @property
    def reviewed(self) -> Estimate | None:
        """What the review says by itself, in fractions of objects."""
        return estimate_of(self.review) if self.state == COMPLETE else None

    @property
    def by_review(self) -> bool:
        """Whether the review answers the question; it has no opinion in px."""
        return self.reviewed is not None and self.question != "threshold"

    @property
    def estimate(self) -> Estimate:
        """The estimate that counts."""
        return self.reviewed if self.by_review else self.evidence

    @property
    def variants(self) -> float:
        """Range of the variants of the evidence, 0 where there is none."""
        return _variants_range(self.row)

    @property
    def outside(self) -> bool:
        """Whether too many images are outside of what the evidence was calibrated on."""
        return _is_outside(self.row)

    @property
    def forced(self) -> str:
        """Why the evidence cannot tell, whatever it says; empty when it can."""
        if self.by_review or not self.is_difference or not self.constants.calibrated:
            return ""
        looks = self.row["looks"]
        if self.question == "threshold":
            looks = "; ".join(look for look in looks.split("; ") if look.startswith(SATURATION))
            return f"The classes look different: {looks}." if looks else ""
        if self.question == "split_merge" and looks:
            return f"The classes look different: {looks}."
        if self.question == "split_merge" and self.variants > LARGEST_RANGE:
            return (
                "Read from different features, the evidence contradicts itself (its variants "
                f"spread over {100 * self.variants:.1f} pp)."
            )
        return ""

    @property
    def judged(self) -> bool:
        """Whether anything can be claimed: agreement takes a review."""
        return self.by_review or self.question != "agreement"


def cases(estimates: pd.DataFrame, reviewed: pd.DataFrame | None, rules: Rules) -> list[Case]:
    """Put every raw row together with its density-matched twin and its review."""
    reviews = {_key(row): row for row in _records(reviewed)}
    twins = {_key(row): row for row in _records(estimates[estimates["adjustment"] == MATCHED])}
    found = []
    for row in _records(estimates[estimates["adjustment"] == RAW]):
        constants = rules.constants.get(row["question"], EXACT)
        if row["question"] != "agreement":
            constants = rules.constants_of(row["question"], row["object_set"])
        review = reviews.get(_key(row), {})
        case = Case(
            row,
            _margin(row, rules),
            _corrected(row, constants),
            _corrected(twins[_key(row)], constants) if _key(row) in twins else None,
            review,
            constants,
        )
        if case.by_review:
            case = Case(row, case.margin, case.evidence, case.matched, review, EXACT)
        found.append(case)
    return found


def judge(found: Sequence[Case]) -> list[Verdict]:
    """Return the verdict of every case, failures of differences corrected for each other."""
    chances = _family_chances(found, [case.estimate for case in found])
    twins = [None if case.by_review else case.matched for case in found]
    twin_chances = _family_chances(found, twins)
    return [
        _verdict(case, twin, chance, twin_chance)
        for case, twin, chance, twin_chance in zip(found, twins, chances, twin_chances, strict=True)
    ]


def _verdict(case: Case, twin: Estimate | None, chance: float, twin_chance: float) -> Verdict:
    if not case.judged:
        return "undecided"
    if case.question == "agreement" and not case.is_difference:
        return at_least_verdict(case.estimate, case.margin)
    if case.forced:
        return "undecided"
    calibrated = case.constants.calibrated
    verdict = equivalence_verdict(
        case.estimate, case.margin, calibrated=calibrated, p_value=_own(chance)
    )
    if twin is not None:
        of_twin = equivalence_verdict(
            twin, case.margin, calibrated=calibrated, p_value=_own(twin_chance)
        )
        verdict = worse(verdict, of_twin)
    return "undecided" if verdict == "pass" and pass_is_withheld(case) else verdict


def _own(chance: float) -> float | None:
    return None if np.isnan(chance) else float(chance)


def pass_was_withheld(case: Case) -> bool:
    """Whether the interval would pass, but the pass is not given."""
    would = equivalence_verdict(case.estimate, case.margin, calibrated=case.constants.calibrated)
    return would == "pass" and pass_is_withheld(case)


def pass_is_withheld(case: Case) -> bool:
    """Whether a pass takes more than the evidence, which errs by more than such a margin.

    So it is for a balance within less than 10 pp without a review, for images outside of what the
    evidence was calibrated on, and for a threshold where reviewers found more objects too large,
    or too small, in one class than in the other.
    """
    if case.outside and not case.by_review:
        return True
    if case.question == "split_merge":
        too_narrow = case.margin < SMALLEST_UNREVIEWED_MARGIN - 1e-9
        return too_narrow and not case.by_review
    return case.question == "threshold" and review_contradicts(case)


def review_contradicts(case: Case) -> bool:
    """Whether reviewers saw a threshold bias: the 95 % interval of their share excludes zero."""
    seen = case.reviewed
    return seen is not None and seen.p_value() < 1 - FAIL_LEVEL


def _family_chances(
    found: Sequence[Case], estimates: Sequence[Estimate | None]
) -> NDArray[np.float64]:
    """P values of failures: of differences corrected within their question, else NaN."""
    chances = np.full(len(found), np.nan)
    questions = np.array([case.question for case in found])
    for place, (case, estimate) in enumerate(zip(found, estimates, strict=True)):
        if estimate is not None and case.judged and case.is_difference:
            chances[place] = failure_p_value(
                estimate, case.margin, calibrated=case.constants.calibrated
            )
    for question in dict.fromkeys(questions):
        chances[questions == question] = holm(chances[questions == question])
    return chances


def _margin(row: Mapping, rules: Rules) -> float:
    question, margins = row["question"], rules.margins
    if question != "agreement":
        return getattr(margins, question) / UNITS[question][1]
    least = margins.agreement / 100
    return 1 - least if row["scope"] == "difference" else least


def estimate_of(row: Mapping) -> Estimate:
    """Return the estimate that a row of ``qc/estimates.csv`` or ``qc/reviewed.csv`` holds."""
    return Estimate(
        float(row["value"]),
        float(row["variance"]),
        float(row["degrees_of_freedom"]),
        int(row["n_wells"]),
    )


def _corrected(row: Mapping, constants: Constants) -> Estimate:
    return constants.correct(
        estimate_of(row),
        is_difference=row["scope"] == "difference",
        variants=_variants_range(row),
        outside=_is_outside(row) or _looks_different(row),
    )


def _looks_different(row: Mapping) -> bool:
    """Whether the classes look different, for which the evidence errs by more."""
    return row["scope"] == "difference" and bool(row["looks"])


def _variants_range(row: Mapping) -> float:
    spread = float(row["variants_high"]) - float(row["variants_low"])
    return spread if np.isfinite(spread) else 0.0


def _is_outside(row: Mapping) -> bool:
    return float(row["outside_share"]) > LARGEST_OUTSIDE


def _records(table: pd.DataFrame | None) -> list[dict]:
    return [] if table is None else table.to_dict("records")


def _key(row: Mapping) -> tuple:
    return tuple(row[name] for name in _ROW)
