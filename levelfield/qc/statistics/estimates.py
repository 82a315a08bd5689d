"""Statistics of the verdict: wells as units, ratio estimates, differences.

A rate of a control class is a ratio of sums over its wells (splits over objects, say), its variance
comes from the delta method clustered by well (Cochran 1977, chapter 6), and a difference of classes
has the Welch–Satterthwaite degrees of freedom. The estimator's own systematic error adds to the
variance: sampling error alone would grow over-confident with the number of wells. What is decided
of an estimate is a matter of `levelfield.qc.statistics.decision`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from levelfield.arrays import ordered_sum

Verdict = Literal["pass", "undecided", "fail"]
SEVERITY: tuple[Verdict, ...] = ("pass", "undecided", "fail")
"""From the best verdict to the worst."""
PASS_LEVEL = 0.90
FAIL_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """An estimate with its uncertainty.

    Attributes
    ----------
    value, variance : float
        NaN when there is nothing to estimate from; the sampling variance also with fewer than two
        wells.
    degrees_of_freedom : float
        For the sampling variance; infinite when that is known or zero.
    n_wells : int
        Wells that count, over all classes involved.
    systematic_variance, systematic_degrees_of_freedom : float
        Variance of the estimator's own error, which more wells do not reduce; infinite freedom when
        it counts as known.
    possible : (float, float)
        Lowest and highest value that there can be; intervals end there.
    offset : float
        Middle of the interval less the value: one that holds whenever one stops, or whatever nobody
        could tell, need not lie evenly about the estimate.
    """

    value: float
    variance: float
    degrees_of_freedom: float
    n_wells: int
    systematic_variance: float = 0.0
    systematic_degrees_of_freedom: float = float("inf")
    possible: tuple[float, float] = (float("-inf"), float("inf"))
    offset: float = 0.0

    @property
    def standard_error(self) -> float:
        """Root of sampling and systematic variance together."""
        return float(np.sqrt(self.variance + self.systematic_variance))

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval at a level such as 0.9; (NaN, NaN) when the variance is unknown."""
        if not 0 < level < 1:
            raise ValueError(f"Interval level {level}: it must lie between 0 and 1, as 0.9 does.")
        if not np.isfinite(self.standard_error) or not np.isfinite(self.value):
            return float("nan"), float("nan")
        reach, (lowest, highest) = self.reach(level), self.possible
        middle = self.value + self.offset
        low, high = min(middle - reach, self.value), max(middle + reach, self.value)
        return min(max(low, lowest), highest), min(max(high, lowest), highest)

    def reach(self, level: float) -> float:
        """Half of the width of the interval at a level, whatever the value."""
        error, freedom = self.standard_error, self.all_degrees_of_freedom
        if not error > 0:
            return error
        place = 0.5 + level / 2
        return error * float(
            special.ndtri(place) if np.isinf(freedom) else special.stdtrit(freedom, place)
        )

    def p_value(self) -> float:
        """Two-sided p value of the true value being zero; NaN when the variance is unknown."""
        error = self.standard_error
        if not np.isfinite(error) or not np.isfinite(self.value):
            return float("nan")
        if self.value == 0 or error == 0:
            return float(self.value == 0)
        freedom = self.all_degrees_of_freedom
        below = -abs(self.value) / error
        tail = special.ndtr(below) if np.isinf(freedom) else special.stdtr(freedom, below)
        return min(1.0, 2 * float(tail))

    def in_units(self, scale: float, level: float = PASS_LEVEL) -> tuple[float, float, float]:
        """Return value and interval; `scale` is units per fraction of objects, or per px."""
        low, high = self.interval(level)
        return self.value * scale, low * scale, high * scale

    @property
    def all_degrees_of_freedom(self) -> float:
        """Satterthwaite's, of sampling and systematic variance together."""
        return satterthwaite(
            [self.variance, self.systematic_variance],
            [self.degrees_of_freedom, self.systematic_degrees_of_freedom],
        )


def ratio_estimate(numerators: ArrayLike, denominators: ArrayLike) -> Estimate:
    """Ratio of sums over wells, with the delta-method variance clustered by well.

    Parameters
    ----------
    numerators, denominators : (w,) float
        One number per well, for example excess minus lacking objects, and objects. Wells with a
        zero or missing denominator or a missing numerator hold no information and are left out.

    Returns
    -------
    Estimate
        With w − 1 degrees of freedom; the variance is NaN for a single well.

    Raises
    ------
    ValueError
        When the two differ in length or a denominator is negative.

    Notes
    -----
    Cochran, *Sampling Techniques*, 3rd ed. (1977), section 6.4.
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    if top.shape != bottom.shape or top.ndim != 1:
        raise ValueError(
            f"Numerators of shape {top.shape} and denominators of shape {bottom.shape}: a ratio "
            "over wells needs one of each per well."
        )
    if (bottom < 0).any():
        raise ValueError(
            f"Denominator {bottom.min()}: a count of objects cannot be negative. Check the table "
            "of wells that the counts come from."
        )
    usable = np.isfinite(top) & np.isfinite(bottom) & (bottom > 0)
    top, bottom = top[usable], bottom[usable]
    wells = len(top)
    if wells == 0:
        return NOTHING
    value = float(top.sum() / bottom.sum())
    if wells == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    residuals = (top - value * bottom) / bottom.mean()
    variance = float(np.sum(residuals**2) / (wells - 1) / wells)
    return Estimate(value, variance, float(wells - 1), wells)


def mean_estimate(values: ArrayLike) -> Estimate:
    """Mean over wells, every well counting the same (`ratio_estimate`)."""
    values = np.asarray(values, float)
    return ratio_estimate(values, np.ones(values.shape))


def difference(positive: Estimate, negative: Estimate) -> Estimate:
    """Positive minus negative class, Welch–Satterthwaite degrees of freedom.

    Systematic variances are not added: what a difference's own error is, is a matter of
    calibration, see `levelfield.qc.statistics.errors.Constants`.
    """
    sides = (positive, negative)
    variance = positive.variance + negative.variance
    freedom = float("nan")
    if np.isfinite(variance):
        variances = [side.variance for side in sides]
        freedom = satterthwaite(variances, [side.degrees_of_freedom for side in sides])
    n_wells = positive.n_wells + negative.n_wells
    return Estimate(positive.value - negative.value, variance, freedom, n_wells)


def estimate_of_row(classes: Sequence[Estimate]) -> Estimate:
    """Return the estimate of a class, or the difference of two, the positive one first."""
    return classes[0] if len(classes) == 1 else difference(*classes)


def satterthwaite(variances: Sequence[float], freedoms: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variances (Satterthwaite 1946).

    Infinite where the sum is 0, or all that it consists of is known.
    """
    total = ordered_sum(variances)
    if not total > 0:
        return float("inf")
    # Shares first: squares of tiny variances would underflow.
    spread = ordered_sum(
        (part / total) ** 2 / freedom
        for part, freedom in zip(variances, freedoms, strict=True)
        if part > 0
    )
    return float("inf") if spread == 0 else float(1 / spread)


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts; undecided if there are none."""
    return max(verdicts, key=SEVERITY.index, default="undecided")


NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0)
"""The estimate of a class or difference without data."""
