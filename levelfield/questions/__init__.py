"""The questions that the quality control answers: a file for each, with its measures.

Everything that the config, the statistics, the verdict, the wording, the review and the calibration
need to know of a question is in its file; a package of its own adds one by an entry point of the
group `GROUP`, which leads to a `Question`.
"""

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any

from levelfield.questions.question import (
    CLASS,
    DIFFERENCE,
    SCOPES,
    Aim,
    Kind,
    Margin,
    Measure,
    Question,
    Scope,
    UnknownErrors,
    Words,
    n_classes,
)

GROUP = "levelfield.questions"
"""Group of the entry points with which other packages add questions."""
AGREEMENT, FOUND, THRESHOLD, SPLIT_MERGE = "agreement", "found", "threshold", "split_merge"


def _all_questions() -> dict[str, Question]:
    """Return the questions of the files beside this one, and of other packages."""
    names = [module.name for module in iter_modules(__path__) if module.name != "question"]
    found = [import_module(f"{__name__}.{name}").QUESTION for name in names]
    found += [entry.load() for entry in entry_points(group=GROUP)]
    by_key: dict[str, Question] = {}
    for question in sorted(found, key=lambda one: (one.place, one.key)):
        if question.key in by_key:
            raise ValueError(
                f"two questions are called {question.key!r}. Rename one, or uninstall the package "
                "that brings it."
            )
        by_key[question.key] = question
    return by_key


def _all_measures() -> dict[str, Measure]:
    by_name: dict[str, Measure] = {}
    for question in QUESTIONS.values():
        for measure in question.measures:
            if measure.name in by_name:
                raise ValueError(
                    f"the questions {by_name[measure.name].question!r} and {question.key!r} both "
                    f"have a measure {measure.name!r}. Rename one."
                )
            by_name[measure.name] = measure
    return by_name


QUESTIONS = _all_questions()
"""All questions by key, in the order in which people ask them."""
MEASURES = _all_measures()
"""All measures by name, in the order in which they are shown."""
REVIEWED = tuple(name for name, measure in MEASURES.items() if measure.in_review)
"""Names of the measures that a review says something of."""
CALIBRATED = tuple(name for name, measure in MEASURES.items() if measure.calibration is not None)
"""Names of the measures whose errors are learned from images with known truth."""


def measures_of(question: str) -> tuple[Measure, ...]:
    """Return the measures of a question."""
    return QUESTIONS[question].measures


def margins_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``qc.margins`` of the config."""
    return {
        "type": "object",
        "additionalProperties": False,
        "default": {},
        "description": "What still passes - for every question one value for each control class, "
        "and one for the difference of a positive control to its negative wells.",
        "properties": {key: question.margin.schema() for key, question in QUESTIONS.items()},
    }


__all__ = [
    "AGREEMENT",
    "CALIBRATED",
    "CLASS",
    "DIFFERENCE",
    "FOUND",
    "GROUP",
    "MEASURES",
    "QUESTIONS",
    "REVIEWED",
    "SCOPES",
    "SPLIT_MERGE",
    "THRESHOLD",
    "Aim",
    "Kind",
    "Margin",
    "Measure",
    "Question",
    "Scope",
    "UnknownErrors",
    "Words",
    "margins_schema",
    "measures_of",
    "n_classes",
]
