"""Rows of a screen from those of its plates, plates being blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np

from levelfield.arrays import Floats, ordered_sum
from levelfield.qc.statistics.decision import Bound, decide
from levelfield.qc.statistics.errors import DOUBTS, Constants, Doubts
from levelfield.qc.statistics.estimates import Estimate, satterthwaite
from levelfield.qc.statistics.plates import combine_plates
from levelfield.qc.statistics.readings import MATCHED, RAW, Reading
from levelfield.qc.verdict.cases import (
    Case,
    Held,
    corrected,
    held,
    held_reading,
    known_scatter,
    rules_of,
    shares_of,
)
from levelfield.qc.verdict.rows import ReviewCounts, ReviewedRow
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.verdict.screen_review import PLATES, estimate_of_screen
from levelfield.questions import MEASURES, Scope

SCREEN = "screen"
_COUNTS = ("n_wells", "n_sites", "n_objects")


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

    def estimate(self, constants: Constants) -> Estimate:
        """Return what the plate adds, its own doubts counted as its own."""
        reading = self.reading
        if review := self.decided:
            said = review.matched if reading.adjustment == MATCHED else None
            return known_scatter(said or review.estimate, reading, constants)
        model, read = constants.error_model(reading.scope), corrected(reading, constants)
        parts = model.parts(read.value, reading.doubts)
        doubted = ordered_sum(part for name, part in parts.items() if name in DOUBTS)
        variance, freedom = read.variance + doubted, read.degrees_of_freedom
        if np.isfinite(read.variance) and variance > 0:
            freedoms = [freedom, constants.degrees_of_freedom]
            freedom = satterthwaite([read.variance, doubted], freedoms)
        return Estimate(read.value, variance, freedom, read.n_wells, model.constant**2)


def _on_plates(
    readings: Sequence[Sequence[Reading]], reviewed: Sequence[Sequence[ReviewedRow]]
) -> list[list[_OnPlate]]:
    """Put the rows of every plate together with their review, if there is any."""
    found = []
    for own, said in zip(readings, reviewed or [[]] * len(readings), strict=True):
        known = {row.key: row for row in said}
        found.append([_OnPlate(reading, known.get(reading.key)) for reading in own])
    return found


def screen_cases(
    readings: Sequence[Sequence[Reading]], reviewed: Sequence[Sequence[ReviewedRow]], rules: Rules
) -> list[Case]:
    """Combine the rows of a screen's plates.

    There is a row for every control on any plate; controls that stand on some plates only are
    combined over those. A plate whose review of a row is complete counts with that. The review
    decides a row where it is complete on every plate that has it, or where the plates that were
    looked at by chance say enough of it (`levelfield.qc.verdict.screen_review`).
    """
    groups: dict[tuple[str, ...], list[_OnPlate]] = {}
    for row in chain.from_iterable(_on_plates(readings, reviewed)):
        groups.setdefault((*row.reading.key, row.reading.adjustment), []).append(row)
    return [
        _screen_case(rows, groups.get((*key[:-1], MATCHED), []), rules)
        for key, rows in groups.items()
        if key[-1] == RAW
    ]


def _screen_case(rows: Sequence[_OnPlate], matched: Sequence[_OnPlate], rules: Rules) -> Case:
    reading = _over_plates([row.reading for row in rows])
    constants, bound = rules_of(reading, rules)

    def combined(chosen: Sequence[_OnPlate]) -> Held:
        plates = [row.estimate(constants) for row in chosen]
        found = combine_plates(plates, constants.degrees_of_freedom)
        if not np.isfinite(found.value) or all(row.decided for row in chosen):
            return Held(found, found)
        size = constants.error_size(found.value, reading.scope)
        grown = (constants.error_model(reading.scope).of_value * size) ** 2
        found = replace(found, systematic_variance=found.systematic_variance + grown)
        return held(found, reading, constants, bound)

    there = [row for row in rows if np.isfinite(row.reading.value)]
    reviewed = bool(there) and all(row.decided for row in there)
    decided, counts = combined(rows), _review_counts(there)
    if not reviewed and (seen := _by_some_plates(rows, constants, bound)) is not None:
        reviewed, matched, decided = True, [], Held(seen, seen)
        counts = replace(counts, state="enough")
    whole = decided.estimate
    return Case(
        reading,
        bound,
        constants,
        combined([replace(row, review=None) for row in rows]),
        decided,
        combined(matched) if matched else None,
        by_review=reviewed,
        review=counts,
        reviewed=whole if reviewed else None,
        shares=shares_of({"sampling": whole.variance, "constant": whole.systematic_variance}),
    )


def _by_some_plates(
    rows: Sequence[_OnPlate], constants: Constants, bound: Bound
) -> Estimate | None:
    """Return the estimate from the plates that were looked at, where it decides or is complete."""
    if rows[0].reading.measure == "bias":
        return None
    found = estimate_of_screen(
        [(row.reading.plate, corrected(row.reading, constants).value, row.review) for row in rows]
    )
    if found is None:
        return None
    estimate, n_seen = found
    is_complete = n_seen >= min(PLATES, len(rows))
    return estimate if is_complete or decide(estimate, bound) != "undecided" else None


def _review_counts(rows: Sequence[_OnPlate]) -> ReviewCounts:
    counts = [row.review.counts if row.review else ReviewCounts() for row in rows]
    return ReviewCounts.of([own.state for own in counts], counts)


def _over_plates(rows: Sequence[Reading]) -> Reading:
    """Sum the counts of one row over plates; shares and class values are means over objects."""
    there = [row for row in rows if np.isfinite(row.value)]
    missing = () if there else tuple(dict.fromkeys(each for row in rows for each in row.missing))
    weights = np.array([row.n_objects for row in rows], float)
    means: dict[str, Any] = {
        name: _mean(np.array([getattr(row, name) for row in rows], float), weights)
        for name in ("positive_value", "negative_value", "fraction_low", "fraction_high", "value")
    }
    doubts = {
        name: float(np.mean([getattr(row.doubts, name) for row in there]))
        for name in DOUBTS
        if there
    }
    sums = {name: sum(getattr(row, name) for row in rows) for name in _COUNTS}
    return replace(
        rows[0],
        plate=SCREEN,
        variance=float("nan"),
        fewest_wells=sum(row.fewest_wells for row in there),
        missing=missing,
        doubts=Doubts(**doubts),
        **sums,
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
    plate, date : str
        Whose, and when it was imaged; empty where nobody said.
    order : int
        Place of the plate in the screen: by date where all plates have one, else as in the sheet.
    object_set, measure, scope, perturbation, basis : str
        What the row is about, and whether evidence or a review answers.
    estimate, ci_low, ci_high, unit : float, str
        With its 90 % interval, in %, pp or px.
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

    Where a plate has no date, they stay in the order in which they are given. Dates are in ISO
    8601: a time without an offset counts as UTC, a date as its first moment.
    """
    dates = dates or {}
    plates = [own for own in _on_plates(readings, reviewed) if own]
    if all(dates.get(own[0].reading.plate) for own in plates):
        plates.sort(key=lambda own: _moment(dates[own[0].reading.plate]))
    return [
        _drift(row, dates.get(row.reading.plate, ""), order, rules)
        for order, own in enumerate(plates, start=1)
        for row in own
        if row.reading.adjustment == RAW
    ]


def _moment(text: str) -> datetime:
    """Return a date or date-time as a moment; offsets let times of two places be compared."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _drift(row: _OnPlate, date: str, order: int, rules: Rules) -> Drift:
    reading, measure = row.reading, MEASURES[row.reading.measure]
    constants, bound = rules_of(reading, rules)
    if review := row.decided:
        estimate = known_scatter(review.estimate, reading, constants)
    else:
        estimate = held_reading(reading, constants, bound).estimate
    return Drift(
        reading.plate,
        date,
        order,
        *reading.key,
        *estimate.in_units(measure.scale),
        measure.unit_of(reading.scope),
        "review" if review else "evidence",
    )
