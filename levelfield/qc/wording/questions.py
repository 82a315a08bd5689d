"""How the questions, measures and classes of the verdict are called."""

from dataclasses import dataclass

from levelfield.qc.measures import AGREEMENT, FOUND, SPLIT_MERGE, THRESHOLD


@dataclass(frozen=True)
class Question:
    """How a question is put to people.

    Attributes
    ----------
    key, title, text, reading : str
        Name in the tables, in a heading, as a question, and how its numbers are read.
    """

    key: str
    title: str
    text: str
    reading: str


QUESTIONS: dict[str, Question] = {
    question.key: question
    for question in (
        Question(
            AGREEMENT,
            "Agreement",
            "Are most objects right?",
            "Share of objects that are neither split, merged, missed, invented nor badly outlined.",
        ),
        Question(
            FOUND,
            "Found",
            "Is every object found, and nothing invented?",
            "Missed: objects without an outline, per true object. Invented: outlines without an "
            "object, per outline. More objects in one class are no error; an object that only the "
            "segmentation or only the second opinion sees is.",
        ),
        Question(
            THRESHOLD,
            "Threshold",
            "Are about as many images a bit too low as a bit too high?",
            "Distance from the visible edge to the outline: above zero the outlines are too large "
            "(threshold too low), below zero too small (too high).",
        ),
        Question(
            SPLIT_MERGE,
            "Splits and merges",
            "Are there about as many splits as merges – and few of both?",
            "Splits: superfluous pieces per outline. Merges: outlines around several objects. "
            "Balance: superfluous minus lacking objects; above zero more is split, below zero more "
            "is merged.",
        ),
    )
}
"""By key, in the order in which they are asked."""

BOTH_CLASSES = "Do these hold for the negative AND the positive controls?"
"""The fourth question: of each of the others."""

MEASURE_TITLES = {
    "agreement": "agreement",
    "missed": "missed objects",
    "invented": "invented objects",
    "bias": "threshold bias",
    "balance": "balance",
    "splits": "split rate",
    "merges": "merge rate",
}
CLASS_TITLES = {"negcon": "negative control", "poscon": "positive control"}


def name_of_row(measure: str, scope: str, perturbation: str) -> str:
    """Name a row: "merge rate in the positive control Drug A"; "balance, Drug A against ..."."""
    title = MEASURE_TITLES[measure]
    if scope == "difference":
        return f"{title}, {perturbation or 'positive control'} against its negative wells"
    return f"{title} in the {CLASS_TITLES[scope]} {perturbation}".rstrip()


def answer_words(verdict: str, unreviewed: bool) -> str:
    """Say a verdict as it is shown everywhere: "pass, unreviewed"."""
    return f"{verdict}, unreviewed" if unreviewed else verdict
