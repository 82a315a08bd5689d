"""A lab's own calibration: how far the evidence errs on its plates, learned from their reviews.

Of every measure, the true value of a class is taken to be slope × (read − floor), with an error of
its own on every plate; the slope is held to 1 as strongly as a plate that reads 20 pp would. What
error is left is measured on plates that the fit did not see. A difference is judged with the same
slope, and an error of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from levelfield.arrays import Floats
from levelfield.qc.review.foreseen import BETTING
from levelfield.qc.statistics.errors import Constants, ErrorModel
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.statistics.readings import RAW, Reading
from levelfield.qc.verdict.rows import ReviewedRow
from levelfield.questions import MEASURES, REVIEWED

FEWEST_PLATES, FEWEST_OBJECTS = 6, 300
"""Reviewed plates, and reviewed objects of the negative and of the positive controls."""
SLOPE_SPREAD = 0.2
"""Of values read between plates, with which the slope is as sure as its prior of 1."""
SMALLEST_ERROR = 0.004
"""Below this no error is claimed, whatever few plates say."""
_ROUNDS = 6


@dataclass(frozen=True)
class Pair:
    """One row of one plate, as read and as reviewed, both about the wells of the plate.

    Attributes
    ----------
    plate, measure, scope, perturbation : str
        Which row.
    read, reviewed, variance : float
        By the evidence, before any calibration; by people, and what their review leaves open.
    between_wells : float
        Variance between single wells, by the review; NaN where it is not known.
    """

    plate: str
    measure: str
    scope: str
    perturbation: str
    read: float
    reviewed: float
    variance: float
    between_wells: float


@dataclass(frozen=True)
class Checked:
    """A row as plates judge it that do not know it: one line of how a calibration was checked.

    In fractions of objects; `covered` says whether the 90 % interval of the corrected reading, the
    error of the review included, holds what people said.
    """

    plate: str
    measure: str
    scope: str
    perturbation: str
    read: float
    corrected: float
    reviewed: float
    half_width: float
    covered: bool


def pairs_of(
    plate: str, object_set: str, readings: Sequence[Reading], reviewed: Sequence[ReviewedRow]
) -> list[Pair]:
    """Return what a plate has to say of an object set: rows whose review is complete or enough."""
    known = {row.key: row for row in reviewed if row.object_set == object_set and row.decides}
    found = []
    for reading in readings:
        row = known.get(reading.key)
        if row is None or reading.adjustment != RAW or reading.measure == "bias":
            continue
        variance = row.these_wells.variance
        if np.isfinite([reading.value, row.these_wells.value, variance]).all():
            scatter = row.estimate.variance - variance
            between = scatter * row.estimate.n_wells / (2 if reading.scope == "difference" else 1)
            found.append(
                Pair(
                    plate, *reading.key[1:], reading.value, row.these_wells.value, variance, between
                )
            )
    return found


def fit_constants(pairs: Sequence[Pair]) -> tuple[dict[str, Constants], list[Checked]]:
    """Fit the constants of every measure, and check each row on plates that do not know it.

    Parameters
    ----------
    pairs : sequence of Pair
        Of one object set, of several plates.

    Returns
    -------
    dict, list
        Constants by measure, and a line for every row.

    Raises
    ------
    ValueError
        With fewer than `FEWEST_PLATES` plates.
    """
    plates = sorted({pair.plate for pair in pairs})
    if len(plates) < FEWEST_PLATES:
        raise ValueError(
            f"{len(plates)} plates have a review that is finished; a calibration needs at least "
            f"{FEWEST_PLATES}. Review more plates (levelfield review)."
        )
    constants, checked = {}, []
    for measure in REVIEWED:
        own = [pair for pair in pairs if pair.measure == measure]
        if len({pair.plate for pair in own}) >= FEWEST_PLATES:
            constants[measure], lines = _fit_measure(measure, own, len(plates))
            checked += lines
    return constants, checked


def _fit_measure(
    measure: str, pairs: Sequence[Pair], n_plates: int
) -> tuple[Constants, list[Checked]]:
    classes = [pair for pair in pairs if pair.scope != "difference"]
    differences = [pair for pair in pairs if pair.scope == "difference"]
    slope, floor = _line(classes)
    left_out = list(_left_out(pairs))
    errors = {}
    for name, own in (("class", classes), ("difference", differences)):
        residuals = np.array(
            [corrected - pair.reviewed for pair, corrected in left_out if pair in own], float
        )
        errors[name] = _error(residuals, np.array([pair.variance for pair in own], float))
    between = np.array([pair.between_wells for pair in classes], float)
    between = between[np.isfinite(between)]
    made = Constants(
        calibrated=True,
        slope=round(slope, 6),
        floor=round(floor, 6),
        error_class=ErrorModel(round(errors["class"], 6)),
        error_difference=ErrorModel(round(errors["difference"], 6)),
        degrees_of_freedom=float(n_plates - 2),  # slope and floor are fitted
        between_wells=round(float(np.sqrt(max(between.mean(), 0.0))) if len(between) else 0.0, 6),
        of_right=MEASURES[measure].is_share_of_right,
    )
    return made, [_checked(pair, corrected, made) for pair, corrected in left_out]


def _line(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return slope and floor of the line through the classes."""
    read, said, variance = _columns(pairs)
    error = 0.0
    slope, middle, level = 1.0, float(read.mean()), float(said.mean())
    for _ in range(_ROUNDS):
        weights = 1 / (error + variance + SMALLEST_ERROR**2)
        weights /= weights.sum()
        middle, level = float(np.sum(weights * read)), float(np.sum(weights * said))
        away = read - middle
        held = SLOPE_SPREAD**2 / len(read)
        slope = float(
            (np.sum(weights * away * (said - level)) + held) / (np.sum(weights * away**2) + held)
        )
        rest = said - level - slope * away
        error = max(float(np.sum(weights * (rest**2 - variance))), 0.0)
    slope = max(slope, 0.1)
    return slope, middle - level / slope


def _columns(pairs: Sequence[Pair]) -> tuple[Floats, Floats, Floats]:
    names = ("read", "reviewed", "variance")
    read, said, variance = (
        np.array([getattr(pair, name) for pair in pairs], float) for name in names
    )
    return read, said, variance


def _left_out(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, float]]:
    """Yield every row with what the other plates make of its reading."""
    for plate in sorted({pair.plate for pair in pairs}):
        others = [pair for pair in pairs if pair.plate != plate and pair.scope != "difference"]
        slope, floor = _line(others)
        for pair in pairs:
            if pair.plate == plate:
                level = 0.0 if pair.scope == "difference" else floor
                yield pair, slope * (pair.read - level)


def _error(residuals: Floats, variances: Floats) -> float:
    """Return the standard deviation of the evidence's own error, the review's taken off.

    Intervals of a review that may be looked at any time are wider than the draw scatters. At least
    half of what is seen is left: that a few reviews seem to explain all of it is mostly chance.
    """
    if not len(residuals):
        return SMALLEST_ERROR
    squares = float(np.mean(residuals**2))
    own = max(squares - float(variances.mean()) / BETTING**2, squares / 4)
    return max(float(np.sqrt(own)), SMALLEST_ERROR)


def _checked(pair: Pair, corrected: float, constants: Constants) -> Checked:
    sigma = constants.error_model(pair.scope).constant
    freedom = constants.degrees_of_freedom
    both = Estimate(corrected, pair.variance, float("inf"), 0, sigma**2, freedom)
    low, high = both.interval(0.9)
    half = Estimate(corrected, 0.0, float("inf"), 0, sigma**2, freedom).reach(0.9)
    read, value, said, half = (
        round(number, 6) for number in (pair.read, corrected, pair.reviewed, half)
    )
    whose = (pair.plate, pair.measure, pair.scope, pair.perturbation)
    return Checked(*whose, read, value, said, half, bool(low <= pair.reviewed <= high))


def with_unlike(
    constants: Mapping[str, Constants], unknown: Mapping[str, Constants]
) -> dict[str, Constants]:
    """Give an error to images unlike those of the calibration: that of what nothing is known of."""
    found = {}
    for name, own in constants.items():
        models = {}
        for scope in ("class", "difference"):
            error = unknown[name].error_model(scope).constant
            models[f"error_{scope}"] = ErrorModel(
                own.error_model(scope).constant, of_doubts={"outside": error}
            )
        found[name] = Constants(**{**own.__dict__, **models})
    return found
