"""What a review says of every measure, for both control classes and their differences.

Two targets are kept apart: *these wells* as they were imaged, and *this control*, of which they are
a sample (`levelfield.qc.review.stratified`). A difference is also made at equal local density.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.review.answers import Answers
from levelfield.qc.review.classes import ClassReview, class_review
from levelfield.qc.review.foreseen import reviews_needed
from levelfield.qc.review.notes import notes_of
from levelfield.qc.review.sampling import ReviewPlan, review_classes
from levelfield.qc.review.stratified import Reviewed, Spread
from levelfield.qc.statistics.comparison import ClassKey, Comparison
from levelfield.qc.statistics.density import density_matched_weights
from levelfield.qc.statistics.estimates import NOTHING, Estimate, difference, estimate_of_row
from levelfield.qc.verdict.cases import rules_of
from levelfield.qc.verdict.rows import ReviewCounts, ReviewedRow, ReviewState
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import MEASURES, REVIEWED, SCOPES, Scope

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
    plate, pairs : str, sequence of Comparison
        Its name and controls.
    objects, candidates : DataFrame
        Scored objects and possible missed objects of the fields that are judged.
    answers : Answers
        From `levelfield.qc.review.answers.read_answers`.
    rules, plan : Rules, ReviewPlan
        Margins and constants, for the number of reviews that would decide a row; and what was
        drawn.
    """
    rows = []
    for object_set in sorted({*objects[OBJECT_SET], *candidates[OBJECT_SET]}):
        own = [table[table[OBJECT_SET] == object_set] for table in (objects, candidates)]
        classes = {
            key: class_review(there, missing, answers, plan or ReviewPlan())
            for key, wells in review_classes(pairs).items()
            for there, missing in [[table[table["Metadata_Well"].isin(wells)] for table in own]]
        }
        maker = _Rows(plate, object_set, classes, pairs, answers, rules)
        rows += [row for measure in REVIEWED for row in maker.rows(measure)]
    return rows


@dataclass(frozen=True)
class _Rows:
    """The rows of one object set."""

    plate: str
    object_set: str
    classes: Mapping[ClassKey, ClassReview]
    pairs: Sequence[Comparison]
    answers: Answers
    rules: Rules

    def rows(self, measure: str) -> Iterator[ReviewedRow]:
        seen = set()
        for pair in self.pairs:
            for scope in SCOPES:
                if scope != "negcon" or pair.negative_name not in seen:
                    yield self._row(measure, scope, pair)
            seen.add(pair.negative_name)

    def _row(self, measure: str, scope: Scope, pair: Comparison) -> ReviewedRow:
        keys = list(pair.classes(scope))
        sides = [self.classes[key] for key in keys if key in self.classes]
        is_whole, is_bias = len(sides) == len(keys), measure == "bias"
        states: set[ReviewState] = {"unreviewed"}
        if is_whole:
            states = {side.state(measure) for side in sides}
        borrowed = [self._borrowed(measure, key) for key in keys]
        estimate, these_wells, matched = NOTHING, NOTHING, None
        if states == {"complete"}:
            found = [side.reviewed[measure] for side in sides]
            controls = zip(found, borrowed, strict=True)
            estimate = estimate_of_row([own.this_control(scatter) for own, scatter in controls])
            these_wells = estimate_of_row([own.these_wells() for own in found])
            matched = _matched(measure, sides, found) if scope == "difference" else None
        row = ReviewedRow(
            self.object_set,
            measure,
            scope,
            pair.name(scope),
            ReviewCounts.of(states, [side.progress(measure)[0] for side in sides]),
            estimate,
            these_wells,
            matched,
            unit=SHARE if is_bias else MEASURES[measure].unit_of(scope),
            reviews_of="fields" if measure == "missed" else "objects",
            notes=notes_of(measure, sides, self.answers, self.pairs),
            plate=self.plate,
        )
        if not is_whole or is_bias:
            return row
        constants, bound = rules_of(row, self.rules)
        value = estimate.value
        if not np.isfinite(value):
            read = [side.read[measure].value for side in sides]
            value = constants.value(read[0] - read[1] if len(read) == 2 else read[0], scope)
        return replace(row, reviews_needed=reviews_needed(sides, measure, value, bound, borrowed))

    def _borrowed(self, measure: str, key: ClassKey) -> Spread | None:
        """Return the scatter that a class with one well borrows: of a class that it is held to."""
        for pair in self.pairs:
            keys = pair.classes()
            others = [self.classes[own] for own in keys if own != key and own in self.classes]
            if key in keys and others:
                scatter = others[0].best(measure).scatter()
                if np.isfinite(scatter.variance):
                    return scatter
        constants = self.rules.constants_of(measure, self.object_set)
        if not constants.between_wells > 0:
            return None
        return Spread(constants.between_wells**2, constants.degrees_of_freedom)


def _matched(
    measure: str, sides: Sequence[ClassReview], found: Sequence[Reviewed]
) -> Estimate | None:
    """Return the reviewed difference at equal local density.

    Objects are matched by their local density; fields, whose missed objects have none, by their
    number of true objects.
    """
    by_field = MEASURES[measure].counts_missed
    units = [side.fields["size"] if by_field else side.objects["local_density"] for side in sides]
    densities = [column.to_numpy(float) for column in units]
    known = [np.isfinite(own) for own in densities]
    weights = density_matched_weights(*(own[k] for own, k in zip(densities, known, strict=True)))
    if weights is None:
        return None
    estimates = []
    for side, own, weight, whole in zip(sides, known, weights, found, strict=True):
        every: Floats = np.zeros(len(own))
        every[own] = weight
        estimates.append(side.reviewed_with(measure, every).this_control(whole.scatter()))
    both = difference(*estimates)
    return both if np.isfinite(both.value) else None
