"""What should happen to the objects of a row, and which parameter does it, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from levelfield.qc.measures import MEASURES, SPLIT_MERGE
from levelfield.qc.verdict.rows import Row
from levelfield.qc.wording.parameters import (
    Aim,
    Method,
    change_for,
    clash,
    from_parent,
    parameter_advice,
)
from levelfield.qc.wording.questions import name_of_row

WORTH_CHANGING = 0.5
"""Of the margin: an undecided row that is nearer to zero names no parameter."""

_AIMS: dict[str, tuple[Aim, Aim]] = {
    "bias": ("smaller", "larger"),
    "balance": ("divide_less", "divide_more"),
    "splits": ("divide_less", "divide_less"),
    "merges": ("divide_more", "divide_more"),
    "missed": ("find_more", "find_more"),
    "invented": ("find_fewer", "find_fewer"),
}
"""By measure: what a value above zero and one below it asks for. Agreement asks for nothing."""


def aim_of(row: Row) -> Aim | None:
    """Return what should happen to the objects of a row; None: nothing."""
    if row.at_floor:
        return None
    classes = row.positive_value, row.negative_value
    return aim(row.measure_name, row.scope, row.verdict, row.estimate.value, row.margin, classes)


def aim(
    measure: str,
    scope: str,
    verdict: str,
    value: float,
    margin: float,
    classes: tuple[float, float],
) -> Aim | None:
    """Return what should happen to objects, by the class that is farther off; None: nothing.

    Parameters
    ----------
    measure, scope, verdict : str
        Of a row.
    value, margin : float
        Of a row, both in one unit.
    classes : (float, float)
        Of a difference, the values of its classes.
    """
    if measure not in _AIMS or verdict == "pass" or not np.isfinite(value):
        return None
    if verdict != "fail" and abs(value) <= WORTH_CHANGING * margin:
        return None
    sides = [one for one in classes if np.isfinite(one)] if scope == "difference" else [value]
    side = max(sides, key=abs, default=0.0)
    if side == 0 or (side < 0 and not MEASURES[measure].signed):
        return None
    return _AIMS[measure][0 if side > 0 else 1]


def parameter_words(row: Row, method: Method, others: Sequence[Row]) -> str:
    """Name the parameter to change and which way, or the row that asks for the opposite change.

    Parameters are those of `levelfield.qc.wording.advice.row_advice`; empty where nothing should
    change.
    """
    wanted = aim_of(row)
    if wanted is None:
        return ""
    advice = parameter_advice(method, row.object_set, wanted)
    if from_parent(method, wanted):
        return f"If the outlines confirm it, {advice}."
    if opposed := _opposed(row, wanted, method, others):
        return opposed
    both = ", for all wells, and judge on wells of both classes" * (row.scope == "difference")
    return f"If the outlines confirm it, {advice}{both}."


def _opposed(row: Row, wanted: Aim, method: Method, others: Sequence[Row]) -> str:
    """Say which failing row of the same object set asks for the opposite; nothing if none does."""
    for other in others:
        asked = aim_of(other)
        if asked is None or other.verdict != "fail":
            continue
        if not clash(method, row.object_set, wanted, asked):
            continue
        name = name_of_row(other.measure_name, other.scope, other.perturbation)
        change = change_for(method, row.object_set, wanted)
        what = f" of {change.parameter} of {row.object_set}" if change else ""
        text = f"Another row that fails ({name}) asks for the opposite change{what}: "
        if row.question == other.question == SPLIT_MERGE:
            return text + "dividing more or less cannot mend both, another method may."
        return text + "no one value suits both, so settle that row first, or try another method."
    return ""
