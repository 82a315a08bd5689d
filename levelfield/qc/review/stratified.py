"""A mean over all units of a class, from the evidence on all and the answers on a few.

The difference estimator of survey sampling (Särndal, Swensson & Wretman 1992, chapter 6), with
strata: the evidence's mean over all units, plus the mean of answer minus evidence over those that
were reviewed. It is unbiased however wrong the evidence is, and the closer the evidence the
narrower; prediction-powered inference (Angelopoulos et al. 2023) is the same idea.

It has two targets. *These wells*: what a review of every object of these wells would find; only the
draw is left to chance. *This control*: what wells of this control show on the average, of which
these are a sample; the scatter between wells adds to the variance, V = V_review + s²_between / W.
Two readings of that scatter are made, and the larger one counts:

* the wells as the evidence reads every object, moved by what the review found in each stratum:
  sharp, as no draw adds to it, but blind to errors that the evidence makes in some wells only;
* the wells as the answers alone estimate them (the ultimate clusters of Cochran 1977, section
  11.9), less what the draw itself adds: free of the evidence, but noisy with few answers a well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from levelfield.arrays import Floats, Integers, ordered_sum
from levelfield.qc.statistics.estimates import Estimate, ratio_estimate, satterthwaite

# A stratum whose few answers agree is not known exactly: two answers' worth of this variance is
# mixed in, that of errors that are neither rare nor common.
GUARD_VARIANCE = 0.125
GUARD_ANSWERS = 2
LIKELY = 0.4
"""Share of cases in which the scatter between wells is taken for less than it is, when degrees of
freedom are counted."""


@dataclass(frozen=True)
class Spread:
    """A variance and what it is known by.

    Attributes
    ----------
    variance, degrees_of_freedom : float
        NaN where the variance is not known; infinite where it counts as known.
    """

    variance: float
    degrees_of_freedom: float

    def scaled(self, factor: float) -> Spread:
        """Return the spread of a value that is `factor` times as large."""
        return replace(self, variance=self.variance * factor**2)


UNKNOWN = Spread(float("nan"), float("nan"))


def together(parts: Sequence[Spread]) -> Spread:
    """Add independent variances, with Satterthwaite's degrees of freedom."""
    total = ordered_sum(each.variance for each in parts)
    if not np.isfinite(total):
        return UNKNOWN
    freedoms = [part.degrees_of_freedom for part in parts]
    return Spread(total, satterthwaite([part.variance for part in parts], freedoms))


def _likely(spread: Spread) -> Spread:
    """Return a variance that is too large in six of ten cases.

    A variance from few wells is mostly too small. Where it happens to be, Satterthwaite's degrees
    of freedom would rest on the draw, and make the interval narrow just when it must not be: with
    two wells and 400 objects a 90 % interval covered 80 %, with this 88 %.
    """
    freedom = spread.degrees_of_freedom
    if not np.isfinite(freedom):
        return spread
    # The quantile of the chi-squared distribution.
    expected = freedom / float(2 * special.gammaincinv(freedom / 2, LIKELY))
    return replace(spread, variance=spread.variance * expected)


@dataclass(frozen=True)
class Reviewed:
    """What a review says of one class.

    The value is NaN when a stratum has no answer.

    Attributes
    ----------
    value, n_wells : float, int
        Estimate over the wells that have units, and their number.
    of_draw, of_objects, of_wells : Spread
        Left by the draw about the objects of these wells: 0 when all were looked at; about the
        objects that wells of this control could have held; s²_between / W, unknown with fewer than
        two wells.
    """

    value: float
    of_draw: Spread
    of_objects: Spread
    of_wells: Spread
    n_wells: int

    def these_wells(self) -> Estimate:
        """Return the estimate about the wells that were imaged."""
        return self.estimate(self.of_draw)

    def this_control(self, scatter: Spread | None = None) -> Estimate:
        """Return the estimate about the control; `scatter` is as for `wells_or`."""
        of_wells = self.wells_or(scatter)
        whole = together([self.of_objects, of_wells])
        freedom = together([self.of_objects, _likely(of_wells)]).degrees_of_freedom
        return self.estimate(replace(whole, degrees_of_freedom=freedom))

    def wells_or(self, scatter: Spread | None) -> Spread:
        """Return the spread of the wells.

        Where these are fewer than two, the scatter between wells (of one well, not of their mean)
        stands in.
        """
        if np.isfinite(self.of_wells.variance) or scatter is None or not self.n_wells:
            return self.of_wells
        return replace(scatter, variance=scatter.variance / self.n_wells)

    def scatter(self) -> Spread:
        """Return the variance between single wells."""
        return replace(self.of_wells, variance=self.of_wells.variance * self.n_wells)

    def estimate(self, spread: Spread) -> Estimate:
        """Return the value with one of its spreads."""
        return Estimate(self.value, spread.variance, spread.degrees_of_freedom, self.n_wells)


NOT_REVIEWED = Reviewed(float("nan"), UNKNOWN, UNKNOWN, UNKNOWN, 0)


def combined(value: float, parts: Sequence[tuple[Reviewed, float]]) -> Reviewed:
    """Return a function of independent reviewed means, by the delta method.

    Every part is a mean with the function's derivative by it.
    """
    of_draw, of_objects, of_wells = (
        together([getattr(mean, name).scaled(slope) for mean, slope in parts])
        for name in ("of_draw", "of_objects", "of_wells")
    )
    n_wells = max(mean.n_wells for mean, _ in parts)
    return Reviewed(value, of_draw, of_objects, of_wells, n_wells)


@dataclass(frozen=True)
class Sample:
    """The units of one class, some of them reviewed.

    Attributes
    ----------
    answers, evidence : (n,) float
        Answer of each unit, NaN where there is none; and what the evidence says in its place, in
        the same unit, which is known for every unit.
    strata : (n,) int
        Within which units were drawn with equal probability.
    wells : (n,) object
        Name of each unit's well.
    sizes, weights : (n,) float
        What the mean is per: 1 of an object, the objects of a field; and what each unit counts: 1
        unless the density is matched.
    guard : float
        Variance of one unit's answer that is mixed in, as `GUARD_VARIANCE`.
    """

    answers: Floats
    evidence: Floats
    strata: Integers
    wells: NDArray[np.object_]
    sizes: Floats
    weights: Floats
    guard: float = GUARD_VARIANCE

    def evidence_mean(self) -> Reviewed:
        """Return what the evidence alone says, as if nothing had been left to a draw."""
        found, nothing = _over_wells(self, self.weights * self.evidence), Spread(0.0, float("inf"))
        of_wells = Spread(found.variance, found.degrees_of_freedom)
        return Reviewed(found.value, nothing, nothing, of_wells, found.n_wells)


def objects_sample(
    answers: ArrayLike, evidence: ArrayLike, strata: ArrayLike, wells: ArrayLike
) -> Sample:
    """Return a sample of objects, each of which counts 1."""
    answers, evidence = np.asarray(answers, float), np.asarray(evidence, float)
    ones = np.ones(len(answers))
    return Sample(
        answers, evidence, np.asarray(strata, np.int64), np.asarray(wells, object), ones, ones
    )


def stratified_mean(sample: Sample) -> Reviewed:
    """Estimate the mean answer per unit of size over all units of a class.

    The finite-population correction is in `of_draw`, not in `of_objects`.
    """
    read, known = sample.weights * sample.evidence, np.isfinite(sample.answers)
    errors = sample.weights * (np.where(known, sample.answers, 0.0) - sample.evidence)
    whole = float(np.sum(sample.weights * sample.sizes))
    if not whole > 0:
        return NOT_REVIEWED
    guard = sample.guard * float(np.mean(sample.weights**2))
    moved, expanded = read.copy(), read.copy()
    draws, opens = [], []
    for number in np.unique(sample.strata):
        own = sample.strata == number
        seen = own & known
        size = float(sample.sizes[seen].sum())
        if not size > 0:
            return NOT_REVIEWED
        shift = float(errors[seen].sum()) / size
        residuals = errors[seen] - shift * sample.sizes[seen]
        factor = float(sample.sizes[own].sum()) / size
        many = int(seen.sum())
        spread = Spread(
            many * guarded(float(np.sum(residuals**2)), guard, many) * (factor / whole) ** 2,
            many - 1 + GUARD_ANSWERS,
        )
        opens.append(spread)
        draws.append(replace(spread, variance=spread.variance * (1 - many / own.sum())))
        moved[own] += shift * sample.sizes[own]
        expanded[own] += shift * sample.sizes[own]
        expanded[seen] += factor * residuals
    of_objects = together(opens)
    sharp, clusters = (_over_wells(sample, values) for values in (moved, expanded))
    between = max(sharp.variance, clusters.variance - of_objects.variance)
    of_wells = Spread(between, sharp.degrees_of_freedom) if sharp.n_wells > 1 else UNKNOWN
    return Reviewed(sharp.value, together(draws), of_objects, of_wells, sharp.n_wells)


def guarded(squares: float, guard: float, number: int) -> float:
    """Return a variance from the squares of some residuals, with the guard mixed in."""
    return (squares + GUARD_ANSWERS * guard) / (number - 1 + GUARD_ANSWERS)


def _over_wells(sample: Sample, values: Floats) -> Estimate:
    well, _ = pd.factorize(sample.wells)
    return ratio_estimate(
        np.bincount(well, values), np.bincount(well, sample.weights * sample.sizes)
    )
