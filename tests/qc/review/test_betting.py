"""Intervals by betting: what they cover, at every moment, and how wide they are."""

import numpy as np
import pytest

from levelfield.qc.review.betting import GOAL, best_wealth, betting_interval


def drawn(random, k=60, sigma=0.06):
    x = random.normal(0.1, sigma, k)
    return x, np.full(k, sigma**2), np.full(k, 0.1)


def test_no_gambler_gets_rich_at_the_true_value_however_often_one_looks():
    random = np.random.default_rng(0)
    rich = [
        best_wealth(*drawn(random), 0.1, sign, 50) >= GOAL for _ in range(400) for sign in (1, -1)
    ]
    assert np.mean(rich) < 0.07


def test_an_interval_narrows_and_never_widens_as_crops_are_added():
    x, variances, units = drawn(np.random.default_rng(1))
    ends = [betting_interval(x[:k], variances[:k], units[:k], 50) for k in range(1, 51)]
    low, high = np.array(ends).T
    assert (np.diff(low) >= -1e-12).all() and (np.diff(high) <= 1e-12).all()
    assert high[-1] - low[-1] < 0.4 * (high[9] - low[9])


def test_at_the_planned_number_it_is_hardly_wider_than_one_that_may_be_looked_at_once():
    random = np.random.default_rng(2)
    widths = [np.diff(betting_interval(*drawn(random, 50), 50))[0] / 2 for _ in range(30)]
    assert np.median(widths) < 1.35 * 1.645 * 0.06 / np.sqrt(50)


def test_answers_that_all_agree_leave_what_the_rule_of_three_leaves():
    units = np.full(50, 1 / 7)
    low, high = betting_interval(np.zeros(50), np.full(50, 1e-6), units, 50)
    assert high == pytest.approx(-low) and 3 / 350 < high < 2.5 * 3 / 350


def test_nothing_is_known_without_crops():
    assert betting_interval(np.empty(0), np.empty(0), np.empty(0), 50) == (-np.inf, np.inf)
