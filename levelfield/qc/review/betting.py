"""Intervals that stay valid however often one looks: by betting against every value.

A gambler bets, crop by crop, that the mean is larger (or smaller) than some value. If it is not,
the bets are fair, and the chance that the wealth ever reaches 20 times the stake is at most one in
twenty (Ville 1939). So values against which either gambler has at any time reached 20 times the
stake are out, and those that remain are a 90 % interval, at every moment, whenever one stops
(Waudby-Smith & Ramdas 2024; for draws without replacement with unequal chances Shekhar, Xu, Lipton,
Liang & Ramdas 2023). How much is staked aims at reaching the goal with the crops that are planned
(Voráček & Orabona 2024): the interval is narrowest then, and hardly wider than one that may be
looked at only once.

A bet is limited so that one object's error cannot ruin the gambler, and by the spread that was seen
so far, not by the largest error that is thinkable: ten objects of a crop that are each worth four
would forbid any bet of use. What that costs is measured in ``benchmarks/qc_review.py``.
"""

import math

import numba
import numpy as np

from levelfield.arrays import Floats

GOAL = math.log(27.0)
"""Logarithm of the wealth at which a value is out. 20 times the stake would be 5 % on either side;
the rest is for variances that are learned from few crops, and for errors that are skewed."""
LARGEST_BET = 0.8
"""Times the spread of one crop."""
LARGEST_LOSS = 0.9
"""Share of the wealth that an error of one object may cost."""
RUIN = 0.01
"""What is left of a stake at least."""
_HALVINGS, _FAR = 40, 1e6


@numba.njit(cache=True)
def best_wealth(
    x: Floats, variances: Floats, units: Floats, value: float, sign: float, planned: int
) -> float:
    """Return the logarithm of the largest wealth from bets that the mean is above a value.

    Parameters
    ----------
    x, variances, units : (k,) float64
        What each crop says of the mean, in the order in which they were drawn, the variance that
        the crops before let expect of it, and what the error of one object moves it by.
    value, sign : float
        The value that is bet against; 1 for bets that the mean is above it, −1 below.
    planned : int
        Crops that are planned; with more, twice as many, and so on.
    """
    wealth, best, goal = 0.0, 0.0, planned
    for t in range(len(x)):
        while goal <= t:
            goal *= 2
        missing = GOAL - wealth
        if missing <= 0:
            return wealth
        bet = math.sqrt(2 * missing / (goal - t))
        bet = min(min(bet, LARGEST_BET) / math.sqrt(variances[t]), LARGEST_LOSS / units[t])
        wealth += math.log(max(1 + sign * bet * (x[t] - value), RUIN))
        best = max(best, wealth)
    return best


def betting_interval(
    x: Floats, variances: Floats, units: Floats, planned: int
) -> tuple[float, float]:
    """Return the values that no gambler has refuted: lowest and highest, 90 %.

    Arguments are those of `best_wealth`; infinite ends without any crop.
    """
    if len(x) == 0:
        return -math.inf, math.inf
    weights = 1 / variances
    middle = float(np.sum(weights * x) / np.sum(weights))
    spread = float(np.sqrt(variances.max()))

    def end(sign: float) -> float:
        """Return the value furthest from the middle, below for sign 1, that is not refuted."""
        near, far = 0.0, spread
        while best_wealth(x, variances, units, middle - sign * far, sign, planned) < GOAL:
            near, far = far, 2 * far
            if far > _FAR * spread:
                return -sign * math.inf
        for _ in range(_HALVINGS):
            between = (near + far) / 2
            value = middle - sign * between
            if best_wealth(x, variances, units, value, sign, planned) < GOAL:
                near = between
            else:
                far = between
        return middle - sign * far

    return end(1.0), end(-1.0)
