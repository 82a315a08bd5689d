"""Variances with what they are known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from levelfield.arrays import ordered_sum
from levelfield.qc.statistics.estimates import satterthwaite

LIKELY = 0.4
"""Share of cases in which the scatter between wells is taken for less than it is, when degrees of
freedom are counted."""


@dataclass(frozen=True)
class Spread:
    """A variance and what it is known by.

    Attributes
    ----------
    variance, degrees_of_freedom : float
        NaN where the variance is not known; infinite where it counts as known.
    """

    variance: float
    degrees_of_freedom: float


UNKNOWN = Spread(float("nan"), float("nan"))
NOTHING_LEFT = Spread(0.0, float("inf"))


def together(parts: Sequence[Spread]) -> Spread:
    """Add independent variances, with Satterthwaite's degrees of freedom."""
    total = ordered_sum(each.variance for each in parts)
    if not np.isfinite(total):
        return UNKNOWN
    freedoms = [part.degrees_of_freedom for part in parts]
    return Spread(total, satterthwaite([part.variance for part in parts], freedoms))


def likely(spread: Spread, share: float = LIKELY) -> Spread:
    """Return a variance that is too small in no more than a share of the cases.

    A variance from few wells is mostly too small. Where it happens to be, Satterthwaite's degrees
    of freedom would rest on the review, and make the interval narrow just when it must not be.
    """
    freedom = spread.degrees_of_freedom
    if not np.isfinite(freedom):
        return spread
    # The quantile of the chi-squared distribution.
    expected = freedom / float(2 * special.gammaincinv(freedom / 2, share))
    return replace(spread, variance=spread.variance * expected)
