"""What turns readings into verdicts: margins and calibration constants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from levelfield.qc.measures import AGREEMENT, FOUND, MEASURES, SPLIT_MERGE, THRESHOLD
from levelfield.qc.statistics.errors import Constants, ErrorModel

CLASS, DIFFERENCE = "class", "difference"
_DEFAULTS = {
    SPLIT_MERGE: MappingProxyType({CLASS: 15.0, DIFFERENCE: 10.0}),
    THRESHOLD: MappingProxyType({CLASS: 1.0, DIFFERENCE: 0.5}),
    AGREEMENT: MappingProxyType({CLASS: 90.0, DIFFERENCE: 10.0}),
    FOUND: MappingProxyType({CLASS: 95.0, DIFFERENCE: 5.0}),
}
_UNITS = {SPLIT_MERGE: "pp", THRESHOLD: "px", AGREEMENT: "%", FOUND: "%"}
_MOST = {THRESHOLD: 50.0}
CROPS_TO_REVIEW = 50
"""Crops per class that people are asked to review where no better number is known."""


@dataclass(frozen=True)
class Margins:
    """Largest harmless sizes of each question, as ``qc.margins`` of the configuration.

    Attributes
    ----------
    split_merge, threshold : mapping of str to float
        ``class`` and ``difference``: of balance, split rate and merge rate, percentage points; of
        the threshold bias, px.
    agreement, found : mapping of str to float
        ``class``: least share of right objects; of objects that are found, and of labels that are
        objects, percent; ``difference``: percentage points.
    """

    split_merge: Mapping[str, float] = field(default_factory=lambda: _DEFAULTS[SPLIT_MERGE])
    threshold: Mapping[str, float] = field(default_factory=lambda: _DEFAULTS[THRESHOLD])
    agreement: Mapping[str, float] = field(default_factory=lambda: _DEFAULTS[AGREEMENT])
    found: Mapping[str, float] = field(default_factory=lambda: _DEFAULTS[FOUND])

    def __post_init__(self) -> None:
        for question in _DEFAULTS:
            _check(question, getattr(self, question))

    def of(self, measure: str, scope: str) -> float:
        """Return the margin of a row, as a fraction of objects or in px.

        For the agreement of a class it is the least share that is harmless, for all others the
        largest harmless size.
        """
        question = MEASURES[measure].question
        value = getattr(self, question)[DIFFERENCE if scope == DIFFERENCE else CLASS]
        if question == FOUND and scope != DIFFERENCE:
            value = 100 - value
        # Of percent, 12 digits: 100 - 95 must be 0.05 exactly.
        return round(value / MEASURES[measure].scale, 12)


def _check(question: str, values: object) -> None:
    default = _DEFAULTS[question]
    name, unit = f"qc.margins.{question}", _UNITS[question]
    example = ", ".join(f"{key}: {value:g}" for key, value in default.items())
    if not isinstance(values, Mapping):
        raise ValueError(
            f"{name} is {values!r}: it has two values, one for each class and one for the "
            f"difference between classes. Write {name}: {{{example}}} ({unit})."
        )
    unknown = sorted(set(values) ^ set(default))
    if unknown:
        problem = "is missing" if unknown[0] in default else "is not known"
        raise ValueError(
            f"{name}.{unknown[0]} {problem}; there are class and difference. "
            f"Write {name}: {{{example}}} ({unit})."
        )
    most = _MOST.get(question, 100.0)
    for key, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < most:
            raise ValueError(
                f"{name}.{key} is {value!r}; it must be a number above 0 and below {most:g} "
                f"({unit}). Default: {default[key]:g}."
            )


# For objects and segmenters that nothing is known of: about three times the errors that are known
# for nuclei, of a class, of a difference, and between wells.
_UNKNOWN = {
    "agreement": (0.20, 0.15, 0.05),
    "missed": (0.12, 0.10, 0.04),
    "invented": (0.10, 0.08, 0.03),
    "bias": (0.60, 0.30, 0.15),
    "balance": (0.15, 0.14, 0.04),
    "splits": (0.12, 0.10, 0.03),
    "merges": (0.12, 0.10, 0.03),
}
UNCALIBRATED: Mapping[str, Constants] = MappingProxyType(
    {
        name: Constants(
            calibrated=False,
            error_class=ErrorModel(of_class),
            error_difference=ErrorModel(of_difference),
            between_wells=between_wells,
        )
        for name, (of_class, of_difference, between_wells) in _UNKNOWN.items()
    }
)


@dataclass(frozen=True)
class Rules:
    """What turns readings into verdicts.

    Attributes
    ----------
    margins : Margins
        Largest harmless sizes.
    constants, calibrations : mapping
        Constants by measure, for objects and segmenters that nothing more specific is known of;
        those by measure, kind of object and kind of segmenter come before them.
    kinds : mapping of str to (str, str)
        Kind of object and kind of segmenter of each object set, as in `calibrations`.
    withheld : str
        When not empty, the reason why the plate gets no verdict (too many excluded sites): every
        row is undecided.
    review_per_class : int
        Crops per class that a review is asked for where no better number is known.
    """

    margins: Margins = field(default_factory=Margins)
    constants: Mapping[str, Constants] = field(default_factory=lambda: dict(UNCALIBRATED))
    calibrations: Mapping[tuple[str, str, str], Constants] = field(default_factory=dict)
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    withheld: str = ""
    review_per_class: int = CROPS_TO_REVIEW

    def constants_of(self, measure: str, object_set: str) -> Constants:
        """Return the constants of the object set's kind if they were calibrated, else the rest."""
        kinds = self.kinds.get(object_set, ("", ""))
        return self.calibrations.get((measure, *kinds), self.constants[measure])
