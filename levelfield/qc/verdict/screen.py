"""Rows of a screen from those of its plates, plates being blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from levelfield.arrays import Floats, ordered_sum
from levelfield.qc.measures import MEASURES, Scope
from levelfield.qc.statistics.errors import DOUBTS, NO_DOUBTS, Constants, Doubts
from levelfield.qc.statistics.estimates import PASS_LEVEL, Estimate, satterthwaite
from levelfield.qc.statistics.plates import Block, combine_blocks
from levelfield.qc.statistics.readings import MATCHED, RAW, Reading
from levelfield.qc.verdict.cases import (
    Case,
    Held,
    bound_of_row,
    error_model,
    error_size,
    held,
    held_reading,
    known_scatter,
)
from levelfield.qc.verdict.rows import ReviewCounts, ReviewedRow, ReviewState
from levelfield.qc.verdict.rules import Rules

SCREEN = "screen"


@dataclass(frozen=True)
class _OnPlate:
    """One row of one plate."""

    reading: Reading
    review: ReviewedRow | None

    @property
    def decided(self) -> ReviewedRow | None:
        """The review where people decide the row."""
        if self.review is None or not self.review.decides or self.reading.measure == "bias":
            return None
        return self.review

    def block(self, constants: Constants) -> Block:
        """Return what the plate adds, its own doubts counted as its own."""
        if review := self.decided:
            said = review.matched if self.reading.adjustment == MATCHED else None
            said = known_scatter(said or review.estimate, self.reading, constants)
            return Block(said.value, said.variance, said.degrees_of_freedom, said.n_wells)
        reading, model = self.reading, error_model(self.reading, constants)
        read = constants.correct(
            reading.estimate, is_difference=reading.scope == "difference", doubts=reading.doubts
        )
        read = known_scatter(read, reading, constants)
        doubted = ordered_sum(
            part for name, part in model.parts(read.value, reading.doubts).items() if name in DOUBTS
        )
        freedom = read.degrees_of_freedom
        if np.isfinite(read.variance) and read.variance + doubted > 0:
            freedoms = [freedom, constants.degrees_of_freedom]
            freedom = satterthwaite([read.variance, doubted], freedoms)
        variance = read.variance + doubted
        return Block(read.value, variance, freedom, read.n_wells, model.constant**2)


def screen_cases(
    readings: Sequence[Sequence[Reading]], reviewed: Sequence[Sequence[ReviewedRow]], rules: Rules
) -> list[Case]:
    """Combine the rows of a screen's plates.

    Parameters
    ----------
    readings : sequence of sequence of Reading
        Of every plate.
    reviewed : sequence of sequence of ReviewedRow
        Of every plate, or empty. A plate whose review of a row is complete counts with that.
    rules : Rules
        Margins and constants.

    Returns
    -------
    list of Case
        A row for every control on any plate; controls that stand on some plates only are combined
        over those. The review decides a row where it is complete on every plate that has it.
    """
    reviews = list(reviewed) or [[] for _ in readings]
    groups: dict[tuple[str, ...], list[_OnPlate]] = {}
    for own, said in zip(readings, reviews, strict=True):
        known = {row.key: row for row in said}
        for reading in own:
            row = _OnPlate(reading, known.get(reading.key))
            groups.setdefault((*reading.key, reading.adjustment), []).append(row)
    return [
        _screen_case(rows, groups.get((*key[:-1], MATCHED), []), rules)
        for key, rows in groups.items()
        if key[-1] == RAW
    ]


def _screen_case(rows: Sequence[_OnPlate], matched: Sequence[_OnPlate], rules: Rules) -> Case:
    reading = _over_plates([row.reading for row in rows])
    constants = rules.constants_of(reading.measure, reading.object_set)
    bound = bound_of_row(reading, rules)
    model = error_model(reading, constants)

    def combined(chosen: Sequence[_OnPlate], *, evidence: bool = False) -> Held:
        if evidence:
            chosen = [replace(row, review=None) for row in chosen]
        blocks = [row.block(constants) for row in chosen]
        found = combine_blocks(blocks, constants.degrees_of_freedom)
        if np.isfinite(found.value) and not all(row.decided for row in chosen):
            grown = (model.of_value * error_size(found.value, reading, constants)) ** 2
            systematic = found.systematic_variance + grown
            found = replace(found, systematic_variance=systematic)
            return held(found, reading, constants, bound)
        return Held(found, found)

    there = [row for row in rows if np.isfinite(row.reading.value)]
    reviewed = bool(there) and all(row.decided for row in there)
    decided = combined(rows)
    return Case(
        reading,
        bound,
        constants,
        combined(rows, evidence=True),
        decided,
        combined(matched) if matched else None,
        by_review=reviewed,
        review=_review_counts(there),
        reviewed=decided.estimate if reviewed else None,
        shares=_shares(decided.estimate),
    )


def _shares(estimate: Estimate) -> dict[str, float]:
    total = estimate.variance + estimate.systematic_variance
    if not np.isfinite(total) or total <= 0:
        return {}
    return {"sampling": estimate.variance / total, "constant": estimate.systematic_variance / total}


def _review_counts(rows: Sequence[_OnPlate]) -> ReviewCounts:
    reviews = [row.review for row in rows if row.review is not None]
    states = {review.state for review in reviews}
    state: ReviewState = "partial"
    if not reviews or states == {"unreviewed"}:
        state = "unreviewed"
    elif states == {"complete"} and len(reviews) == len(rows):
        state = "complete"
    return ReviewCounts(
        state,
        sum(review.n_drawn for review in reviews),
        sum(review.n_reviewed for review in reviews),
        sum(review.n_cannot_tell for review in reviews),
    )


def _over_plates(rows: Sequence[Reading]) -> Reading:
    """Sum the counts of one row over plates; shares and class values are means over objects."""
    there = [row for row in rows if np.isfinite(row.value)]
    missing = () if there else tuple(dict.fromkeys(each for row in rows for each in row.missing))
    weights = np.array([row.n_objects for row in rows], float)
    means: dict[str, Any] = {
        name: _mean(np.array([getattr(row, name) for row in rows], float), weights)
        for name in ("positive_value", "negative_value", "fraction_low", "fraction_high", "value")
    }
    doubts = NO_DOUBTS
    if there:
        doubts = Doubts(
            **{
                name: float(np.mean([getattr(row.doubts, name) for row in there]))
                for name in DOUBTS
            }
        )
    return replace(
        rows[0],
        plate=SCREEN,
        variance=float("nan"),
        n_wells=sum(row.n_wells for row in rows),
        fewest_wells=sum(row.fewest_wells for row in there),
        n_sites=sum(row.n_sites for row in rows),
        n_objects=sum(row.n_objects for row in rows),
        missing=missing,
        doubts=doubts,
        **means,
    )


def _mean(values: Floats, weights: Floats) -> float:
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


@dataclass(frozen=True)
class Drift:
    """A class value or difference of one plate of a screen: ``screen/drift.csv``.

    Attributes
    ----------
    plate : str
        Whose.
    date : str
        When it was imaged; empty where nobody said.
    order : int
        Place of the plate in the screen: by date where all plates have one, else as in the sheet.
    object_set, measure, scope, perturbation : str
        Of what.
    estimate, ci_low, ci_high : float
        With its 90 % interval, in ``unit``.
    unit : str
        %, pp or px.
    basis : str
        evidence or review.
    """

    plate: str
    date: str
    order: int
    object_set: str
    measure: str
    scope: Scope
    perturbation: str
    estimate: float
    ci_low: float
    ci_high: float
    unit: str
    basis: str


def drift(
    readings: Sequence[Sequence[Reading]],
    reviewed: Sequence[Sequence[ReviewedRow]],
    rules: Rules,
    dates: Mapping[str, str] | None = None,
) -> list[Drift]:
    """Return the value of every row on every plate, plates in the order of their dates.

    Where a plate has no date, they stay in the order in which they are given.

    Parameters
    ----------
    readings, reviewed, rules
        As for `screen_cases`.
    dates : mapping of str to str
        When each plate was imaged, in ISO 8601. A time without an offset counts as UTC, a date as
        its first moment.
    """
    dates = dates or {}
    reviews = list(reviewed) or [[] for _ in readings]
    names = {place: own[0].plate for place, own in enumerate(readings) if own}
    places = list(names)
    if all(dates.get(name) for name in names.values()):
        places.sort(key=lambda place: _moment(dates[names[place]]))
    found = []
    for order, place in enumerate(places, start=1):
        known = {row.key: row for row in reviews[place]}
        for reading in readings[place]:
            if reading.adjustment == RAW:
                row = _OnPlate(reading, known.get(reading.key))
                found.append(_drift(row, dates.get(reading.plate, ""), order, rules))
    return found


def _moment(text: str) -> datetime:
    """Return a date or date-time as a moment; offsets let times of two places be compared."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _drift(row: _OnPlate, date: str, order: int, rules: Rules) -> Drift:
    reading = row.reading
    constants = rules.constants_of(reading.measure, reading.object_set)
    if review := row.decided:
        estimate = known_scatter(review.estimate, reading, constants)
    else:
        estimate = held_reading(reading, constants, bound_of_row(reading, rules)).estimate
    measure = MEASURES[reading.measure]
    low, high = estimate.interval(PASS_LEVEL)
    return Drift(
        reading.plate,
        date,
        order,
        *reading.key,
        estimate.value * measure.scale,
        low * measure.scale,
        high * measure.scale,
        measure.unit_of(reading.scope),
        "review" if row.decided else "evidence",
    )
