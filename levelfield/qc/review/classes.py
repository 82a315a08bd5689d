"""One control class as far as people have reviewed it: every measure, by its crops."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Integers
from levelfield.qc.columns import FIELD
from levelfield.qc.review.answers import CROP_KEY, OBJECT, POSSIBLE, Answers
from levelfield.qc.review.class_mean import ClassMean, class_mean, read_mean
from levelfield.qc.review.crops import sums
from levelfield.qc.review.estimator import CropSample
from levelfield.qc.review.sampling import ClassDraw
from levelfield.qc.review.spread import NOTHING_LEFT, Spread
from levelfield.qc.review.units import object_evidence
from levelfield.qc.verdict.rows import ReviewCounts, ReviewState
from levelfield.questions import MEASURES, REVIEWED

FEWEST_SHARED = 5
"""Crops that all reviewers must have answered before the difference of their means is told."""
_MISSED = "missed"
RATIOS: dict[str, dict[str, float]] = {
    # Missed objects are per true object, right ones per predicted or missed one.
    name: {_MISSED: 1.0} if measure.reviewed else {_MISSED: 1.0, "balance": -1.0, "invented": -1.0}
    for name, measure in MEASURES.items()
    if measure.counts_missed
}
"""What adds to the denominator beside the number of labels."""


@dataclass(frozen=True)
class ClassReview:
    """One control class and object set, with what people said of it.

    Attributes
    ----------
    draw : ClassDraw
        Objects and crops.
    evidence : mapping of str to (n,) float64
        Of every object by measure.
    n_missed : (j,) float64
        Missed objects of every crop, by the evidence.
    answered : (k,) int64
        Places of the crops with answers, in the order of the draw, without a gap.
    said : mapping of str to (n,) float64
        Mean answer about each object by measure; NaN where nobody said or could tell.
    said_missed : (k,) float64
        Missed objects in the answered crops.
    reviewers : mapping of str to (mapping of str to float)
        By measure the mean per label of each reviewer, on the crops that all have answered.
    n_out_of_order : int
        Finished crops that do not count, as one before them is open or they were not drawn.
    """

    draw: ClassDraw
    evidence: Mapping[str, Floats]
    n_missed: Floats
    answered: Integers
    said: Mapping[str, Floats]
    said_missed: Floats
    reviewers: Mapping[str, Mapping[str, float]]
    n_out_of_order: int

    @cached_property
    def counts(self) -> ReviewCounts:
        """How far people are: crops, and objects that nobody could tell."""
        looked_at = np.isin(self.draw.crops.of_objects, self.answered)
        unknown = int((looked_at & np.isnan(self.said["agreement"])).sum())
        state: ReviewState = "partial"
        if not len(self.answered):
            state = "unreviewed"
        elif len(self.answered) >= self.draw.planned:
            state = "complete"
        told = int(looked_at.sum()) - unknown
        return ReviewCounts(state, self.draw.planned, len(self.answered), unknown, told)

    @cached_property
    def means(self) -> dict[str, ClassMean]:
        """What the review says, by measure; NaN without answers."""
        return {measure: self.mean(measure) for measure in REVIEWED}

    @cached_property
    def read(self) -> dict[str, ClassMean]:
        """What the evidence alone says, by measure."""
        return {measure: read_mean(self.sample(measure)) for measure in REVIEWED}

    def best(self, measure: str) -> ClassMean:
        """Return what is known of a measure: by the review where there is one."""
        return (self.means if len(self.answered) else self.read)[measure]

    def mean(self, measure: str, weights: Floats | None = None) -> ClassMean:
        """Estimate a measure from the review; `weights` are what each object counts (n,)."""
        sample = self.sample(measure, weights)
        bounds: list[Floats | None] = [None, None]
        if measure in POSSIBLE:
            unknown = np.isnan(self.said[measure])
            if (unknown & np.isin(self.draw.crops.of_objects, self.answered)).any():
                bounds = [self._answers(measure, weights, end) for end in POSSIBLE[measure]]
        return class_mean(sample, bounds[0], bounds[1], self._of_reviewers(measure))

    def sample(self, measure: str, weights: Floats | None = None) -> CropSample:
        """Return the crops with evidence and answers of a measure."""
        per = RATIOS.get(measure, {})
        zeros = np.zeros(len(self.draw.crops.table))
        read_per, said_per = zeros.copy(), np.zeros(len(self.answered))
        for name, sign in per.items():
            read_per += sign * self._read(name, weights)
            said_per += sign * self._answers(name, weights)
        return CropSample(
            self.draw.chances,
            self._sums(np.ones(len(self.draw.objects)), weights),
            self._read(measure, weights),
            read_per,
            self.draw.crops.table["Metadata_Well"].to_numpy(object),
            self.answered,
            self._answers(measure, weights),
            said_per,
            self.draw.planned,
        )

    def _sums(self, values: Floats, weights: Floats | None) -> Floats:
        """Sum over the objects of each crop (j,)."""
        values = values if weights is None else values * weights
        return sums(self.draw.crops.of_objects, values, len(self.draw.crops.table))

    def _read(self, measure: str, weights: Floats | None) -> Floats:
        if measure == _MISSED:
            return self.n_missed * self._weight_of_crops(weights)
        return self._sums(self.evidence[measure], weights)

    def _answers(
        self, measure: str, weights: Floats | None, unknown: float | None = None
    ) -> Floats:
        """Sum up answers (k,); the evidence, or a value, stands in where nobody could tell."""
        if measure == _MISSED:
            return self.said_missed * self._weight_of_crops(weights)[self.answered]
        said = self.said[measure]
        instead = self.evidence[measure] if unknown is None else unknown
        return self._sums(np.where(np.isnan(said), instead, said), weights)[self.answered]

    def _weight_of_crops(self, weights: Floats | None) -> Floats:
        """Return the mean weight of the objects of each crop."""
        number = self._sums(np.ones(len(self.draw.objects)), None)
        if weights is None:
            return np.ones(len(number))
        return self._sums(np.ones(len(weights)), weights) / np.maximum(number, 1)

    def _of_reviewers(self, measure: str) -> Spread:
        """Return the variance of the mean of the reviewers: s² / R."""
        means = np.array(list(self.reviewers.get(measure, {}).values()), float)
        if len(means) < 2:
            return NOTHING_LEFT
        return Spread(float(np.var(means, ddof=1)) / len(means), float(len(means) - 1))


def class_review(draw: ClassDraw, answers: Answers) -> ClassReview:
    """Bring together the crops of a class, and what people said."""
    table, objects = draw.crops.table, draw.objects
    places = pd.MultiIndex.from_frame(table[CROP_KEY])
    place = places.get_indexer(pd.MultiIndex.from_frame(answers.crops[CROP_KEY]))
    finished = answers.crops[place >= 0].assign(place=place[place >= 0])
    missed = finished.groupby("place")["n_missed"].mean()
    is_open = ~np.isin(draw.order, missed.index.to_numpy())
    number = int(np.argmax(is_open)) if is_open.any() else len(is_open)
    answered = draw.order[:number]
    known = objects[OBJECT].merge(
        answers.objects.groupby(OBJECT, sort=False)[list(POSSIBLE)].mean().reset_index(),
        on=OBJECT,
        how="left",
    )
    looked_at = np.isin(draw.crops.of_objects, answered)
    said = {name: np.where(looked_at, known[name].to_numpy(float), np.nan) for name in POSSIBLE}
    chance = np.nan_to_num(draw.candidates["missed_evidence"].to_numpy(float))
    return ClassReview(
        draw,
        {name: object_evidence(objects, name) for name in POSSIBLE},
        sums(draw.crops.of_candidates, chance, len(table)),
        answered,
        said,
        missed.reindex(answered).to_numpy(float),
        _by_reviewer(draw, answers, finished, answered),
        len(missed) - number,
    )


def _by_reviewer(
    draw: ClassDraw, answers: Answers, finished: pd.DataFrame, answered: Integers
) -> dict[str, dict[str, float]]:
    """Return by measure the mean per label of every reviewer, on crops that all have answered."""
    own = finished[finished["place"].isin(answered)]
    reviewers = sorted(own["reviewer"].unique())
    counts = own.groupby("place")["reviewer"].nunique()
    shared = counts.index[counts == len(reviewers)].to_numpy()
    if len(reviewers) < 2 or len(shared) < FEWEST_SHARED:
        return {}
    crops = draw.crops.table.iloc[shared][CROP_KEY]
    objects = answers.objects.merge(crops, on=CROP_KEY).groupby("reviewer")
    found = {name: objects[name].mean().to_dict() for name in POSSIBLE}
    missed = own[own["place"].isin(shared)].groupby("reviewer")["n_missed"].sum()
    labels = max(int(draw.crops.table.iloc[shared]["n_objects"].sum()), 1)
    found[_MISSED] = (missed / labels).to_dict()
    return found


def field_sizes(review: ClassReview) -> Floats:
    """Return the number of labels of each object's field (n,), by which fields are matched."""
    objects = review.draw.objects
    return objects.groupby(FIELD)[FIELD[0]].transform("size").to_numpy(float)
