"""Rank correlation."""

import numpy as np
from scipy import special

from levelfield.arrays import Floats


def rank_correlation(x: Floats, y: Floats) -> tuple[float, float]:
    """Return Spearman's correlation and its p value by Student's t; NaN where `y` does not vary.

    As `scipy.stats.spearmanr`, to the last digit.
    """
    if np.ptp(y) == 0:
        return float("nan"), float("nan")
    # By hand, as `scipy.stats` takes a second to import, and every plate would wait for it.
    found = float(np.corrcoef(_ranks(x), _ranks(y))[1, 0])
    freedom = len(x) - 2
    with np.errstate(divide="ignore"):
        t = found * np.sqrt((freedom / np.float64((found + 1) * (1 - found))).clip(0))
    return found, float(2 * special.stdtr(freedom, -abs(t)))


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]
