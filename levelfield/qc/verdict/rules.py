"""What turns readings into verdicts: margins and calibration constants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from levelfield.qc.statistics.errors import Constants, ErrorModel
from levelfield.questions import CLASS, DIFFERENCE, MEASURES, QUESTIONS

CROPS_TO_REVIEW = 50
"""Crops per class that people are asked to review where no better number is known."""


@dataclass(frozen=True)
class Margins:
    """Largest harmless sizes of each question, as ``qc.margins`` of the configuration.

    Attributes
    ----------
    of_questions : mapping of str to mapping of str to float
        ``class`` and ``difference`` by question, in the unit of its margin (`Question`); those that
        are not given keep their defaults.

    Raises
    ------
    ValueError
        Naming the key, the value and what is allowed.
    """

    of_questions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.of_questions) - set(QUESTIONS)):
            raise ValueError(
                f"qc.margins.{unknown[0]}: there is no such question. Allowed: "
                f"{', '.join(QUESTIONS)}."
            )
        for key, values in self.of_questions.items():
            QUESTIONS[key].margin.check(f"qc.margins.{key}", values)

    def of(self, measure: str, scope: str) -> float:
        """Return the margin of a row, as a fraction of objects or in px.

        For the agreement of a class it is the least share that is harmless, for all others the
        largest harmless size.
        """
        made = MEASURES[measure]
        margin = QUESTIONS[made.question].margin
        given = self.of_questions.get(made.question, margin.defaults)
        value = given[DIFFERENCE if scope == DIFFERENCE else CLASS]
        if margin.is_share_of_right and not made.is_share_of_right and scope != DIFFERENCE:
            value = 100 - value
        # Of percent, 12 digits: 100 - 95 must be 0.05 exactly.
        return round(value / made.scale, 12)


UNCALIBRATED: Mapping[str, Constants] = MappingProxyType(
    {
        name: Constants(
            calibrated=False,
            error_class=ErrorModel(measure.unknown.of_class),
            error_difference=ErrorModel(measure.unknown.of_difference),
            between_wells=measure.unknown.between_wells,
        )
        for name, measure in MEASURES.items()
    }
)
"""For objects and segmenters that nothing is known of."""


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
