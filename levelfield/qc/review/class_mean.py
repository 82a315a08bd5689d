"""What the review says of one measure in one class, and of a row: a class or two classes.

There are two targets. *These wells*: what a review of all their objects would find; only the draw,
and the reviewers, are left to chance. *This control*: what its wells show on the average, of which
these are a sample: V = V_review + s²_between / W. V_review comes from the betting interval, so that
both are valid however often one looks.

Two readings of s²_between are made, and the larger one counts:

* the wells as the evidence reads every object, moved by what the review found: sharp, as no draw
  adds to it, but blind to errors that the evidence makes in some wells only;
* the wells as the answers estimate them (the ultimate clusters of Cochran 1977, section 11.9), less
  what the draw itself adds: free of the evidence, but noisy with few crops a well. Of few wells it
  is mostly too small, so that its median is put right before anything is taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from levelfield.arrays import Floats
from levelfield.qc.review.estimator import CropMean, CropSample, crop_mean
from levelfield.qc.review.spread import NOTHING_LEFT, UNKNOWN, Spread, likely, together
from levelfield.qc.statistics.estimates import NOTHING, PASS_LEVEL, Estimate, ratio_estimate

_REACH = float(special.ndtri(0.5 + PASS_LEVEL / 2))
_MEDIAN = 0.5


@dataclass(frozen=True)
class ClassMean:
    """One measure in one class.

    Attributes
    ----------
    middle, lowest, highest : CropMean
        With the evidence in place of what nobody could tell, and with the lowest and the highest
        possible answer there.
    of_wells, of_reviewers : Spread
        s²_between / W, unknown with fewer than two wells; and how far reviewers differ.
    n_wells, planned : int
        Wells that have objects; crops that are to be answered.
    """

    middle: CropMean
    lowest: CropMean
    highest: CropMean
    of_wells: Spread
    of_reviewers: Spread
    n_wells: int
    planned: int

    @property
    def value(self) -> float:
        """The mean."""
        return self.middle.value

    @cached_property
    def of_review(self) -> Spread:
        """What the review leaves open about these wells."""
        return _of_review([self])[0]

    def scatter(self) -> Spread:
        """Return the variance between single wells."""
        return replace(self.of_wells, variance=self.of_wells.variance * self.n_wells)

    def wells_or(self, scatter: Spread | None) -> Spread:
        """Return the spread of the wells.

        Where these are fewer than two, the scatter between wells (of one well, not of their mean)
        stands in.
        """
        if np.isfinite(self.of_wells.variance) or scatter is None or not self.n_wells:
            return self.of_wells
        return replace(scatter, variance=scatter.variance / self.n_wells)


def class_mean(
    sample: CropSample,
    lowest: Floats | None = None,
    highest: Floats | None = None,
    of_reviewers: Spread = NOTHING_LEFT,
) -> ClassMean:
    """Estimate a class; `lowest` and `highest` are the answers with what nobody could tell."""
    middle = crop_mean(sample)
    low, high = (
        middle if answers is None else crop_mean(replace(sample, answers=answers))
        for answers in (lowest, highest)
    )
    of_wells, n_wells = _of_wells(sample, middle)
    return ClassMean(middle, low, high, of_wells, of_reviewers, n_wells, sample.planned)


def read_mean(sample: CropSample) -> ClassMean:
    """Return what the evidence alone says of a class, as if nothing had been left to a draw."""
    per = float(sample.sizes.sum() + sample.evidence_per.sum())
    value = float(sample.evidence.sum()) / per if per > 0 else float("nan")
    sharp, none = sample.evidence - value * sample.evidence_per, np.empty(0)
    mean = CropMean(value, 0.0, none, none, none, sharp, sharp, 0.0, per)
    of_wells, n_wells = _of_wells(sample, mean)
    return ClassMean(mean, mean, mean, of_wells, NOTHING_LEFT, n_wells, sample.planned)


def _of_wells(sample: CropSample, mean: CropMean) -> tuple[Spread, int]:
    if not np.isfinite(mean.value):
        return UNKNOWN, 0
    sharp, clusters = (
        _over_wells(values, sample.sizes, sample.wells) for values in (mean.sharp, mean.in_wells)
    )
    if sharp.n_wells < 2:
        return UNKNOWN, sharp.n_wells
    scale = (float(sample.sizes.sum()) / mean.per) ** 2
    of_draw = mean.in_wells_variance if np.isfinite(mean.in_wells_variance) else float("inf")
    seen = likely(Spread(clusters.variance * scale, clusters.degrees_of_freedom), _MEDIAN).variance
    between = max(sharp.variance * scale, seen - of_draw)
    return Spread(between, sharp.degrees_of_freedom), sharp.n_wells


def _over_wells(values: Floats, sizes: Floats, wells: NDArray[np.object_]) -> Estimate:
    well, _ = pd.factorize(wells)
    return ratio_estimate(np.bincount(well, values), np.bincount(well, sizes))


def row_interval(sides: Sequence[ClassMean]) -> tuple[float, float]:
    """Return the 90 % interval about these wells of a class, or of positive less negative."""
    from levelfield.qc.review.betting import betting_interval  # numba: only where there are answers

    if any(not len(side.middle.steps) for side in sides):
        return float("-inf"), float("inf")
    ends = []
    for end, (first, second) in enumerate((("lowest", "highest"), ("highest", "lowest"))):
        means = [getattr(side, name) for side, name in zip(sides, (first, second), strict=False)]
        if all(mean.is_whole for mean in means):
            ends.append(_value(means))
            continue
        planned = max(side.planned for side in sides)
        ends.append(betting_interval(*_paired(means), planned)[end])
    return ends[0], ends[1]


def _value(means: Sequence[CropMean]) -> float:
    return means[0].value - (means[1].value if len(means) == 2 else 0.0)


def _paired(means: Sequence[CropMean]) -> tuple[Floats, Floats, Floats]:
    """Return the steps of a class, or of the difference: the n-th crop of each class together."""
    if len(means) == 1:
        return means[0].steps, means[0].step_variances, means[0].units
    number = min(len(mean.steps) for mean in means)
    first, second = (
        np.stack([mean.steps[:number], mean.step_variances[:number], mean.units[:number]])
        for mean in means
    )
    return first[0] - second[0], first[1] + second[1], np.maximum(first[2], second[2])


def _of_review(sides: Sequence[ClassMean]) -> tuple[Spread, float]:
    """Return what draw and reviewers leave open about these wells, and the interval's offset.

    The interval is not made even about the value: its further end would be paid for twice.
    """
    low, high = row_interval(sides)
    if not np.isfinite(high - low):
        return UNKNOWN, 0.0
    of_draw = Spread(((high - low) / 2 / _REACH) ** 2, float("inf"))
    spread = together([of_draw, *(side.of_reviewers for side in sides)])
    return spread, (low + high) / 2 - _value([side.middle for side in sides])


def row_estimates(
    sides: Sequence[ClassMean], borrowed: Sequence[Spread | None]
) -> tuple[Estimate, Estimate]:
    """Return the estimate of a class, or of positive less negative: about the control, its wells.

    `borrowed` is the variance between wells that stands in for each class with one well.
    """
    if any(not np.isfinite(side.value) for side in sides):
        return NOTHING, NOTHING
    value, n_wells = _value([side.middle for side in sides]), sum(side.n_wells for side in sides)
    of_review, offset = _of_review(sides)
    of_wells = [side.wells_or(scatter) for side, scatter in zip(sides, borrowed, strict=True)]
    whole = together([of_review, *of_wells])
    freedom = together([of_review, *map(likely, of_wells)]).degrees_of_freedom
    return (
        Estimate(value, whole.variance, freedom, n_wells, offset=offset),
        Estimate(value, of_review.variance, of_review.degrees_of_freedom, n_wells, offset=offset),
    )
