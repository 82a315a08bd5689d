"""What to do next: the cheapest step that would decide a row, with what it costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from levelfield.qc.statistics.decision import FEWEST_TO_PASS, wells_to_decide
from levelfield.qc.statistics.estimates import Verdict
from levelfield.qc.verdict.cases import Case
from levelfield.qc.verdict.rows import NextStep, Reason
from levelfield.questions import MEASURES, Scope, n_classes

SECONDS_PER_CROP = 6
"""A person's time to look at one crop of a review and answer."""
FIELDS_TO_ANNOTATE = 4
"""Per class, where reference outlines would tell what a review cannot."""
MINUTES_PER_FIELD = 15
"""To outline the nuclei of one field."""


class OfClasses(Protocol):
    """A row that is about a class, or the difference of two."""

    @property
    def object_set(self) -> str:
        """What was segmented."""

    @property
    def scope(self) -> Scope:
        """Of negative or positive wells, or their difference."""

    @property
    def perturbation(self) -> str:
        """Which control."""


def classes_shown(rows: Iterable[OfClasses]) -> Mapping[str, int]:
    """Return by object set how many classes its review shows in turn."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        if row.scope != "difference":
            found.setdefault(row.object_set, set()).add((row.scope, row.perturbation))
    return {name: len(classes) for name, classes in found.items()}


@dataclass(frozen=True)
class UsualReview:
    """Crops per class where no better number is known, and how many classes are shown in turn."""

    per_class: int
    n_classes: int


def next_step(case: Case, verdict: Verdict, reason: Reason, usual: UsualReview) -> NextStep:
    """Return the cheapest step that would decide an undecided row, or confirm another."""
    if verdict != "undecided":
        return (not case.by_review and _review(case, usual)) or NextStep()
    if reason == "excluded_sites":
        return NextStep("images")
    if reason == "no_wells":
        return NextStep("layout" if case.reading.undeclared else "images")
    if reason == "nothing_measured" and case.reading.n_objects > 0:
        return _review(case, usual) or NextStep("look")
    if reason in ("nothing_measured", "reviewers_disagree"):
        return NextStep("look")
    if reason == "one_well":
        return NextStep("wells", _wells(case) or FEWEST_TO_PASS)
    if case.shares.get("saturation", 0.0) > 0.5:
        return NextStep("expose")
    return _review_or_wells(case, reason, usual)


def review_step(needed: Iterable[int | None], n_classes: int) -> NextStep:
    """Return the review that should decide all rows that a review can decide, with minutes.

    The report and the review page both say what this says.

    Parameters
    ----------
    needed : iterable of int or None
        Crops per class of each row; None where no number decides it.
    n_classes : int
        That the page shows in turn, whichever of them the rows are about.
    """
    known = [number for number in needed if number is not None]
    if not known:
        return NextStep()
    seconds = max(known) * n_classes * SECONDS_PER_CROP
    return NextStep("review", max(known), ceil(seconds / 60))


def _review(case: Case, usual: UsualReview) -> NextStep | None:
    """Return the review that would decide a row; None where no review would."""
    measure = case.reading.measure
    if measure == "bias" or not MEASURES[measure].in_review:
        return None
    number = case.reviews_needed if case.asked else usual.per_class
    done = case.review.n_reviewed / n_classes(case.reading.scope)
    if number is None or (case.by_review and number <= done):
        return None
    return review_step([number], usual.n_classes)


def _review_or_wells(case: Case, reason: Reason, usual: UsualReview) -> NextStep:
    """Minutes at the screen cost less than wells, and wells less than outlines drawn by hand."""
    number = _wells(case)
    review = _review(case, usual)
    # A review cannot take away the scatter between wells: unless it is known to decide, more wells
    # come first where they would.
    certain = case.asked and review is not None
    if reason == "sampling" and number is not None and not certain:
        return NextStep("wells", number)
    if review is not None:
        return review
    if number is not None:
        return NextStep("wells", number)
    fields = FIELDS_TO_ANNOTATE * n_classes(case.reading.scope)
    return NextStep("annotate", fields, fields * MINUTES_PER_FIELD)


def _wells(case: Case) -> int | None:
    """Wells per class that would decide it; None where no number does."""
    if not case.calibrated:
        return None
    fewest = case.reading.fewest_wells
    wells = [fewest]
    if case.reading.scope == "difference":
        wells.append(max(case.reading.n_wells - fewest, fewest))
    needed = [wells_to_decide(own.estimate, case.bound, wells) for own in case.held]
    known = [number for number in needed if number is not None]
    return max(known) if len(known) == len(needed) else None
