"""The rank correlation is that of scipy, which takes long to import."""

import numpy as np
import pytest
from scipy import stats

from levelfield.qc.statistics.correlation import rank_correlation


@pytest.mark.parametrize("n", [4, 5, 32, 96, 384])
@pytest.mark.parametrize("levels", [2, 6, 10_000], ids=["a flag", "ties", "no ties"])
def test_rank_correlation_is_that_of_scipy_to_the_last_digit(n, levels):
    rng = np.random.default_rng(n + levels)
    for strength in (0.0, 0.5, 100.0):
        x = rng.permutation(np.arange(n) % levels).astype(float)
        y = rng.normal(size=n) + strength * x
        expected = stats.spearmanr(x, y)
        assert rank_correlation(x, y) == (expected.statistic, expected.pvalue)


def test_the_same_order_gives_1_and_no_spread_gives_nan():
    x = np.arange(8.0)
    assert rank_correlation(x, x**3) == tuple(stats.spearmanr(x, x**3))
    assert np.isnan(rank_correlation(x, np.ones(8))).all()
