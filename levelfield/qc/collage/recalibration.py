"""Recalibrate probabilities of the evidence for one control class, on collages of it."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from levelfield.arrays import AnyArray, AnyFloats, Floats

OFFSET_SD, SLOPE_SD = 1.0, 0.3
"""How far offset and slope may be from 0 and 1 before anything was seen: standard deviations."""
FEWEST = 10
"""With fewer objects of known truth, probabilities stay as they are."""
_CLIP = 1e-4
_ROUNDS, _CLOSE = 30, 1e-6


@dataclass(frozen=True)
class Recalibration:
    """A change of probabilities: logit p' = offset + slope · logit p."""

    offset: float = 0.0
    slope: float = 1.0

    def __call__(self, probability: AnyFloats) -> Floats:
        """Return the changed probabilities; what is not known (NaN) stays so."""
        return np.asarray(special.expit(self.offset + self.slope * _logit(probability)))


def fit_recalibration(probability: AnyFloats, truth: AnyArray) -> Recalibration:
    """Fit a recalibration to objects of known truth.

    The most probable offset and slope, by Newton's method, with normal priors around no change:
    few objects, or objects of which none is wrong, change little.

    Parameters
    ----------
    probability : (n,) float
        By the evidence; NaN where it says nothing, and the object is left out.
    truth : (n,) bool
        Whether the error is there.

    Raises
    ------
    ValueError
        If the two differ in length.
    """
    probability, truth = np.asarray(probability, float), np.asarray(truth, float)
    if probability.shape != truth.shape:
        raise ValueError(
            f"{probability.size} probabilities cannot be held against {truth.size} truths; give "
            "one for each"
        )
    known = np.isfinite(probability)
    if np.count_nonzero(known) < FEWEST:
        return Recalibration()
    terms = np.stack([np.ones(int(known.sum())), _logit(probability[known])], axis=1)
    prior, precision = np.array([0.0, 1.0]), np.array([OFFSET_SD, SLOPE_SD]) ** -2.0
    found = prior.copy()
    for _ in range(_ROUNDS):
        expected = special.expit(terms @ found)
        gradient = terms.T @ (truth[known] - expected) - precision * (found - prior)
        curvature = (terms * (expected * (1 - expected))[:, None]).T @ terms + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        found = found + np.clip(step, -1, 1)  # a full step may overshoot where all is certain
        if np.abs(step).max() < _CLOSE:
            break
    return Recalibration(float(found[0]), float(found[1]))


def _logit(probability: AnyFloats) -> Floats:
    return np.asarray(special.logit(np.clip(probability, _CLIP, 1 - _CLIP)), np.float64)
