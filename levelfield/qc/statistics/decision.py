"""The rule for one estimate: pass, fail or undecided.

*pass*: the 90 % interval lies inside the margin. *fail*: the estimate lies beyond the margin and
the 95 % interval excludes zero. Else *undecided*. Whether zero is excluded is asked with the error
that the estimate would have if there were nothing to find: an error that grows with the value
vanishes there, and must not hide large values. So more error never fails less.

A share of right objects fails when its whole 95 % interval lies below the margin: no segmentation
is faultless, so that to exclude zero errors would say nothing.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from levelfield.arrays import ordered_sum
from levelfield.qc.statistics.estimates import FAIL_LEVEL, PASS_LEVEL, Estimate, Verdict
from levelfield.questions import Kind, Measure

MOST_WELLS = 1000
FEWEST_TO_PASS = 2
"""Wells that each class of a row must have to pass."""


@dataclass(frozen=True)
class Bound:
    """What an estimate is held against.

    Attributes
    ----------
    margin : float
        Largest harmless size, in the unit of the estimate; of a share the least that is harmless.
    kind : str
        ``signed``: both directions are wrong; ``rate``: only too much is; ``share``: only too
        little is.
    """

    margin: float
    kind: Kind = "signed"

    def __post_init__(self) -> None:
        if not self.margin > 0 or (self.kind == "share" and self.margin >= 1):
            raise ValueError(
                f"Margin {self.margin}: a margin is the largest harmless size, above 0, and of a "
                "share the least harmless one, between 0 and 1."
            )

    @property
    def limit(self) -> float:
        """Largest harmless error."""
        return 1 - self.margin if self.kind == "share" else self.margin

    def error_of(self, value: float) -> float:
        """Size of the error that a value means; at most 0 where there is none."""
        if self.kind == "signed":
            return abs(value)
        return 1 - value if self.kind == "share" else value

    def holds(self, low: float, high: float) -> bool:
        """Whether an interval lies inside the margin."""
        if self.kind == "signed":
            return -self.margin < low and high < self.margin
        return low >= self.margin if self.kind == "share" else high < self.margin


def bound_of(measure: Measure, scope: str, margin: float) -> Bound:
    """Return what a row is held against: a difference errs both ways, a rate only upwards."""
    return Bound(margin, measure.kind(scope))


def decide(
    estimate: Estimate,
    bound: Bound,
    *,
    without_error: Estimate | None = None,
    level: float = FAIL_LEVEL,
    calibrated: bool = True,
    can_pass: bool = True,
) -> Verdict:
    """Apply the rule.

    Parameters
    ----------
    estimate, bound : Estimate, Bound
        Systematic error included; and the margin.
    without_error : Estimate, optional
        With the variances that it would have if the true error were zero; by default its own.
    level : float
        Level of the interval that must exclude zero; above 0.95 where it is one of many
        (`levelfield.qc.statistics.family`).
    calibrated, can_pass : bool
        If not calibrated, it cannot pass, and fails when the whole interval lies beyond the margin.
        Where a class has a single well, it may fail, but not pass.
    """
    low, high = estimate.interval(PASS_LEVEL)
    if calibrated and can_pass and np.isfinite(low) and bound.holds(low, high):
        return "pass"
    error, null = bound.error_of(estimate.value), without_error or estimate
    if not np.isfinite(error) or not np.isfinite(null.standard_error):
        return "undecided"
    reach = null.reach(level)
    whole = not calibrated or bound.kind == "share"
    needed = bound.limit + reach if whole else max(bound.limit, reach)
    return "fail" if error > needed else "undecided"


def wells_to_decide(estimate: Estimate, bound: Bound, wells: Sequence[float]) -> int | None:
    """Wells per class that would let a calibrated estimate pass or fail, if it stays what it is.

    `wells` are those of each class behind the estimate, which are taken to scatter alike. At least
    as many as the smaller class has; None when no number up to `MOST_WELLS` would do: the
    systematic error alone is too wide, or the variance is unknown.
    """
    if not np.isfinite(estimate.standard_error) or min(wells) < 1:
        return None
    per_well = estimate.variance / ordered_sum(1 / size for size in wells)

    def is_decided(number: int) -> bool:
        more = replace(
            estimate,
            variance=per_well * len(wells) / number,
            degrees_of_freedom=float(len(wells) * (number - 1)),
        )
        return decide(more, bound) != "undecided"

    return fewest(range(max(FEWEST_TO_PASS, int(min(wells))), MOST_WELLS + 1), is_decided)


def fewest(numbers: Sequence[int], is_enough: Callable[[int], bool]) -> int | None:
    """Return the smallest of ascending numbers that is enough, as all larger ones; None if none."""
    place = bisect_left(numbers, True, key=is_enough)
    return numbers[place] if place < len(numbers) else None
