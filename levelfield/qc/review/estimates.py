"""What a review says of every measure, for both control classes and their differences.

Two targets are kept apart: *these wells* as they were imaged, and *this control*, of which they are
a sample (`levelfield.qc.review.class_mean`). A difference is also made at equal local density.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from levelfield.arrays import Floats
from levelfield.qc.review.answers import Answers
from levelfield.qc.review.class_mean import row_estimates
from levelfield.qc.review.classes import ClassReview, class_review, field_sizes
from levelfield.qc.review.foreseen import crops_needed
from levelfield.qc.review.notes import notes_of
from levelfield.qc.review.sampling import SetDraw
from levelfield.qc.review.spread import Spread
from levelfield.qc.statistics.comparison import ClassKey, Comparison
from levelfield.qc.statistics.decision import FEWEST_TO_PASS, Bound, decide
from levelfield.qc.statistics.density import density_matched_weights
from levelfield.qc.statistics.estimates import NOTHING, Estimate
from levelfield.qc.verdict.cases import rules_of
from levelfield.qc.verdict.rows import ReviewCounts, ReviewedRow
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import MEASURES, REVIEWED, SCOPES, Scope

SHARE = "share"
"""Unit of the reviewed bias: share of objects too large less share too small."""


def review_estimates(
    plate: str,
    draws: Mapping[str, SetDraw],
    pairs: Sequence[Comparison],
    answers: Answers,
    rules: Rules,
) -> list[ReviewedRow]:
    """Estimate every measure from the review, for every class and comparison.

    Only crops that were drawn count, and only as far as no crop before them is open: what somebody
    picked by eye stands for nothing but itself. How many others were answered is said in the notes.

    Parameters
    ----------
    plate, pairs : str, sequence of Comparison
        Its name and controls.
    draws : mapping of str to SetDraw
        From `levelfield.qc.review.sampling.draw_plate`.
    answers : Answers
        From `levelfield.qc.review.answers.read_answers`.
    rules : Rules
        Margins and constants, for the number of crops that would decide a row.
    """
    rows = []
    for object_set, draw in draws.items():
        classes = {key: class_review(own, answers) for key, own in draw.classes.items()}
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
        borrowed = [self._borrowed(measure, key) for key in keys]
        estimate, these_wells, matched = NOTHING, NOTHING, None
        if is_whole and all(len(side.answered) for side in sides):
            means = [side.means[measure] for side in sides]
            estimate, these_wells = row_estimates(means, borrowed)
            matched = _matched(measure, sides) if scope == "difference" else None
        row = ReviewedRow(
            self.object_set,
            measure,
            scope,
            pair.name(scope),
            _counts(sides if is_whole else []),
            estimate,
            these_wells,
            matched,
            unit=SHARE if is_bias else MEASURES[measure].unit_of(scope),
            notes=notes_of(sides, self.answers),
            plate=self.plate,
        )
        if not is_whole or is_bias:
            return row
        constants, bound = rules_of(row, self.rules)
        row = _enough(row, bound, min(side.best(measure).n_wells for side in sides))
        value = estimate.value
        if not np.isfinite(value):
            read = [side.read[measure].value for side in sides]
            value = constants.value(read[0] - read[1] if len(read) == 2 else read[0], scope)
        return replace(row, reviews_needed=crops_needed(sides, measure, value, bound, borrowed))

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


def _counts(sides: Sequence[ClassReview]) -> ReviewCounts:
    counts = [side.counts for side in sides]
    return ReviewCounts.of([own.state for own in counts], counts)


def _enough(row: ReviewedRow, bound: Bound, n_wells: int) -> ReviewedRow:
    """Say so where an unfinished review decides: its interval is valid whenever one stops."""
    if row.counts.state != "partial" or not np.isfinite(row.estimate.value):
        return row
    judged = [own for own in (row.estimate, row.matched) if own is not None]
    decided = [decide(own, bound, can_pass=n_wells >= FEWEST_TO_PASS) for own in judged]
    if "fail" in decided or set(decided) == {"pass"}:
        return replace(row, counts=replace(row.counts, state="enough"))
    return row


def _matched(measure: str, sides: Sequence[ClassReview]) -> Estimate | None:
    """Return the reviewed difference at equal local density.

    Objects are matched by their local density; for missed objects and agreement, which have none,
    by the number of labels of their field.
    """
    by_field = MEASURES[measure].counts_missed
    densities = [
        field_sizes(side) if by_field else side.draw.objects["local_density"].to_numpy(float)
        for side in sides
    ]
    known = [np.isfinite(own) for own in densities]
    weights = density_matched_weights(*(own[k] for own, k in zip(densities, known, strict=True)))
    if weights is None:
        return None
    means = []
    for side, own, weight in zip(sides, known, weights, strict=True):
        every: Floats = np.zeros(len(own))
        every[own] = weight
        means.append(side.mean(measure, every))
    borrowed = [side.means[measure].scatter() for side in sides]
    both = row_estimates(means, borrowed)[0]
    return both if np.isfinite(both.value) else None
