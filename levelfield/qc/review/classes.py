"""One control class as far as people have reviewed it: every measure, with what it is known by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, ordered_sum
from levelfield.qc.columns import FIELD
from levelfield.qc.measures import MEASURES
from levelfield.qc.review.answers import OBJECT, PER_OBJECT, Answers
from levelfield.qc.review.sampling import ReviewPlan, drawn, drawn_fields, object_risk, risk_strata
from levelfield.qc.review.stratified import (
    NOT_REVIEWED,
    Reviewed,
    Sample,
    Spread,
    combined,
    objects_sample,
    stratified_mean,
)
from levelfield.qc.review.units import field_table, object_evidence
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.verdict.rows import ReviewState

UNREVIEWED: ReviewState = "unreviewed"
PARTIAL: ReviewState = "partial"
COMPLETE: ReviewState = "complete"
REVIEWED_MEASURES = tuple(MEASURES)
GUARD_MISSED = 1.0
"""Variance of a field's count of missed objects that is mixed in: one object more or less."""


@dataclass(frozen=True)
class Progress:
    """How far people are with the objects, or the fields, of a class.

    Attributes
    ----------
    drawn, answered, usable : int
        To be looked at; with an answer; with one that says something.
    strata_known : bool
        Whether every stratum has an answer that says something.
    """

    drawn: int
    answered: int
    usable: int
    strata_known: bool

    @property
    def state(self) -> ReviewState:
        """Complete when everything that was drawn has its answer, and no stratum is unknown."""
        if self.answered == 0:
            return UNREVIEWED
        whole = self.answered == self.drawn and self.strata_known
        return COMPLETE if whole else PARTIAL


@dataclass(frozen=True)
class ClassReview:
    """One control class and object set, with what people said of it.

    Attributes
    ----------
    objects : pandas.DataFrame
        Its scored objects, in the order of `risk` and of the samples.
    fields : pandas.DataFrame
        From `levelfield.qc.review.units.field_table`.
    risk : (n,) float64
        Of the objects.
    answers : mapping of str to (n,) float64
        By measure; NaN where an object that was drawn has no answer, and for all others.
    n_missed : (f,) float64
        Counts on the fields that were drawn; NaN for the rest.
    of_objects, of_fields : Progress
        How far people are.
    n_not_drawn : int
        Answers for objects of the class that were not drawn.
    """

    objects: pd.DataFrame
    fields: pd.DataFrame
    risk: Floats
    answers: Mapping[str, Floats]
    n_missed: Floats
    of_objects: Progress
    of_fields: Progress
    n_not_drawn: int

    def state(self, measure: str) -> ReviewState:
        """How far the review of a measure is: of the objects, of the fields, or of both."""
        states = {each.state for each in self.progress(measure)}
        return states.pop() if len(states) == 1 else PARTIAL

    def progress(self, measure: str) -> tuple[Progress, ...]:
        """Return what a measure takes to be looked at."""
        if measure == "missed":
            return (self.of_fields,)
        # Right objects are a share of the missed ones, too.
        return (self.of_objects, self.of_fields) if measure == "agreement" else (self.of_objects,)

    def reviewed(self, measure: str, weights: Floats | None = None) -> Reviewed:
        """Estimate a measure from the review.

        Parameters
        ----------
        measure : str
            Name of the measure.
        weights : float64, optional
            What each unit counts: each field for missed objects and for agreement, which counts
            them; else each object.

        Returns
        -------
        Reviewed
            Without a value unless the review of the measure is complete.
        """
        if weights is not None:
            return self._reviewed(measure, weights)
        if measure not in self._known:
            self._known[measure] = self._reviewed(measure, None)
        return self._known[measure]

    @cached_property
    def _known(self) -> dict[str, Reviewed]:
        """Hold what was estimated without weights, which is asked for several times."""
        return {}

    @cached_property
    def _read(self) -> dict[str, Estimate]:
        return {}

    def _reviewed(self, measure: str, weights: Floats | None) -> Reviewed:
        if self.state(measure) != COMPLETE:
            return NOT_REVIEWED
        if measure in PER_OBJECT and measure != "agreement":
            return stratified_mean(self.object_sample(measure, weights))
        fields = self.field_sample(weights)
        missed = stratified_mean(fields)
        if measure == "missed":
            return _missed_rate(missed, self._true_per_size(fields))
        right = self.object_sample("agreement", self._of_their_fields(weights))
        sizes = [float(np.sum(each.weights * each.sizes)) for each in (fields, right)]
        return _agreement(stratified_mean(right), missed, sizes[0] / sizes[1] if sizes[1] else 0.0)

    def read(self, measure: str) -> Estimate:
        """Return what the evidence alone says, the well as the unit."""
        if measure not in self._read:
            self._read[measure] = self._reading(measure)
        return self._read[measure]

    def _reading(self, measure: str) -> Estimate:
        if measure in PER_OBJECT and measure != "agreement":
            return self.object_sample(measure).evidence_estimate()
        fields = self.field_sample()
        missed = _known(fields.evidence_estimate())
        if measure == "missed":
            found = _missed_rate(missed, self._true_per_size(fields))
        else:
            share = float(fields.sizes.sum()) / max(len(self.objects), 1)
            right = _known(self.object_sample("agreement").evidence_estimate())
            found = _agreement(right, missed, share)
        return Estimate(
            found.value, found.of_wells.variance, found.of_wells.degrees_of_freedom, found.n_wells
        )

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
        if self.of_objects.state != COMPLETE:
            return share
        wrong = [self.reviewed(name).value for name in ("balance", "invented")]
        read = [self.object_sample(name).evidence.mean() for name in ("balance", "invented")]
        return share * max(1 - ordered_sum(wrong), 0.0) / max(1 - ordered_sum(read), 0.1)


def class_review(
    objects: pd.DataFrame, candidates: pd.DataFrame, answers: Answers, plan: ReviewPlan
) -> ClassReview:
    """Bring together the objects of a class and what people said of them.

    Parameters
    ----------
    objects, candidates : pandas.DataFrame
        Scored objects and possible missed objects of one class and object set.
    answers : Answers
        From `levelfield.qc.review.answers.read_answers`.
    plan : ReviewPlan
        How much was drawn.
    """
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
    return ClassReview(
        objects,
        fields,
        risk,
        {name: np.where(usable, known[name].astype(float), np.nan) for name in PER_OBJECT},
        n_missed,
        Progress(
            int(chosen.sum()),
            int(answered.sum()),
            int(usable.sum()),
            bool(np.isin(strata, strata[usable]).all()),
        ),
        Progress(int(to_search.sum()), searched, searched, searched > 0),
        int((looked_at & ~chosen).sum()),
    )


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


def _known(estimate: Estimate) -> Reviewed:
    """Return the evidence's own mean as if nothing had been left to a draw."""
    nothing = Spread(0.0, float("inf"))
    of_wells = Spread(estimate.variance, estimate.degrees_of_freedom)
    return Reviewed(estimate.value, nothing, nothing, of_wells, estimate.n_wells)
