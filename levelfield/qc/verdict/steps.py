"""What to do next: the cheapest step that would decide a row, with what it costs."""

from math import ceil

from levelfield.qc.statistics.decision import FEWEST_TO_PASS, wells_to_decide
from levelfield.qc.statistics.estimates import Verdict
from levelfield.qc.verdict.cases import Case
from levelfield.qc.verdict.rows import NextStep, Reason
from levelfield.questions import MEASURES, n_classes

SECONDS_PER_CROP = 6
"""A person's time to look at one crop of a review and answer."""
FIELDS_TO_ANNOTATE = 4
"""Per class, where reference outlines would tell what a review cannot."""
MINUTES_PER_FIELD = 15
"""To outline the nuclei of one field."""


def next_step(case: Case, verdict: Verdict, reason: Reason, usual_review: int) -> NextStep:
    """Return the cheapest step that would decide an undecided row, or confirm another.

    `usual_review` is the number of crops per class where no better one is known.
    """
    if verdict != "undecided":
        return (not case.by_review and _review(case, usual_review)) or NextStep()
    if reason == "excluded_sites":
        return NextStep("images")
    if reason == "no_wells":
        return NextStep("layout" if case.reading.undeclared else "images")
    if reason == "nothing_measured" and case.reading.n_objects > 0:
        return _review(case, usual_review) or NextStep("look")
    if reason in ("nothing_measured", "reviewers_disagree"):
        return NextStep("look")
    if reason == "one_well":
        return NextStep("wells", _wells(case) or FEWEST_TO_PASS)
    if case.shares.get("saturation", 0.0) > 0.5:
        return NextStep("expose")
    return _review_or_wells(case, reason, usual_review)


def review_step(per_class: int, scope: str) -> NextStep:
    """Return a review of so many crops per class, with minutes."""
    seconds = per_class * n_classes(scope) * SECONDS_PER_CROP
    return NextStep("review", per_class, ceil(seconds / 60))


def _review(case: Case, usual_review: int) -> NextStep | None:
    """Return the review that would decide a row; None where no review would."""
    measure = case.reading.measure
    if measure == "bias" or not MEASURES[measure].in_review:
        return None
    number = case.reviews_needed if case.asked else usual_review
    done = case.review.n_reviewed / n_classes(case.reading.scope)
    if number is None or (case.by_review and number <= done):
        return None
    return review_step(number, case.reading.scope)


def _review_or_wells(case: Case, reason: Reason, usual_review: int) -> NextStep:
    """Minutes at the screen cost less than wells, and wells less than outlines drawn by hand."""
    number = _wells(case)
    review = _review(case, usual_review)
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
