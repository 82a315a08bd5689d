"""What the questions of the verdict are measured by: one or several measures a question.

Values are fractions of objects, or px; a `Measure` knows how they are shown.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["signed", "rate", "share"]
Scope = Literal["negcon", "poscon", "difference"]
SCOPES: tuple[Scope, ...] = ("negcon", "poscon", "difference")
AGREEMENT, FOUND, THRESHOLD, SPLIT_MERGE = "agreement", "found", "threshold", "split_merge"
QUESTIONS = (AGREEMENT, FOUND, THRESHOLD, SPLIT_MERGE)
"""In the order in which people ask them."""


@dataclass(frozen=True)
class Measure:
    """One number by which a question is judged.

    Attributes
    ----------
    name, question : str
        In the tables; one of `QUESTIONS`.
    unit : str
        The unit for a class: ``%``, ``pp`` or ``px``.
    scale : float
        Units per fraction of objects, or per px.
    signed : bool
        Whether a class can err both ways. Rates cannot: only too much is wrong.
    is_share_of_right : bool
        Whether large values of a class are good; such a class passes above its margin.
    """

    name: str
    question: str
    unit: str
    scale: float
    signed: bool = False
    is_share_of_right: bool = False

    def kind(self, scope: str) -> Kind:
        """Return how a row can err: ``signed`` both ways, ``rate`` up only, ``share`` down only."""
        if scope == "difference" or self.signed:
            return "signed"
        return "share" if self.is_share_of_right else "rate"

    def possible(self, scope: str) -> tuple[float, float]:
        """Return the lowest and highest value of a row: shares of a class lie between 0 and 1."""
        if self.unit == "px":
            return float("-inf"), float("inf")
        return (-1.0, 1.0) if self.kind(scope) == "signed" else (0.0, 1.0)

    def unit_of(self, scope: str) -> str:
        """Return the unit of a row: a difference of percentages is in percentage points."""
        return "pp" if scope == "difference" and self.unit == "%" else self.unit


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        # Right objects over predicted and missed ones. Right: neither split, merged, invented nor
        # badly outlined.
        Measure("agreement", AGREEMENT, "%", 100.0, is_share_of_right=True),
        # Objects without a label, over true objects.
        Measure("missed", FOUND, "pp", 100.0),
        # Labels without an object, over predicted objects.
        Measure("invented", FOUND, "pp", 100.0),
        # Distance from the visible edge to the outline; above 0 the outlines are too large.
        Measure("bias", THRESHOLD, "px", 1.0, signed=True),
        # Excess fragments minus lacking objects, over predicted objects.
        Measure("balance", SPLIT_MERGE, "pp", 100.0, signed=True),
        # Excess fragments over predicted objects.
        Measure("splits", SPLIT_MERGE, "pp", 100.0),
        # Objects that hold two or more, over predicted objects.
        Measure("merges", SPLIT_MERGE, "pp", 100.0),
    )
}
"""All measures by name, in the order in which they are shown."""


def n_classes(scope: str) -> int:
    """Return how many control classes a row is of."""
    return 2 if scope == "difference" else 1


def measures_of(question: str) -> tuple[Measure, ...]:
    """Return the measures of a question."""
    return tuple(measure for measure in MEASURES.values() if measure.question == question)
