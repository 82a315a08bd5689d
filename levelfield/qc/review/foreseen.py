"""How many crops a review should take to decide a row, if it is as it seems."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from levelfield.arrays import Floats
from levelfield.qc.review.answers import POSSIBLE
from levelfield.qc.review.class_mean import ClassMean
from levelfield.qc.review.classes import ClassReview
from levelfield.qc.review.crops import sums
from levelfield.qc.review.estimator import GUARD_VARIANCE
from levelfield.qc.review.sampling import FLOOR
from levelfield.qc.review.spread import Spread, together
from levelfield.qc.statistics.decision import FEWEST_TO_PASS, Bound, decide, fewest
from levelfield.qc.statistics.estimates import Estimate

FEWEST_CROPS, STEP, MOST_CROPS = 10, 5, 500
"""Per class; the answer is no finer than a step."""
BETTING = 1.25
"""How much wider an interval is that may be looked at any time."""
KNOWN = 10
"""Crops whose answers tell more of what is to come than the evidence does."""


def crops_needed(
    classes: Sequence[ClassReview],
    measure: str,
    value: float,
    bound: Bound,
    borrowed: Sequence[Spread | None],
) -> int | None:
    """Crops per class whose review should decide a row.

    Parameters
    ----------
    classes : sequence of ClassReview
        Both classes of a difference, positive first; else one.
    measure, value, bound : str, float, Bound
        The estimate as it stands, and its margin; the bias is decided by no review.
    borrowed : sequence of Spread or None
        Variance between wells that stands in for each class that has one well.

    Returns
    -------
    int or None
        None when nothing is known of a class or of the value, when not even the review of all
        crops, or of `MOST_CROPS`, would do, and so when the wells scatter too much: more crops do
        not bring more wells.
    """
    most = min(max(len(side.draw.order) for side in classes), MOST_CROPS)
    if measure == "bias" or not np.isfinite(value) or most == 0:
        return None
    known = [side.best(measure) for side in classes]
    of_wells = [own.wells_or(scatter) for own, scatter in zip(known, borrowed, strict=True)]
    can_pass = min(mean.n_wells for mean in known) >= FEWEST_TO_PASS

    def is_decided(number: int) -> bool:
        drawn = [
            Spread(foreseen_variance(side, mean, measure, number), float("inf"))
            for side, mean in zip(classes, known, strict=True)
        ]
        whole = together([*drawn, *of_wells])
        estimate = Estimate(value, whole.variance, whole.degrees_of_freedom, 0)
        return decide(replace(estimate), bound, can_pass=can_pass) != "undecided"

    return fewest([*range(min(FEWEST_CROPS, most), most, STEP), most], is_decided)


def foreseen_variance(side: ClassReview, mean: ClassMean, measure: str, number: int) -> float:
    """Foresee what the answers to a number of crops leave open of a mean."""
    every, done = len(side.draw.order), len(side.answered)
    left = 1 - number / every
    if left <= 0:
        return 0.0
    if KNOWN <= done < every and np.isfinite(mean.of_review.variance):
        return mean.of_review.variance * done / number * left / (1 - done / every)
    per_crop = variance_of_crops(side, measure) / max(float(mean.middle.per), 1.0) ** 2
    return per_crop / number * left


def variance_of_crops(side: ClassReview, measure: str) -> float:
    """Foresee by how much the answers to one crop, expanded to all, vary about the evidence."""
    return float((_crop_variances(side, measure) / side.draw.chances).sum()) * BETTING**2


def _crop_variances(side: ClassReview, measure: str) -> Floats:
    """Return by how much the answers about each crop (j,) should vary about the evidence."""
    crops = side.draw.crops
    chance = np.clip(side.draw.candidates["missed_evidence"].to_numpy(float), 0, 1)
    missed = sums(crops.of_candidates, chance * (1 - chance), len(crops.table))
    if measure not in POSSIBLE:
        return missed + FLOOR * (1 + crops.table["n_objects"].to_numpy(float))
    size = np.minimum(np.abs(side.evidence[measure]), 1)
    of_objects = np.maximum(size * (1 - size), FLOOR)
    of_objects = np.minimum(of_objects + FLOOR, 4 * GUARD_VARIANCE)
    found = sums(crops.of_objects, of_objects, len(crops.table)) + FLOOR / 2
    return found + missed if measure == "agreement" else found
