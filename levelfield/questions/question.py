"""What a question of the quality control is made of: measures, margins and words.

A file beside this one describes a question with all its measures. Nothing here imports pandas:
Snakemake reads the config's margins in an environment that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    Terms = Callable[[pd.DataFrame], tuple[pd.Series, pd.Series]]
    """From a table of fields to numerator and denominator of each."""
    Calibration = Callable[[pd.DataFrame], tuple[pd.Series, ...]]
    """From images with known truth to numerators and denominators of reading and truth."""

Kind = Literal["signed", "rate", "share"]
Scope = Literal["negcon", "poscon", "difference"]
SCOPES: tuple[Scope, ...] = ("negcon", "poscon", "difference")
Aim = Literal["smaller", "larger", "divide_less", "divide_more", "find_more", "find_fewer"]
"""What should happen to objects."""
CLASS, DIFFERENCE = "class", "difference"


def per_label(column: str) -> Terms:
    """Return the terms of a sum of evidence over all labels of a field."""
    return lambda sums: (sums[column], sums["n_objects"])


def per_prediction(column: str) -> Terms:
    """Return the truth of a count over all predicted objects of an image."""
    return lambda images: (images[column], images["n_prediction"].astype(float))


def per_label_with_truth(column: str, true: str) -> Calibration:
    """Return reading and truth of a rate over all labels of an image with known truth."""

    def terms(fields: pd.DataFrame) -> tuple[pd.Series, ...]:
        n = fields["n"].astype(float)
        return fields[column].fillna(0.0), n, fields[true], n

    return terms


def n_classes(scope: str) -> int:
    """Return how many control classes a row is of."""
    return 2 if scope == DIFFERENCE else 1


@dataclass(frozen=True)
class UnknownErrors:
    """Errors of a measure for objects and segmenters that nothing is known of.

    In fractions of objects, or px: of a class, of a difference, and between wells. Take about three
    times the errors that are known for nuclei, so that nothing passes by a guess.
    """

    of_class: float
    of_difference: float
    between_wells: float


@dataclass(frozen=True)
class Words:
    """How a value is said: above zero and below; ``{n}`` is its size, ``{set}`` the object set."""

    above: str
    below: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number by which a question is judged.

    Attributes
    ----------
    name, title : str
        In the tables, and in words.
    unit : str
        The unit for a class: ``%``, ``pp`` or ``px``.
    scale : float
        Units per fraction of objects, or per px.
    column : str
        In ``qc/sites.csv`` and ``qc/wells.csv``.
    terms : callable
        Numerator and denominator of every field, from its sums of evidence
        (`levelfield.qc.statistics.field_sums`); both 0 where a field says nothing.
    unknown : UnknownErrors
        Where nothing is calibrated.
    of_class, of_difference : Words
        What was found.
    signed : bool
        Whether a class can err both ways. Rates cannot: only too much is wrong.
    is_share_of_right : bool
        Whether large values of a class are good; such a class passes above its margin.
    evidence : str
        Column of scored objects that the measure is a mean of; empty where it is of fields.
    counts_missed : bool
        Whether missed objects count in it: then its units are fields, since no label stands for
        such an object, and a review searches whole fields.
    aims : (Aim, Aim) or None
        What a value above zero and one below it asks for; None: nothing that a parameter does.
    reviewed : callable or None
        Value of every row of a review (``answer, f, m``); None where answers about objects say
        nothing of it.
    truth : callable or None
        Numerator and denominator of every image, from its scores against reference labels
        (``evaluation/images.csv``).
    calibration : callable or None
        Numerators and denominators of the reading and of the truth, from images with known truth
        (`levelfield.qc.train.plates`); None for a measure that is not calibrated.
    """

    name: str
    title: str
    unit: str
    scale: float
    column: str
    terms: Terms
    unknown: UnknownErrors
    of_class: Words
    of_difference: Words
    signed: bool = False
    is_share_of_right: bool = False
    evidence: str = ""
    counts_missed: bool = False
    aims: tuple[Aim, Aim] | None = None
    reviewed: Callable[[pd.DataFrame], pd.Series] | None = None
    truth: Terms | None = None
    calibration: Calibration | None = None
    question: str = field(default="", init=False)
    """Key of the question that it belongs to."""

    @property
    def in_review(self) -> bool:
        """Whether a review says something of it."""
        return self.reviewed is not None or self.counts_missed

    def kind(self, scope: str) -> Kind:
        """Return how a row can err: ``signed`` both ways, ``rate`` up only, ``share`` down only."""
        if scope == DIFFERENCE or self.signed:
            return "signed"
        return "share" if self.is_share_of_right else "rate"

    def possible(self, scope: str) -> tuple[float, float]:
        """Return the lowest and highest value of a row: shares of a class lie between 0 and 1."""
        if self.unit == "px":
            return float("-inf"), float("inf")
        return (-1.0, 1.0) if self.kind(scope) == "signed" else (0.0, 1.0)

    def unit_of(self, scope: str) -> str:
        """Return the unit of a row: a difference of percentages is in percentage points."""
        return "pp" if scope == DIFFERENCE and self.unit == "%" else self.unit


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The largest harmless sizes of a question, and what the config says of them.

    Attributes
    ----------
    of_class, of_difference : float
        Defaults, in `unit`.
    unit, of_what : str
        Of a class; and what is limited, for the config's documentation.
    is_share_of_right : bool
        Whether the value for a class is the least share of objects, in percent, that must be right.
    maximum : float or None
        In the config's schema.
    below : float
        What values must be below.
    """

    of_class: float
    of_difference: float
    unit: str
    of_what: str
    is_share_of_right: bool = False
    maximum: float | None = 100
    below: float = 100.0

    @property
    def defaults(self) -> dict[str, float]:
        """The defaults by the keys of the config."""
        return {CLASS: self.of_class, DIFFERENCE: self.of_difference}

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the question's key under ``qc.margins``."""
        points = "px" if self.unit == "px" else "percentage points"
        unit = "percent" if self.unit == "%" else points
        least = "At least so many of" if self.is_share_of_right else "Of"
        limits: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
        limits |= {} if self.maximum is None else {"maximum": self.maximum}
        example = ", ".join(f"{key}: {value:g}" for key, value in self.defaults.items())
        descriptions = {
            CLASS: f"{least} one control class, in {unit}.",
            DIFFERENCE: f"Between two control classes, in {points}.",
        }
        return {
            "type": "object",
            "additionalProperties": False,
            "default": {},
            "description": f"{self.of_what} Write it as {{{example}}}.",
            "properties": {
                key: {**limits, "default": value, "description": descriptions[key]}
                for key, value in self.defaults.items()
            },
        }

    def check(self, name: str, values: object) -> None:
        """Check what the config says of it under a name such as ``qc.margins.found``.

        Raises
        ------
        ValueError
            Naming the key, the value and what is allowed.
        """
        example = ", ".join(f"{key}: {value:g}" for key, value in self.defaults.items())
        if not isinstance(values, Mapping):
            raise ValueError(
                f"{name} is {values!r}: it has two values, one for each class and one for the "
                f"difference between classes. Write {name}: {{{example}}} ({self.unit})."
            )
        unknown = sorted(set(values) ^ set(self.defaults))
        if unknown:
            problem = "is missing" if unknown[0] in self.defaults else "is not known"
            raise ValueError(
                f"{name}.{unknown[0]} {problem}; there are class and difference. "
                f"Write {name}: {{{example}}} ({self.unit})."
            )
        for key, value in values.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < self.below:
                raise ValueError(
                    f"{name}.{key} is {value!r}; it must be a number above 0 and below "
                    f"{self.below:g} ({self.unit}). Default: {self.defaults[key]:g}."
                )


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of the verdict, as it is put to people, and how it is answered.

    Attributes
    ----------
    key, title, text, reading : str
        Name in the tables, in a heading, as a question, and how its numbers are read.
    place : int
        Among the questions, in the order in which people ask them.
    margin : Margin
        What is harmless.
    measures : tuple of Measure
        By which it is answered, in the order in which they are shown.
    """

    key: str
    title: str
    text: str
    reading: str
    place: int
    margin: Margin
    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        for measure in self.measures:
            object.__setattr__(measure, "question", self.key)
