"""The mean over all objects from the evidence on all and the answers on a few.

The difference estimator of survey sampling (Särndal, Swensson & Wretman 1992, chapter 6), with
strata: the evidence's mean over all objects, plus the mean of answer minus evidence over those that
were reviewed. It is unbiased however wrong the evidence is, and the closer the evidence the
narrower; prediction-powered inference (Angelopoulos et al. 2023) is the same idea.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from levelfield.qc.review.sampling import (
    FEWEST_PER_STRATUM,
    RISK_CUTS,
    allocate,
    foreseen_variance,
    risk_strata,
)
from levelfield.qc.statistics.estimates import Estimate, difference, equivalence_verdict

# A stratum whose few answers agree is not known exactly: two answers' worth of this variance is
# mixed in, that of errors that are neither rare nor common.
GUARD_VARIANCE = 0.125
GUARD_ANSWERS = 2
MOST_REVIEWS = 5000


@dataclass(frozen=True)
class Stratum:
    """One stratum of a class.

    Attributes
    ----------
    size : int
        Objects in it.
    answered : int
        How many somebody answered for, "cannot tell" included.
    usable : int
        How many have an answer that says something.
    variance : float
        Foreseen variance of its answers, from the risk alone.
    """

    size: int
    answered: int
    usable: int
    variance: float

    @property
    def reviewed(self) -> bool:
        """Whether there are enough answers for the stratum to count as reviewed."""
        return self.answered >= min(FEWEST_PER_STRATUM, self.size) and self.usable > 0


def strata_of(
    risk: NDArray[np.float64], answered: NDArray[np.bool_], usable: NDArray[np.bool_]
) -> list[Stratum]:
    """Describe the strata of a class that hold any object.

    Parameters
    ----------
    risk : (n,) float64
        Of all objects of the class.
    answered, usable : (n,) bool
        Which of them have been reviewed, and which with an answer that says something.
    """
    strata = risk_strata(risk)
    return [
        Stratum(
            int(own.sum()),
            int(answered[own].sum()),
            int(usable[own].sum()),
            foreseen_variance(risk[own]),
        )
        for own in (strata == number for number in range(len(RISK_CUTS) + 1))
        if own.any()
    ]


def stratified_estimate(answers: ArrayLike, evidence: ArrayLike, risk: ArrayLike) -> Estimate:
    """Estimate the mean answer over all objects of a class.

    Parameters
    ----------
    answers : (n,) float
        Answer of each object; NaN where there is none.
    evidence : (n,) float
        What the evidence says in its place, in the same unit. Known for every object.
    risk : (n,) float
        0 to 1, decides the stratum.

    Returns
    -------
    Estimate
        Of these n objects and no others: an object that was reviewed leaves nothing to chance
        (finite-population correction), so that the variance is 0 when all were. ``n_wells`` is 0.
        NaN when a stratum has no answer.
    """
    answers, evidence, risk = (np.asarray(each, float) for each in (answers, evidence, risk))
    unknown = Estimate(float("nan"), float("nan"), float("nan"), 0)
    if len(answers) == 0:
        return unknown
    strata, known = risk_strata(risk), np.isfinite(answers)
    value, variance, spread_of_variance = float(evidence.mean()), 0.0, 0.0
    for number in np.unique(strata):
        own = strata == number
        errors = (answers - evidence)[own & known]
        if len(errors) == 0:
            return unknown
        share = own.mean()
        part = share**2 * _variance_of_mean(errors, int(own.sum()))
        value += share * float(errors.mean())
        variance += part
        spread_of_variance += part**2 / (len(errors) - 1 + GUARD_ANSWERS)
    freedom = variance**2 / spread_of_variance if spread_of_variance > 0 else float("inf")
    return Estimate(value, variance, freedom, 0)


def _variance_of_mean(errors: NDArray[np.float64], size: int) -> float:
    """Guarded variance of the mean of a stratum's errors, corrected for its finite size."""
    squares = float(np.sum((errors - errors.mean()) ** 2))
    return _guarded(squares, len(errors)) * (1 - len(errors) / size) / len(errors)


def _guarded(squares: float, number: int) -> float:
    return (squares + GUARD_ANSWERS * GUARD_VARIANCE) / (number - 1 + GUARD_ANSWERS)


def foreseen_estimate(strata: Sequence[Stratum], number: int) -> Estimate:
    """Return the precision that a review of some number of objects should reach, about 0."""
    sizes = np.array([each.size for each in strata])
    numbers = allocate(sizes, [each.variance for each in strata], number)
    shares = sizes / sizes.sum()
    guarded = [
        _guarded((many - 1) * each.variance, int(many))
        for each, many in zip(strata, numbers, strict=True)
    ]
    parts = shares**2 * np.array(guarded) * (1 - numbers / sizes) / numbers
    variance = float(parts.sum())
    spread = float(np.sum(parts**2 / (numbers - 1 + GUARD_ANSWERS)))
    return Estimate(0.0, variance, variance**2 / spread if spread > 0 else float("inf"), 0)


def reviews_to_decide(
    classes: Sequence[Sequence[Stratum]], value: float, margin: float
) -> int | None:
    """Objects per class whose review should decide a row, if it is as the estimate says.

    Parameters
    ----------
    classes : sequence of sequence of Stratum
        Of both classes for a difference, else of one.
    value : float
        The estimate as it stands.
    margin : float
        Largest harmless size, in the same unit.

    Returns
    -------
    int or None
        None when nothing is known of a class or of the value, or when not even the review of
        `MOST_REVIEWS` objects would do.
    """
    if not np.isfinite(value) or not all(classes):
        return None
    largest = max(sum(each.size for each in strata) for strata in classes)

    def decided(number: int) -> bool:
        found = [foreseen_estimate(strata, number) for strata in classes]
        together = found[0] if len(found) == 1 else difference(*found)
        moved = Estimate(value, together.variance, together.degrees_of_freedom, 0)
        return equivalence_verdict(moved, margin) != "undecided"

    return fewest_reviews(decided, largest)


def fewest_reviews(decided: Callable[[int], bool], largest: int) -> int | None:
    """Return the smallest of 10, 20, ... objects per class that decides; None if none does.

    Parameters
    ----------
    decided : callable
        Tells of a number of objects whether it is enough; if it is, so are all larger ones.
    largest : int
        Objects of the larger class.
    """
    most = min(largest, MOST_REVIEWS)
    numbers = [*range(10, most, 10), most]
    place = bisect_left(numbers, True, key=decided)
    return numbers[place] if place < len(numbers) else None
