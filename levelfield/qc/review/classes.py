"""One control class as far as people have reviewed it: every measure, with what it is known by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, ordered_sum
from levelfield.qc.columns import FIELD
from levelfield.qc.review.answers import OBJECT, PER_OBJECT, Answers
from levelfield.qc.review.sampling import ReviewPlan, drawn, drawn_fields, object_risk, risk_strata
from levelfield.qc.review.stratified import (
    NOT_REVIEWED,
    Reviewed,
    Sample,
    combined,
    objects_sample,
    stratified_mean,
)
from levelfield.qc.review.units import field_table, object_evidence
from levelfield.qc.verdict.rows import ReviewCounts, ReviewState
from levelfield.questions import MEASURES, REVIEWED

GUARD_MISSED = 1.0
"""Variance of a field's count of missed objects that is mixed in: one object more or less."""


@dataclass(frozen=True)
class ClassReview:
    """One control class and object set, with what people said of it.

    Attributes
    ----------
    objects, fields : DataFrame
        Scored objects, in the order of `risk` and of the samples; and
        `levelfield.qc.review.units.field_table`.
    risk : (n,) float64
        Risk of each object.
    answers : mapping of str to (n,) float64
        By measure; NaN where an object that was drawn has no answer, and for all others.
    n_missed : (f,) float64
        Counts on the fields that were drawn; NaN for the rest.
    of_objects, of_fields : ReviewCounts
        How far people are.
    n_not_drawn : int
        Answers for objects of the class that were not drawn.
    """

    objects: pd.DataFrame
    fields: pd.DataFrame
    risk: Floats
    answers: Mapping[str, Floats]
    n_missed: Floats
    of_objects: ReviewCounts
    of_fields: ReviewCounts
    n_not_drawn: int

    def state(self, measure: str) -> ReviewState:
        """How far the review of a measure is: of the objects, of the fields, or of both."""
        parts = self.progress(measure)
        return ReviewCounts.of([part.state for part in parts], parts).state

    def progress(self, measure: str) -> tuple[ReviewCounts, ...]:
        """Return what a measure takes to be looked at."""
        if measure == "missed":
            return (self.of_fields,)
        # Right objects are a share of the missed ones, too.
        return (self.of_objects, self.of_fields) if measure == "agreement" else (self.of_objects,)

    @cached_property
    def reviewed(self) -> dict[str, Reviewed]:
        """What the review says, by measure; without a value unless it is complete."""
        return {measure: self.reviewed_with(measure) for measure in REVIEWED}

    @cached_property
    def read(self) -> dict[str, Reviewed]:
        """What the evidence alone says, by measure, as if nothing had been left to a draw."""
        return {measure: self._estimate(measure, Sample.evidence_mean) for measure in REVIEWED}

    def best(self, measure: str) -> Reviewed:
        """Return what is known of a measure: by the review where it is complete."""
        return (self.reviewed if self.state(measure) == "complete" else self.read)[measure]

    def reviewed_with(self, measure: str, weights: Floats | None = None) -> Reviewed:
        """Estimate a measure from the review.

        Weights are what each unit counts: each field for missed objects and for agreement, which
        counts them; else each object.
        """
        if self.state(measure) != "complete":
            return NOT_REVIEWED
        return self._estimate(measure, stratified_mean, weights)

    def _estimate(
        self, measure: str, mean_of: Callable[[Sample], Reviewed], weights: Floats | None = None
    ) -> Reviewed:
        if not MEASURES[measure].counts_missed:
            return mean_of(self.object_sample(measure, weights))
        fields = self.field_sample(weights)
        missed = mean_of(fields)
        if measure == "missed":
            return _missed_rate(missed, self._true_per_size(fields))
        right = self.object_sample("agreement", self._of_their_fields(weights))
        sizes = [float(np.sum(sample.weights * sample.sizes)) for sample in (fields, right)]
        return _agreement(mean_of(right), missed, sizes[0] / sizes[1] if sizes[1] else 0.0)

    def object_sample(self, measure: str, weights: Floats | None = None) -> Sample:
        """Return the objects with evidence and answers of a measure."""
        sample = objects_sample(
            self.answers[measure],
            object_evidence(self.objects, measure),
            risk_strata(self.risk),
            self.objects["Metadata_Well"].to_numpy(object),
        )
        return sample if weights is None else replace(sample, weights=weights)

    def field_sample(self, weights: Floats | None = None) -> Sample:
        """Return the fields with their missed objects, per true object."""
        return Sample(
            self.n_missed,
            self.fields["found"].to_numpy(float),
            np.zeros(len(self.fields), np.int64),
            self.fields["Metadata_Well"].to_numpy(object),
            self.fields["size"].to_numpy(float),
            np.ones(len(self.fields)) if weights is None else weights,
            GUARD_MISSED,
        )

    def _of_their_fields(self, weights: Floats | None) -> Floats | None:
        """Give every object the weight of its field."""
        if weights is None:
            return None
        places = pd.MultiIndex.from_frame(self.fields[FIELD])
        return weights[places.get_indexer(pd.MultiIndex.from_frame(self.objects[FIELD]))]

    def _true_per_size(self, fields: Sample) -> float:
        """Return true objects behind labels per unit of size, by the review where it is done."""
        true = self.fields["true_labels"].to_numpy(float)
        share = float(np.sum(fields.weights * true) / np.sum(fields.weights * fields.sizes))
        if self.of_objects.state != "complete":
            return share
        wrong = [self.reviewed_with(name).value for name in ("balance", "invented")]
        read = [self.object_sample(name).evidence.mean() for name in ("balance", "invented")]
        return share * max(1 - ordered_sum(wrong), 0.0) / max(1 - ordered_sum(read), 0.1)


def class_review(
    objects: pd.DataFrame, candidates: pd.DataFrame, answers: Answers, plan: ReviewPlan
) -> ClassReview:
    """Bring together the scored and possible missed objects of a class, and what people said."""
    chosen, risk = drawn(objects, plan), object_risk(objects)
    known = objects[OBJECT].merge(
        answers.objects.assign(answered=True), on=OBJECT, how="left", validate="one_to_one"
    )
    looked_at = known["answered"].notna().to_numpy()
    answered = looked_at & chosen
    usable = answered & known["agreement"].notna().to_numpy()
    fields = field_table(objects, candidates)
    to_search = drawn_fields(fields, plan)
    counts = fields[FIELD].merge(answers.missed, on=FIELD, how="left")["n_missed"].to_numpy(float)
    n_missed = np.where(to_search, counts, np.nan)
    searched = int(np.isfinite(n_missed).sum())
    strata = risk_strata(risk)
    every_stratum = bool(np.isin(strata, strata[usable]).all())
    return ClassReview(
        objects,
        fields,
        risk,
        {name: np.where(usable, known[name].astype(float), np.nan) for name in PER_OBJECT},
        n_missed,
        _counts(int(chosen.sum()), int(answered.sum()), int(usable.sum()), every_stratum),
        _counts(int(to_search.sum()), searched, searched, searched > 0),
        int((looked_at & ~chosen).sum()),
    )


def _counts(drawn: int, answered: int, usable: int, every_stratum: bool) -> ReviewCounts:
    """Complete is what has all its answers, with one that says something in every stratum."""
    state: ReviewState = "partial"
    if answered == 0:
        state = "unreviewed"
    elif answered == drawn and every_stratum:
        state = "complete"
    return ReviewCounts(state, drawn, usable, answered - usable)


def _missed_rate(missed: Reviewed, true_per_size: float) -> Reviewed:
    """Turn missed objects per unit of size into missed per true object."""
    whole = missed.value + true_per_size
    if not whole > 0:
        return NOT_REVIEWED
    return combined(missed.value / whole, [(missed, true_per_size / whole**2)])


def _agreement(right: Reviewed, missed: Reviewed, size_per_label: float) -> Reviewed:
    """Turn right objects per label into right objects per predicted and missed one."""
    if not (np.isfinite(right.value) and np.isfinite(missed.value)):
        return NOT_REVIEWED
    whole = 1 + missed.value * size_per_label
    slope = -right.value * size_per_label / whole**2
    return combined(right.value / whole, [(right, 1 / whole), (missed, slope)])
