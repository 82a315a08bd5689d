"""A mean over all objects of a class, from the evidence on all and the answers on a few crops.

Crop j is drawn with a chance that grows with what it may change, so that its inclusion probability
is π_j, and

    θ = N⁻¹ [ λ Σ f_i + Σ_{j ∈ S} Σ_{i ∈ j} (y_i − λ f_i) / π_j ]

with the answers y, the evidence f and the number of objects N: the difference estimator of survey
sampling (Särndal, Swensson & Wretman 1992, chapter 6), unbiased however wrong the evidence is. How
far the evidence is trusted, λ, is learned from the answers themselves: evidence without any meaning
gets λ = 0 and costs nothing (PPI++: Angelopoulos, Duchi & Zrnic 2023). λ for one half of the crops
is learned on the other half, so that no crop has a say in its own.

Of a ratio whose denominator is not known either (missed objects over true ones), the same is done
with numerators less θ times what adds to the denominator.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from levelfield.arrays import Floats, Integers

TRUST = 4.0
"""Crops' worth of answers that say the evidence is right, with which λ begins at 1."""
GUARD_VARIANCE = 0.0625
"""Variance of one object's answer that is mixed in at least: a few crops whose answers agree are
not known exactly."""
GUARD_CROPS = 2.0
"""How many crops' worth of that."""
_ROUNDS = 3


@dataclass(frozen=True)
class CropSample:
    """The crops of one class, some of them answered.

    Attributes
    ----------
    chances : (j,) float64
        Chance of each crop to be drawn first; they sum to 1.
    sizes : (j,) float64
        What the mean is per: objects of each crop, or their weights.
    evidence, evidence_per : (j,) float64
        Sums of the evidence over each crop: numerator, and what adds to the denominator.
    wells : (j,) object
        Name of each crop's well.
    order : (k,) int64
        Places of the answered crops, in the order in which they were drawn.
    answers, answers_per : (k,) float64
        What people say in place of the evidence.
    planned : int
        Crops that are to be answered.
    """

    chances: Floats
    sizes: Floats
    evidence: Floats
    evidence_per: Floats
    wells: NDArray[np.object_]
    order: Integers
    answers: Floats
    answers_per: Floats
    planned: int

    @property
    def guard(self) -> float:
        """Variance of what one crop says of the mean, mixed in at the beginning."""
        return GUARD_VARIANCE * len(self.sizes) / max(float(self.sizes.sum()), 1.0)


@dataclass(frozen=True)
class CropMean:
    """The estimate of one class from its crops.

    Attributes
    ----------
    value, variance : float
        The mean, and its variance by the draw.
    steps, step_variances, units : (k,) float64
        What each crop says of the mean, given those before; the variance that those let expect; and
        what an error of one object moves a step by.
    in_wells, sharp : (j,) float64
        Estimated numerator of each crop, answers expanded; and the evidence, moved by what the
        answers say of it; both less the mean times what adds to the denominator.
    in_wells_variance : float
        What the draw adds to the variance of the mean of the former.
    per, is_whole : float, bool
        The whole denominator; whether all crops have answers.
    """

    value: float
    variance: float
    steps: Floats
    step_variances: Floats
    units: Floats
    in_wells: Floats
    sharp: Floats
    in_wells_variance: float
    per: float
    is_whole: bool = False


def inclusion(chances: Floats, number: int) -> Floats:
    """Return the probability of each crop to be among the first `number` that are drawn.

    Notes
    -----
    Successive sampling: B. Rosén, *Asymptotic theory for successive sampling* (1972). A crop with a
    chance p is drawn when a clock of rate p has rung: by a time that lets expect `number` of them.
    """
    if number >= len(chances):
        return np.ones(len(chances))
    time = float(number)
    for _ in range(50):
        missed = np.exp(-chances * time)
        step = (number - float(np.sum(1 - missed))) / float(np.sum(chances * missed))
        time += step
        if abs(step) <= 1e-12 * time:
            break
    found: Floats = 1 - np.exp(-chances * time)
    return found


def crop_mean(sample: CropSample) -> CropMean:
    """Estimate the mean of a class; NaN without answers or objects."""
    k, whole = len(sample.order), float(sample.sizes.sum())
    if k == 0 or not whole > 0:
        nothing = np.full(len(sample.sizes), np.nan)
        none = np.empty(0)
        return CropMean(np.nan, np.nan, none, none, none, nothing, nothing, np.nan, np.nan)
    chance = inclusion(sample.chances, k)[sample.order]
    value, per = 0.0, whole
    for _ in range(_ROUNDS):
        said, read = _residuals(sample, value)
        trust = _trust_by_halves(said / chance, read[sample.order] / chance, 1 - chance)
        per = whole + _total(sample.answers_per, sample.evidence_per, sample.order, chance, trust)
        value = _total(sample.answers, sample.evidence, sample.order, chance, trust) / per
    said, read = _residuals(sample, value)
    shares = (said - trust * read[sample.order]) / chance / per
    steps = _steps(sample, said, read, value, per)
    sharp = float(np.mean(trust)) * read
    sharp += (value * whole - float(sharp.sum())) * sample.sizes / whole
    rest = (said - sharp[sample.order]) / chance
    in_wells = sharp.copy()
    in_wells[sample.order] += rest
    return CropMean(
        value,
        _draw_variance(shares, chance),
        steps,
        _step_variances(sample, steps),
        _left(sample) * len(sample.sizes) / per,
        in_wells,
        sharp,
        _draw_variance(rest / per, chance),
        per,
        k == len(sample.sizes),
    )


def _residuals(sample: CropSample, value: float) -> tuple[Floats, Floats]:
    """Return answers (k,) and evidence (j,) less the mean times what adds to the denominator."""
    return (
        sample.answers - value * sample.answers_per,
        sample.evidence - value * sample.evidence_per,
    )


def _total(
    answers: Floats, evidence: Floats, order: Integers, chance: Floats, trust: Floats
) -> float:
    seen = evidence[order]
    return float(np.mean(trust) * evidence.sum() + np.sum((answers - trust * seen) / chance))


def _trust(said: Floats, read: Floats, weights: Floats) -> float:
    """Return λ: the slope of the answers on the evidence, from 0 to 1."""
    k, whole = len(said), float(weights.sum())
    if k < 2 or not whole > 0:
        return 1.0
    away = read - float(np.sum(weights * read)) / whole
    square = float(np.sum(weights * away * away))
    begin = TRUST * square / k + 1e-12
    slope = (float(np.sum(weights * away * said)) + begin) / (square + begin)
    return min(max(slope, 0.0), 1.0)


def _trust_by_halves(said: Floats, read: Floats, weights: Floats) -> Floats:
    """Return λ of each crop (k,), learned on every second of the others."""
    even = np.arange(len(said)) % 2 == 0
    of_even, of_odd = (_trust(said[own], read[own], weights[own]) for own in (~even, even))
    return np.where(even, of_even, of_odd)


def _draw_variance(shares: Floats, chance: Floats) -> float:
    """Variance of a sum of expanded residuals (Hájek 1964); 0 where every crop was drawn."""
    k, open_ = len(shares), 1 - chance
    if k < 2:
        return float("nan")
    if not np.sum(open_) > 0:
        return 0.0
    middle = float(np.sum(open_ * shares) / np.sum(open_))
    return k / (k - 1) * float(np.sum(open_ * (shares - middle) ** 2))


def _steps(sample: CropSample, said: Floats, read: Floats, value: float, per: float) -> Floats:
    """Return what each crop says of the mean, given those before (Raj 1956).

    The crops before it are known; all others are estimated by it alone, with the chance that it had
    among those that were left. λ is learned on the crops before.
    """
    whole, chances, seen = (
        float(sample.sizes.sum()),
        sample.chances[sample.order],
        read[sample.order],
    )
    trust = _trust_before(said / chances, seen / chances)
    rest = (said - trust * seen) * _left(sample) / chances
    estimates = trust * float(read.sum()) + _before(said) - trust * _before(seen) + rest
    steps: Floats = value + (estimates - value * whole) / per
    return steps


def _before(values: Floats) -> Floats:
    """Return what the values before each one sum up to (k,)."""
    return np.concatenate([[0.0], np.cumsum(values)[:-1]])


def _trust_before(said: Floats, read: Floats) -> Floats:
    """Return λ of each crop (k,), learned on those before it, which all weigh the same."""
    before = np.arange(len(said))
    number = np.maximum(before, 1)
    middle = _before(read) / number
    square = np.maximum(_before(read**2) - before * middle**2, 0)
    begin = TRUST * square / number + 1e-12
    slopes = (_before(read * said) - middle * _before(said) + begin) / (square + begin)
    return np.where(before < 2, 1.0, np.clip(slopes, 0, 1))


def _left(sample: CropSample) -> Floats:
    """Return the share of the chances (k,) that is left when each crop is drawn."""
    chances = sample.chances[sample.order]
    return np.maximum(1 - np.concatenate([[0.0], np.cumsum(chances)[:-1]]), chances)


def _step_variances(sample: CropSample, steps: Floats) -> Floats:
    """Return the variance of each step that the steps before it let expect.

    The more has been drawn, the less is left for a crop to speak for.
    """
    left, before = _left(sample), np.arange(len(steps))
    weights, away = 1 / left**2, steps - steps.mean()
    of_weights = np.maximum(_before(weights), 1.0)
    squares = _before(weights * away**2) - _before(weights * away) ** 2 / of_weights
    known = np.where(before > 1, np.maximum(squares, 0), 0)
    freedom = GUARD_CROPS + np.where(before > 1, before - 1, 0)
    found: Floats = (GUARD_CROPS * sample.guard + known) / freedom * left**2
    return found
