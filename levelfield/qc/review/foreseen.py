"""How many objects, or fields, a review should take to decide a row, if it is as it seems."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.review.classes import GUARD_MISSED, ClassReview
from levelfield.qc.review.sampling import (
    FEWEST_PER_STRATUM,
    UNFORESEEN,
    allocate,
    foreseen_variance,
    risk_strata,
)
from levelfield.qc.review.stratified import GUARD_ANSWERS, GUARD_VARIANCE, Spread, together
from levelfield.qc.review.units import object_evidence
from levelfield.qc.statistics.decision import FEWEST_TO_PASS, Bound, decide, fewest
from levelfield.qc.statistics.estimates import Estimate, difference

MOST_REVIEWS = 5000
STEP = 10
"""Objects; the answer is no finer."""


def reviews_needed(
    classes: Sequence[ClassReview],
    measure: str,
    value: float,
    bound: Bound,
    borrowed: Sequence[Spread | None],
) -> int | None:
    """Objects per class whose review should decide a row; of missed objects, fields per class.

    Parameters
    ----------
    classes : sequence of ClassReview
        Both classes of a difference, positive first; else one.
    measure : str
        Any; of bias, which no review decides, nothing is returned.
    value, bound : float, Bound
        The estimate as it stands, and the margin of the row.
    borrowed : sequence of Spread or None
        Variance between wells that stands in for each class that has one well.

    Returns
    -------
    int or None
        None when nothing is known of a class or of the value, when not even the review of all
        objects, or of `MOST_REVIEWS`, would do, and so when the wells scatter too much: more
        objects do not bring more wells.
    """
    if measure == "bias" or not np.isfinite(value):
        return None
    sizes = [len(side.fields if measure == "missed" else side.objects) for side in classes]
    if min(sizes) == 0:
        return None
    of_wells = [_of_wells(*side, measure) for side in zip(classes, borrowed, strict=True)]
    can_pass = min(side.read[measure].n_wells for side in classes) >= FEWEST_TO_PASS

    def is_decided(number: int) -> bool:
        found = []
        for side, scatter in zip(classes, of_wells, strict=True):
            spread = together([_of_draw(side, measure, number), scatter])
            found.append(Estimate(0.0, spread.variance, spread.degrees_of_freedom, 0))
        whole = found[0] if len(found) == 1 else difference(*found)
        return decide(replace(whole, value=value), bound, can_pass=can_pass) != "undecided"

    step = 1 if measure == "missed" else STEP
    most = min(max(sizes), MOST_REVIEWS)
    return fewest([*range(step * -(-FEWEST_PER_STRATUM // step), most, step), most], is_decided)


def _of_wells(side: ClassReview, borrowed: Spread | None, measure: str) -> Spread:
    """Return what the wells leave open, however many objects are looked at."""
    if side.state(measure) == "complete":
        found, n_wells = side.reviewed[measure].of_wells, side.reviewed[measure].n_wells
    else:
        read = side.read[measure]
        found, n_wells = Spread(read.variance, read.degrees_of_freedom), read.n_wells
    if not np.isfinite(found.variance) and borrowed is not None and n_wells:
        return replace(borrowed, variance=borrowed.variance / n_wells)
    return found


def _of_draw(side: ClassReview, measure: str, number: int) -> Spread:
    """Foresee what a review of some number of objects, or fields, leaves open."""
    done = side.progress(measure)[0]
    if side.state(measure) == "complete":
        spread, many = side.reviewed[measure].of_objects, max(done.n_reviewed, 1)
        freedom = spread.degrees_of_freedom * number / many
        return Spread(spread.variance * many / number, freedom)
    if measure == "missed":
        return _of_fields(side, number)
    found = foreseen_spread(side.objects, side.risk, measure, number)
    if measure == "agreement":
        found = together([found, _of_fields(side, max(side.of_fields.n_drawn, 1))])
    return found


def foreseen_spread(objects: pd.DataFrame, risk: Floats, measure: str, number: int) -> Spread:
    """Foresee what a review of some number of objects of a class leaves open of its mean.

    Parameters
    ----------
    objects : DataFrame
        Scored objects of the class.
    risk : (n,) float64
        Of each.
    measure : str
        Any that an answer about an object speaks of.
    number : int
        Objects to be looked at.
    """
    strata = risk_strata(risk)
    members = [strata == stratum for stratum in np.unique(strata)]
    sizes = np.array([int(own.sum()) for own in members])
    numbers = allocate(sizes, [foreseen_variance(risk[own]) for own in members], number)
    evidence = object_evidence(objects, measure)
    parts = []
    for own, many, share in zip(members, numbers, sizes / sizes.sum(), strict=True):
        spread = _answer_variance(risk[own], evidence[own], measure)
        guarded = _guarded(spread, GUARD_VARIANCE, int(many))
        parts.append(Spread(share**2 * guarded / many, float(many - 1 + GUARD_ANSWERS)))
    return together(parts)


def _answer_variance(risk: Floats, evidence: Floats, measure: str) -> float:
    """Foresee the variance of the answers of a stratum about the evidence."""
    if measure == "balance":
        return foreseen_variance(risk)
    chance = np.clip(evidence, 0, 1)
    return float(np.mean(chance * (1 - chance)) + UNFORESEEN)


def _of_fields(side: ClassReview, number: int) -> Spread:
    """Foresee what the search of some number of fields leaves open of the missed rate."""
    spread = _guarded(float(side.fields["spread"].mean()), GUARD_MISSED, number)
    size = float(side.fields["size"].mean())
    return Spread(spread / number / size**2, float(number - 1 + GUARD_ANSWERS))


def _guarded(variance: float, guard: float, number: int) -> float:
    return ((number - 1) * variance + GUARD_ANSWERS * guard) / (number - 1 + GUARD_ANSWERS)
