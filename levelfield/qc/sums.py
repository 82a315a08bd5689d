"""Sums of floats that are the same on every version of Python."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add


def ordered_sum(values: Iterable[float]) -> float:
    """Add floats one after the other; from Python 3.12 on the built-in `sum` corrects its rounding.

    The same tables on every version matter more here than the last digit.
    """
    return float(reduce(add, values, 0.0))
