"""A screen from its plates: random effects, plates being blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from levelfield.arrays import Floats
from levelfield.qc.statistics.estimates import NOTHING, Estimate, satterthwaite

_STEPS = 100


@dataclass(frozen=True)
class Block:
    """What one plate says of one row.

    Attributes
    ----------
    value : float
        Corrected.
    variance : float
        Of its sampling and of its own doubts.
    degrees_of_freedom : float
        Of that variance.
    n_wells : int
        Behind it.
    shared : float
        Variance of the error that all plates share, which more plates do not reduce; 0 where
        people reviewed the plate.
    """

    value: float
    variance: float
    degrees_of_freedom: float
    n_wells: int
    shared: float = 0.0


def combine_blocks(blocks: Sequence[Block], shared_freedom: float = float("inf")) -> Estimate:
    """Mean over plates, each weighted by the inverse of its variance.

    A plate in doubt gets less weight and silences nobody; plates that differ by more than their own
    variances explain widen the interval.

    Parameters
    ----------
    blocks : sequence of Block
        One per plate; plates without a value or a variance are left out.
    shared_freedom : float
        Degrees of freedom of the error that plates share.

    Returns
    -------
    Estimate
        The error that plates share is its systematic variance.

    Notes
    -----
    R. C. Paule and J. Mandel, *Consensus values and weighting factors* (1982), for the variance
    between plates, which has plates − 1 degrees of freedom; Satterthwaite's for the sum.
    """
    usable = [block for block in blocks if np.isfinite([block.value, block.variance]).all()]
    if not usable:
        return NOTHING
    values, variances, freedoms, shared = (
        np.array([getattr(block, name) for block in usable], float)
        for name in ("value", "variance", "degrees_of_freedom", "shared")
    )
    between = variance_between(values, variances)
    weights = block_weights(variances + between)
    parts = [*(weights**2 * variances), between * float(np.sum(weights**2))]
    total = float(np.sum(parts))
    known = [*freedoms, max(len(usable) - 1.0, 1.0)]
    return Estimate(
        float(np.sum(weights * values)),
        total,
        satterthwaite(parts, known),
        sum(block.n_wells for block in usable),
        float(np.sum(weights * np.sqrt(shared))) ** 2,
        shared_freedom,
    )


def block_weights(variances: Floats) -> Floats:
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
        mean = np.sum(block_weights(whole) * values)
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
