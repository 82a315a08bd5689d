"""What of a review does not count, and who answered, in sentences."""

from collections.abc import Sequence

from levelfield.qc.review.answers import Answers
from levelfield.qc.review.classes import ClassReview


def notes_of(sides: Sequence[ClassReview], answers: Answers) -> str:
    """Return the notes of one row, of which `sides` are the classes."""
    return " ".join([*answers.notes, *(note for note in (_open(sides), _people(sides)) if note)])


def _open(sides: Sequence[ClassReview]) -> str:
    number = sum(side.n_out_of_order for side in sides)
    if not number:
        return ""
    crops = "1 finished crop does" if number == 1 else f"{number} finished crops do"
    return (
        f"{crops} not count, as one before it in qc/review_list.csv is open: whoever chooses what "
        "to look at chooses the result."
    )


def _people(sides: Sequence[ClassReview]) -> str:
    if any(side.reviewers for side in sides):
        return "How far reviewers differ is in the interval."
    return ""
