"""How many objects, or fields, a review should take to decide a row, if it is as it seems."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.review.classes import GUARD_MISSED, ClassReview
from levelfield.qc.review.sampling import FEWEST_PER_STRATUM, UNFORESEEN, foreseen_variance, planned
from levelfield.qc.review.stratified import GUARD_ANSWERS, GUARD_VARIANCE, Spread, guarded, together
from levelfield.qc.review.units import object_evidence
from levelfield.qc.statistics.decision import FEWEST_TO_PASS, Bound, decide, fewest
from levelfield.qc.statistics.estimates import Estimate, estimate_of_row

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
    measure, value, bound : str, float, Bound
        The estimate as it stands, and its margin; the bias is decided by no review.
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
    known = [side.best(measure) for side in classes]
    of_wells = [own.wells_or(scatter) for own, scatter in zip(known, borrowed, strict=True)]
    can_pass = min(side.read[measure].n_wells for side in classes) >= FEWEST_TO_PASS

    def is_decided(number: int) -> bool:
        found = []
        for side, scatter in zip(classes, of_wells, strict=True):
            spread = together([_of_draw(side, measure, number), scatter])
            found.append(Estimate(0.0, spread.variance, spread.degrees_of_freedom, 0))
        whole = replace(estimate_of_row(found), value=value)
        return decide(whole, bound, can_pass=can_pass) != "undecided"

    step = 1 if measure == "missed" else STEP
    most = min(max(sizes), MOST_REVIEWS)
    return fewest([*range(step * -(-FEWEST_PER_STRATUM // step), most, step), most], is_decided)


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
    """Foresee what a review of a number of scored objects of a class leaves open of their mean.

    `risk` (n,) is that of each object, the measure any that an answer about an object speaks of.
    """
    evidence, parts = object_evidence(objects, measure), []
    for own, many in planned(risk, number):
        variance = _answer_variance(risk[own], evidence[own], measure)
        spread = guarded((many - 1) * variance, GUARD_VARIANCE, many)
        share = np.divide(len(own), len(risk))
        parts.append(Spread(share**2 * spread / many, float(many - 1 + GUARD_ANSWERS)))
    return together(parts)


def _answer_variance(risk: Floats, evidence: Floats, measure: str) -> float:
    """Foresee the variance of the answers of a stratum about the evidence."""
    if measure == "balance":
        return foreseen_variance(risk)
    chance = np.clip(evidence, 0, 1)
    return float(np.mean(chance * (1 - chance)) + UNFORESEEN)


def _of_fields(side: ClassReview, number: int) -> Spread:
    """Foresee what the search of some number of fields leaves open of the missed rate."""
    squares = (number - 1) * float(side.fields["spread"].mean())
    spread = guarded(squares, GUARD_MISSED, number)
    size = float(side.fields["size"].mean())
    return Spread(spread / number / size**2, float(number - 1 + GUARD_ANSWERS))
