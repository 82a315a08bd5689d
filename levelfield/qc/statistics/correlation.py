"""Rank correlation."""

import numpy as np

from levelfield.arrays import Floats


def rank_correlation(x: Floats, y: Floats) -> tuple[float, float]:
    """Return Spearman's correlation and its p value; NaN where `y` does not vary."""
    if np.ptp(y) == 0:
        return float("nan"), float("nan")
    from scipy import stats  # half a second that only the judging of a plate needs to wait

    test = stats.spearmanr(x, y)
    return float(test.statistic), float(test.pvalue)
