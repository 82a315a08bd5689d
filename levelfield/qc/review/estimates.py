"""What a review says of every measure, for both control classes and their differences.

Two targets are kept apart: *these wells* as they were imaged, and *this control*, of which they are
a sample (`levelfield.qc.review.stratified`). A difference is also made at equal local density.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.measures import MEASURES, Scope
from levelfield.qc.review.answers import Answers
from levelfield.qc.review.classes import (
    COMPLETE,
    PARTIAL,
    REVIEWED_MEASURES,
    UNREVIEWED,
    ClassReview,
    class_review,
)
from levelfield.qc.review.foreseen import reviews_needed
from levelfield.qc.review.notes import notes_of
from levelfield.qc.review.sampling import ReviewPlan, review_classes
from levelfield.qc.review.stratified import Reviewed, Spread
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.decision import Bound, bound_of
from levelfield.qc.statistics.density import density_matched_weights
from levelfield.qc.statistics.estimates import NOTHING, Estimate, difference
from levelfield.qc.verdict.rows import ReviewedRow, ReviewState
from levelfield.qc.verdict.rules import Rules

SHARE = "share"
"""Unit of the reviewed bias: share of objects too large less share too small."""


def review_estimates(
    plate: str,
    objects: pd.DataFrame,
    candidates: pd.DataFrame,
    pairs: Sequence[Comparison],
    answers: Answers,
    rules: Rules,
    plan: ReviewPlan | None = None,
) -> list[ReviewedRow]:
    """Estimate every measure from the review, for every class and comparison.

    Only objects and fields that were drawn count: those that somebody picked by eye stand for
    nothing but themselves. How many others were answered is said in the notes.

    Parameters
    ----------
    plate : str
        Name of the plate.
    objects, candidates : pandas.DataFrame
        Scored objects and possible missed objects of the fields that are judged.
    pairs : sequence of Comparison
        The plate's controls.
    answers : Answers
        From `levelfield.qc.review.answers.read_answers`.
    rules : Rules
        Margins and constants, for the number of reviews that would decide a row.
    plan : ReviewPlan, optional
        As for `levelfield.qc.review.sampling.choose_for_review`.

    Returns
    -------
    list of ReviewedRow
        By object set and measure: each set of negative wells, and every positive control with its
        difference.
    """
    plan = plan or ReviewPlan()
    rows = []
    for object_set in sorted({*objects[OBJECT_SET], *candidates[OBJECT_SET]}):
        own_objects = objects[objects[OBJECT_SET] == object_set]
        own_candidates = candidates[candidates[OBJECT_SET] == object_set]
        classes = {
            key: class_review(
                own_objects[own_objects["Metadata_Well"].isin(wells)],
                own_candidates[own_candidates["Metadata_Well"].isin(wells)],
                answers,
                plan,
            )
            for key, wells in review_classes(pairs).items()
        }
        maker = _Rows(plate, object_set, classes, pairs, answers, rules)
        rows += [row for measure in REVIEWED_MEASURES for row in maker.rows(measure)]
    return rows


@dataclass(frozen=True)
class _Rows:
    """The rows of one object set."""

    plate: str
    object_set: str
    classes: Mapping[tuple[Scope, str], ClassReview]
    pairs: Sequence[Comparison]
    answers: Answers
    rules: Rules

    def rows(self, measure: str) -> list[ReviewedRow]:
        found, seen = [], set()
        for pair in self.pairs:
            if pair.negative_name not in seen:
                seen.add(pair.negative_name)
                found.append(self._row(measure, "negcon", pair.negative_name, pair))
            found.append(self._row(measure, "poscon", pair.perturbation, pair))
            found.append(self._row(measure, "difference", pair.perturbation, pair))
        return found

    def _row(self, measure: str, scope: Scope, name: str, pair: Comparison) -> ReviewedRow:
        keys: list[tuple[Scope, str]] = [
            ("poscon", pair.perturbation),
            ("negcon", pair.negative_name),
        ]
        if scope != "difference":
            keys = [(scope, name)]
        sides = [self.classes[key] for key in keys if key in self.classes]
        whole = len(sides) == len(keys)
        state = _state([side.state(measure) for side in sides]) if whole else UNREVIEWED
        borrowed = [self._borrowed(measure, key) for key in keys]
        progress = [side.progress(measure)[0] for side in sides]
        estimate = these = NOTHING
        matched = None
        if state == COMPLETE:
            found = [side.reviewed(measure) for side in sides]
            estimate, these = _estimates(found, borrowed)
            if scope == "difference":
                matched = _matched(measure, sides, found)
        is_bias = measure == "bias"
        row = ReviewedRow(
            self.object_set,
            measure,
            scope,
            name,
            state,
            sum(each.drawn for each in progress),
            sum(each.usable for each in progress),
            sum(each.answered - each.usable for each in progress),
            estimate,
            these,
            matched,
            unit=SHARE if is_bias else MEASURES[measure].unit_of(scope),
            reviews_of="fields" if measure == "missed" else "objects",
            notes=notes_of(measure, sides, self.answers, self.pairs),
            plate=self.plate,
        )
        if not whole or is_bias:
            return row
        value, bound = self._judged(row, sides)
        needed = reviews_needed(sides, measure, value, bound, borrowed)
        return replace(row, reviews_needed=needed)

    def _judged(self, row: ReviewedRow, sides: Sequence[ClassReview]) -> tuple[float, Bound]:
        """Return the value as it stands, reviewed or corrected, and the row's bound."""
        is_difference = row.scope == "difference"
        values = [side.read(row.measure).value for side in sides]
        read = values[0] - values[1] if is_difference else values[0]
        constants = self.rules.constants_of(row.measure, self.object_set)
        value = constants.value(read, is_difference=is_difference)
        if np.isfinite(row.estimate.value):
            value = row.estimate.value
        margin = self.rules.margins.of(row.measure, row.scope)
        return value, bound_of(MEASURES[row.measure], row.scope, margin)

    def _borrowed(self, measure: str, key: tuple[Scope, str]) -> Spread | None:
        """Return the scatter that a class with one well borrows: of a class that it is held to."""
        for pair in self.pairs:
            keys: set[tuple[Scope, str]] = {
                ("poscon", pair.perturbation),
                ("negcon", pair.negative_name),
            }
            others = [self.classes[each] for each in keys - {key} if each in self.classes]
            if key in keys and others:
                scatter = _scatter(others[0], measure)
                if np.isfinite(scatter.variance):
                    return scatter
        constants = self.rules.constants_of(measure, self.object_set)
        if not constants.between_wells > 0:
            return None
        return Spread(constants.between_wells**2, constants.degrees_of_freedom)


def _state(states: Sequence[ReviewState]) -> ReviewState:
    return states[0] if len(set(states)) == 1 else PARTIAL


def _scatter(side: ClassReview, measure: str) -> Spread:
    """Variance between single wells: by the review where it is complete, else by the evidence."""
    if side.state(measure) == COMPLETE:
        return side.reviewed(measure).scatter()
    read = side.read(measure)
    return Spread(read.variance * read.n_wells, read.degrees_of_freedom)


def _estimates(
    found: Sequence[Reviewed], borrowed: Sequence[Spread | None]
) -> tuple[Estimate, Estimate]:
    """Return the estimate about the control, and that about these wells."""
    controls = [each.this_control(scatter) for each, scatter in zip(found, borrowed, strict=True)]
    wells = [each.these_wells() for each in found]
    if len(found) == 1:
        return controls[0], wells[0]
    return difference(*controls), difference(*wells)


def _matched(
    measure: str, sides: Sequence[ClassReview], found: Sequence[Reviewed]
) -> Estimate | None:
    """Return the reviewed difference at equal local density.

    Objects are matched by their local density; fields, whose missed objects have none, by their
    number of true objects.
    """
    by_field = measure in ("missed", "agreement")
    densities = [
        side.fields["size"].to_numpy(float)
        if by_field
        else side.objects["local_density"].to_numpy(float)
        for side in sides
    ]
    known = [np.isfinite(each) for each in densities]
    weights = density_matched_weights(
        *(each[own] for each, own in zip(densities, known, strict=True))
    )
    if weights is None:
        return None
    estimates = []
    for side, own, weight, whole in zip(sides, known, weights, found, strict=True):
        every: Floats = np.zeros(len(own))
        every[own] = weight
        reviewed = side.reviewed(measure, every)
        estimates.append(reviewed.this_control(whole.scatter()))
    both = difference(*estimates)
    return both if np.isfinite(both.value) else None
