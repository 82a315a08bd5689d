"""What should happen to the objects of a row, and which parameter does it, in words."""

from collections.abc import Sequence

import numpy as np

from levelfield.qc.verdict.rows import Row
from levelfield.qc.verdict.tables import VerdictLine
from levelfield.qc.wording.parameters import (
    Aim,
    Method,
    change_for,
    clash,
    from_parent,
    parameter_advice,
)
from levelfield.qc.wording.questions import name_of_row
from levelfield.questions import SPLIT_MERGE

WORTH_CHANGING = 0.5
"""Share of the margin: an undecided row that is nearer to zero names no parameter."""


def aim(row: Row | VerdictLine, value: float) -> Aim | None:
    """Return what should happen to objects, by the class that is farther off; None: nothing.

    The value is that of the row's estimate, in the unit of its margin.
    """
    aims = row.measure.aims
    if row.at_floor or aims is None or row.verdict == "pass":
        return None
    if not np.isfinite(value):
        return None
    if row.verdict != "fail" and abs(value) <= WORTH_CHANGING * row.margin:
        return None
    classes = [side for side in (row.positive_value, row.negative_value) if np.isfinite(side)]
    side = max(classes if row.scope == "difference" else [value], key=abs, default=0.0)
    if side == 0 or (side < 0 and not row.measure.signed):
        return None
    return aims[0 if side > 0 else 1]


def parameter_words(row: Row, method: Method, others: Sequence[Row]) -> str:
    """Name the parameter to change and which way, or the row that asks for the opposite change.

    Empty where nothing should change.
    """
    wanted = aim(row, row.estimate.value)
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
        asked = aim(other, other.estimate.value)
        if asked is None or other.verdict != "fail" or not clash(method, wanted, asked):
            continue
        name = name_of_row(other.measure_name, other.scope, other.perturbation)
        change = change_for(method, wanted)
        what = f" of {change.parameter} of {row.object_set}" if change else ""
        text = f"Another row that fails ({name}) asks for the opposite change{what}: "
        if row.question == other.question == SPLIT_MERGE:
            return text + "dividing more or less cannot mend both, another method may."
        return text + "no one value suits both, so settle that row first, or try another method."
    return ""
