"""Statistics of the verdict: wells as units, ratio estimates, differences, equivalence.

A rate of a control class is a ratio of sums over its wells (splits over objects, say), its variance
comes from the delta method clustered by well (Cochran 1977, chapter 6), and a difference of classes
has the Welch–Satterthwaite degrees of freedom. The estimator's own systematic error adds to the
variance: sampling error alone would grow over-confident with the number of wells. A verdict is an
equivalence test by two one-sided tests (Schuirmann 1987) with three outcomes. Several comparisons
together pass when each does, which takes no correction (Berger 1982), but the more there are, the
sooner one of them fails by chance: `holm` corrects for that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Verdict = Literal["pass", "fail", "undecided"]
PASS_LEVEL = 0.90
FAIL_LEVEL = 0.95
MOST_WELLS = 1000


@dataclass(frozen=True)
class Estimate:
    """An estimate with its uncertainty.

    Attributes
    ----------
    value : float
        NaN when there is nothing to estimate from.
    variance : float
        Sampling variance; NaN when fewer than two wells leave it unknown.
    degrees_of_freedom : float
        Of the sampling variance; infinite when that is known or zero.
    n_wells : int
        Wells that count, over all classes involved.
    systematic_variance : float
        Variance of the estimator's own error, which more wells do not reduce.
    systematic_degrees_of_freedom : float
        Of the systematic variance; infinite when it counts as known.
    """

    value: float
    variance: float
    degrees_of_freedom: float
    n_wells: int
    systematic_variance: float = 0.0
    systematic_degrees_of_freedom: float = float("inf")

    @property
    def standard_error(self) -> float:
        """Root of sampling and systematic variance together."""
        return float(np.sqrt(self.variance + self.systematic_variance))

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval at a level such as 0.9; (NaN, NaN) when the variance is unknown."""
        if not 0 < level < 1:
            raise ValueError(f"Interval level {level}: it must lie between 0 and 1, as 0.9 does.")
        error = self.standard_error
        if not np.isfinite(error) or not np.isfinite(self.value):
            return float("nan"), float("nan")
        reach = 0.0
        if error > 0:
            reach = error * _student_quantile(0.5 + level / 2, self._all_degrees_of_freedom())
        return self.value - reach, self.value + reach

    def p_value(self, beyond: float = 0.0) -> float:
        """Two-sided p value of lying beyond ±`beyond`; NaN when the variance is unknown.

        It is below 0.05 when the whole 95 % interval lies on one side of ±`beyond`.
        """
        error = self.standard_error
        if not np.isfinite(error) or not np.isfinite(self.value):
            return float("nan")
        excess = abs(self.value) - beyond
        if excess <= 0:
            return 1.0
        if error == 0:
            return 0.0
        freedom = self._all_degrees_of_freedom()
        tail = stats.norm if np.isinf(freedom) else stats.t(freedom)
        return min(1.0, 2 * float(tail.sf(excess / error)))

    def _all_degrees_of_freedom(self) -> float:
        """Satterthwaite's, of sampling and systematic variance together."""
        total = self.variance + self.systematic_variance
        if not total > 0:
            return float("inf")
        parts = (
            (self.variance / total, self.degrees_of_freedom),
            (self.systematic_variance / total, self.systematic_degrees_of_freedom),
        )
        spread = sum(share**2 / freedom for share, freedom in parts if share > 0)
        return 1 / spread if spread > 0 else float("inf")


def _student_quantile(probability: float, degrees_of_freedom: float) -> float:
    if np.isinf(degrees_of_freedom):
        return float(stats.norm.ppf(probability))
    return float(stats.t.ppf(probability, degrees_of_freedom))


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
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    value = float(top.sum() / bottom.sum())
    if wells == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    residuals = (top - value * bottom) / bottom.mean()
    variance = float(np.sum(residuals**2) / (wells - 1) / wells)
    return Estimate(value, variance, float(wells - 1), wells)


def mean_estimate(values: ArrayLike) -> Estimate:
    """Mean over wells, every well counting the same; see `ratio_estimate`."""
    values = np.asarray(values, float)
    return ratio_estimate(values, np.ones(values.shape))


def difference(positive: Estimate, negative: Estimate) -> Estimate:
    """Positive minus negative class, Welch–Satterthwaite degrees of freedom.

    Systematic variances are not added: what a difference's own error is, is a matter of
    calibration, see `with_systematic_error`.
    """
    variance = positive.variance + negative.variance
    freedom = float("nan")
    if np.isfinite(variance):
        freedom = _satterthwaite(
            [positive.variance, negative.variance],
            [positive.degrees_of_freedom, negative.degrees_of_freedom],
        )
    return Estimate(
        positive.value - negative.value, variance, freedom, positive.n_wells + negative.n_wells
    )


def _satterthwaite(variances: Sequence[float], freedoms: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variances (Satterthwaite 1946)."""
    total = sum(variances)
    if total == 0:
        return float("inf")
    # Shares first: squares of tiny variances would underflow.
    return 1 / sum(
        (part / total) ** 2 / freedom for part, freedom in zip(variances, freedoms, strict=True)
    )


def with_systematic_error(
    estimate: Estimate, slope: float, sigma: float, floor: float = 0.0
) -> Estimate:
    """Correct an estimate by its calibration: SE² = (slope · SE)² + sigma².

    Parameters
    ----------
    estimate : Estimate
        As the evidence reads.
    slope : float
        True value per value read.
    sigma : float
        Systematic error, one standard deviation, in the unit of the estimate.
    floor : float
        What faultless labels read; taken off before the slope. It cancels in a difference.

    Raises
    ------
    ValueError
        When the slope is not positive or sigma is negative.
    """
    if slope <= 0 or sigma < 0:
        raise ValueError(
            f"Slope {slope} and systematic error {sigma}: a calibration has a positive slope and "
            "an error of at least 0."
        )
    return replace(
        estimate,
        value=(estimate.value - floor) * slope,
        variance=estimate.variance * slope**2,
        systematic_variance=sigma**2,
    )


def equivalence_verdict(
    estimate: Estimate, margin: float, *, calibrated: bool = True, p_value: float | None = None
) -> Verdict:
    """Judge whether an estimate is within ±margin of zero.

    Calibrated: *pass* when the 90 % interval lies inside ±margin; *fail* when it does not and the
    95 % interval excludes 0; else *undecided*. Uncalibrated: never *pass*, and *fail* only when the
    whole 95 % interval lies beyond the margin, which no plausible error of the estimator explains.

    Parameters
    ----------
    estimate : Estimate
        Systematic error included.
    margin : float
        Largest harmless size.
    calibrated : bool
        Whether the systematic error is known.
    p_value : float, optional
        Of the failure, corrected for the comparisons that were made beside it (`holm`); the
        estimate's own by default, which is the 95 % interval.

    Raises
    ------
    ValueError
        When the margin is not positive.
    """
    if not margin > 0:
        raise ValueError(f"Margin {margin}: a margin is the largest harmless size, above 0.")
    low, high = estimate.interval(PASS_LEVEL)
    if not np.isfinite(low):
        return "undecided"
    if calibrated and -margin < low and high < margin:
        return "pass"
    if p_value is None:
        p_value = failure_p_value(estimate, margin, calibrated=calibrated)
    return "fail" if p_value < 1 - FAIL_LEVEL else "undecided"


def failure_p_value(estimate: Estimate, margin: float, *, calibrated: bool) -> float:
    """P value of a failure: beyond 0 if calibrated, else beyond the margin."""
    return estimate.p_value(0.0 if calibrated else margin)


def at_least_verdict(estimate: Estimate, least: float) -> Verdict:
    """Judge whether a share is large enough.

    *pass*: the 90 % interval lies at or above `least`; *fail*: the 95 % interval lies below it;
    else *undecided*.
    """
    low, _ = estimate.interval(PASS_LEVEL)
    if not np.isfinite(low):
        return "undecided"
    if low >= least:
        return "pass"
    return "fail" if estimate.interval(FAIL_LEVEL)[1] < least else "undecided"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p values for each other, so that one false failure in all has the chance of one.

    Parameters
    ----------
    p_values : (n,) float
        NaN where nothing was tested; these stay NaN and count as no comparison.

    Returns
    -------
    (n,) float64

    Notes
    -----
    S. Holm, *A simple sequentially rejective multiple test procedure* (1979). Valid however the
    comparisons depend on each other, which controls that share negative wells do.
    """
    values = np.asarray(p_values, float)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    corrected = np.full(values.shape, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def wells_to_decide(
    estimate: Estimate, margin: float, wells: Sequence[int] | None = None
) -> int | None:
    """Wells per class that would let a calibrated estimate pass or fail, if it stays what it is.

    Parameters
    ----------
    estimate : Estimate
        Systematic error included.
    margin : float
        Largest harmless size.
    wells : sequence of int, optional
        Wells of each class behind the estimate; two equal classes by default. Wells of both
        classes are taken to scatter alike.

    Returns
    -------
    int or None
        At least as many as the smaller class has. None when no number up to `MOST_WELLS` would
        do: the systematic error alone is too wide, or the variance is unknown.
    """
    wells = wells or (estimate.n_wells / 2,) * 2
    if not np.isfinite(estimate.standard_error) or min(wells) < 1:
        return None
    per_well = estimate.variance / sum(1 / number for number in wells)

    def decided(number: int) -> bool:
        more = replace(
            estimate,
            variance=per_well * len(wells) / number,
            degrees_of_freedom=float(len(wells) * (number - 1)),
        )
        return equivalence_verdict(more, margin) != "undecided"

    numbers = range(max(2, int(min(wells))), MOST_WELLS + 1)
    place = bisect_left(numbers, True, key=decided)
    return numbers[place] if place < len(numbers) else None


def worse(one: Verdict, other: Verdict) -> Verdict:
    """Return the worse of two verdicts: fail, then undecided, then pass."""
    order: tuple[Verdict, ...] = ("pass", "undecided", "fail")
    return max(one, other, key=order.index)


def combine_plates(estimates: Sequence[Estimate]) -> Estimate:
    """Mean over plates as blocks, every plate counting the same.

    The sampling variance is that of the mean of the plates' estimates, or their scatter between
    plates where that is larger (a truncated between-plate component of variance, with plates − 1
    degrees of freedom). Systematic variance is shared by all plates, so it is not averaged down:
    the largest counts.

    Parameters
    ----------
    estimates : sequence of Estimate
        One per plate; plates without an estimate are left out, and plates whose own variance is
        unknown only help through the scatter.
    """
    usable = [estimate for estimate in estimates if np.isfinite(estimate.value)]
    plates = len(usable)
    if plates == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    wells = sum(estimate.n_wells for estimate in usable)
    systematic = max(estimate.systematic_variance for estimate in usable)
    if plates == 1:
        return usable[0]
    values = np.array([estimate.value for estimate in usable])
    within = sum(estimate.variance for estimate in usable) / plates**2
    between = float(values.var(ddof=1) / plates)
    if np.isfinite(within) and within >= between:
        freedom = _satterthwaite(
            [estimate.variance for estimate in usable],
            [estimate.degrees_of_freedom for estimate in usable],
        )
        return Estimate(float(values.mean()), within, freedom, wells, systematic)
    return Estimate(float(values.mean()), between, float(plates - 1), wells, systematic)
