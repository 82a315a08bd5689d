"""Many rows judged together: how sure a failure must be.

A plate fails as soon as one row of a question does, so the more rows there are, the sooner one
fails by chance. A row can only fail beyond its margin: one whose noise hardly reaches its margin
costs nothing. The level that "excludes zero" asks for rises until a union bound holds, which is
valid however the rows depend on each other (they share wells, and raw and density-matched estimates
share everything). Passing takes no correction: all rows must pass (Berger 1982).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from levelfield.qc.statistics.estimates import FAIL_LEVEL

_STEPS = 60
_AS_GOOD_AS_NORMAL = 1e9  # degrees of freedom


def failure_level(
    limits: ArrayLike, errors: ArrayLike, freedoms: ArrayLike, calibrated: ArrayLike | None = None
) -> float:
    """Return the level of the interval that must exclude zero for a row to fail.

    The lowest level of at least 95 % at which, if no row had an error, the probabilities that each
    row fails by its noise sum to 5 % at most.

    Parameters
    ----------
    limits : (n,) float
        Largest harmless error of every row.
    errors, freedoms : (n,) float
        Standard error of each, were its true error zero, and its degrees of freedom; rows where the
        error is unknown do not count.
    calibrated : (n,) bool, optional
        And no share of right objects. All by default; others fail only when the whole interval lies
        beyond the margin.
    """
    limits, errors, freedoms = (np.asarray(own, float) for own in (limits, errors, freedoms))
    known = np.isfinite(errors) & (errors > 0) & np.isfinite(limits)
    sure = np.ones(len(limits), bool) if calibrated is None else np.asarray(calibrated, bool)
    limits, sure = limits[known] / errors[known], sure[known]

    # Student's t by its plain functions: these are called thousands of times for a screen.
    freedoms = np.minimum(freedoms[known], _AS_GOOD_AS_NORMAL)

    def false_failures(alpha: float) -> float:
        reach = -special.stdtrit(freedoms, alpha / 2)
        beyond = np.where(sure, np.maximum(limits, reach), limits + reach)
        return float(np.sum(2 * special.stdtr(freedoms, -beyond)))

    most = 1 - FAIL_LEVEL
    if false_failures(most) <= most * (1 + 1e-9):
        return FAIL_LEVEL
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if false_failures(middle) <= most else (low, middle)
    return 1 - low
