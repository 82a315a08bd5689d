"""A screen from its plates: random effects, plates being blocks."""

from collections.abc import Sequence

import numpy as np

from levelfield.arrays import Floats
from levelfield.qc.statistics.estimates import NOTHING, Estimate, satterthwaite

_STEPS = 100


def combine_plates(plates: Sequence[Estimate], shared_freedom: float = float("inf")) -> Estimate:
    """Mean over plates, each weighted by the inverse of its variance.

    A plate in doubt gets less weight and silences nobody; plates that differ by more than their own
    variances explain widen the interval.

    Parameters
    ----------
    plates : sequence of Estimate
        Corrected; the sampling variance includes the plate's own doubts, the systematic one is that
        of the error that all plates share, which more plates do not reduce. Plates without a value
        or a variance are left out.
    shared_freedom : float
        Degrees of freedom of the error that plates share.

    Notes
    -----
    R. C. Paule and J. Mandel, *Consensus values and weighting factors* (1982), for the variance
    between plates, which has plates − 1 degrees of freedom; Satterthwaite's for the sum.
    """
    usable = [plate for plate in plates if np.isfinite([plate.value, plate.variance]).all()]
    if not usable:
        return NOTHING
    values, variances, shared = (
        np.array([getattr(plate, name) for plate in usable], float)
        for name in ("value", "variance", "systematic_variance")
    )
    between = variance_between(values, variances)
    weights = plate_weights(variances + between)
    parts = [*(weights**2 * variances), between * float(np.sum(weights**2))]
    freedoms = [plate.degrees_of_freedom for plate in usable]
    return Estimate(
        float(np.sum(weights * values)),
        float(np.sum(parts)),
        satterthwaite(parts, [*freedoms, max(len(usable) - 1.0, 1.0)]),
        sum(plate.n_wells for plate in usable),
        float(np.sum(weights * np.sqrt(shared))) ** 2,
        shared_freedom,
    )


def plate_weights(variances: Floats) -> Floats:
    """Inverse variances that sum to 1; plates without any variance share the weight."""
    exact = variances <= 0
    if exact.any():
        return exact / exact.sum()
    inverse = variances.min() / variances
    return inverse / inverse.sum()


def variance_between(values: Floats, variances: Floats) -> float:
    """Variance between plates that their own variances do not explain (Paule and Mandel 1982)."""
    number = len(values)
    if number < 2:
        return 0.0

    def excess(between: float) -> float:
        whole = variances + between
        if (whole <= 0).any():
            return float("inf") if np.ptp(values) > 0 else -1.0
        mean = np.sum(plate_weights(whole) * values)
        return float(np.sum((values - mean) ** 2 / whole)) - (number - 1)

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(np.var(values, ddof=1)) + float(np.max(variances))
    while excess(high) > 0:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2
