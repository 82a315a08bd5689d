"""What of a review does not count, and what it still lacks, in sentences."""

from collections.abc import Sequence

from levelfield.qc.review.answers import Answers, count_answers
from levelfield.qc.review.classes import ClassReview
from levelfield.qc.review.sampling import review_classes
from levelfield.qc.statistics.comparison import Comparison


def notes_of(
    measure: str, sides: Sequence[ClassReview], answers: Answers, pairs: Sequence[Comparison]
) -> str:
    """Return the notes of one row, of which `sides` are the classes."""
    controls = {well for wells in review_classes(pairs).values() for well in wells}
    n_stray = int((~answers.objects["Metadata_Well"].isin(controls)).sum())
    notes = [
        *answers.notes,
        _given(
            sum(side.n_not_drawn for side in sides),
            "of these wells that were not drawn, and do not count: only those in "
            "qc/review_list.csv do, which new evidence or another qc.review_per_class may draw "
            "again.",
        ),
        _given(n_stray, "outside of the control wells, and do not count."),
        *(_open(measure, side) for side in sides),
    ]
    return " ".join(dict.fromkeys(note for note in notes if note))


def _given(number: int, what: str) -> str:
    return f"{count_answers(number)} given for objects {what}" if number else ""


def _open(measure: str, side: ClassReview) -> str:
    """Say what keeps a review that has everything else from being complete."""
    objects, fields = side.of_objects, side.of_fields
    if measure == "agreement" and objects.state != "partial" and fields.state != objects.state:
        return (
            f"Agreement counts missed objects, too: {fields.n_answered} of {fields.n_drawn} whole "
            f"fields and {objects.n_answered} of {objects.n_drawn} objects of a class have answers."
        )
    is_answered = objects.state == "partial" and objects.n_answered == objects.n_drawn
    if measure != "missed" and is_answered:
        return (
            "Nobody could tell any of the objects of one stratum, so that the review says nothing "
            "of it."
        )
    return ""
