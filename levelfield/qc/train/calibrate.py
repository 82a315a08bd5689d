"""From plates whose truth is known to the constants that are shipped: how far the evidence errs.

Slopes and floors come from plain segmentations and planted errors, of all segmenters together. The
variance of the evidence's error is fitted in two steps, by likelihood: a constant, a share of the
value and the disagreement of variants on plates whose classes look alike; then what each doubt
adds, on phenotypes and degraded images. What the scatter between images explains of an error is
taken off, since the interval of a plate holds it already. Each step is widened until intervals hold
`COVERED` of what was left out, in every kind of plate: errors have longer tails than a normal
distribution.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, minimize

from levelfield.arrays import AnyArray, Floats
from levelfield.qc.statistics.errors import DOUBTS, Constants, ErrorModel
from levelfield.qc.train.phenotypes import EXTREME
from levelfield.qc.train.plates import Plate, read_rows
from levelfield.qc.train.segmentations import KINDS, METHODS
from levelfield.questions import CALIBRATED, MEASURES

COVERED = 0.85
Z90 = 1.75
"""Deviations to either end of a 90 % interval: Student's t, about a degree of freedom a group."""
WIDEST = 6.0
LARGEST = {"value": 0.2, "variants": 0.4}
"""Bounds of the error per size of the value, and per range of the variants. Without them the
likelihood explains most errors by them; as both grow with a true error, it is seldom declared."""
LEAST = {"bias": 0.12, "invented": 0.02}
"""Least constant, in px and as a fraction; 0.01 of all others. Nothing is known better than that:
in two of thirteen groups annotators call many nuclei none that all other groups would label."""
ALIKE = ("nothing", "segmentation", "density", "planted", "planted in both")
"""Plates whose classes are alike in appearance."""
_SHIFTS = tuple(name for name in DOUBTS if name != "variants")


def whole_rows(plates: Sequence[Plate]) -> pd.DataFrame:
    """Return every row of every plate, read from all its images: a table with truth and doubts."""
    rows: list[dict[str, Any]] = []
    for plate in plates:
        head = {name: getattr(plate, name) for name in ("group", "kind", "differing", "what")}
        family = plate.what.split(" ")[0] if plate.differing == "degraded" else plate.family
        head |= {"family": family, "fold": plate.fold}
        for row in read_rows(plate):
            own = {"measure": row.measure, "scope": row.scope, "read": row.estimate.value}
            own |= {"truth": row.truth, "noise": row.noise}
            rows.append(head | own | vars(row.doubts))
    return pd.DataFrame(rows).dropna(subset=["read", "truth"]).reset_index(drop=True)


def calibrate(
    rows: pd.DataFrame, *, fold: int | None = None, family: str | None = None
) -> dict[tuple[str, str, str], Constants]:
    """Find the constants by measure, kind of object and kind of segmenter, from `whole_rows`.

    A fold of groups and a family of phenotypes may be left out.
    """
    keep = rows["fold"] != fold
    if family:
        keep &= rows["family"] != family
    keep &= ~rows["what"].isin(EXTREME) & ~rows["differing"].str.endswith("same images")
    known, found = rows[keep], {}
    for measure in CALIBRATED:
        of_measure = known[known["measure"] == measure]
        line = _line(of_measure, measure)
        for kind in KINDS:
            own = of_measure[of_measure["kind"] == kind]
            found[measure, "nuclei", METHODS[kind]] = _constants(own, measure, line)
    return found


def _constants(rows: pd.DataFrame, measure: str, line: tuple[float, float]) -> Constants:
    floor, slope = line
    is_difference = rows["scope"] == "difference"
    value = slope * (rows["read"] - np.where(is_difference, 0.0, floor))
    judged = rows.assign(value=value, error=rows["truth"] - value)
    if MEASURES[measure].is_share_of_right:  # the error grows with what is wrong
        judged["value"] = np.where(is_difference, judged["value"], 1 - judged["value"])
    return Constants(
        calibrated=True,
        slope=round(slope, 3),
        floor=round(floor, 4),
        error_class=fit_errors(judged[~is_difference], measure),
        error_difference=fit_errors(judged[is_difference], measure),
        degrees_of_freedom=float(rows["group"].nunique() - 1),
        between_wells=round(_between(rows), 4),
        of_right=MEASURES[measure].is_share_of_right,
    )


def _line(rows: pd.DataFrame, measure: str) -> tuple[float, float]:
    """Return floor and slope: medians over groups, so that no acquisition decides alone."""
    # The slope is that of differences, in which what annotators have in common cancels; the floor
    # is what is read where nothing is, or, below zero, what no evidence sees (small objects that
    # the second opinion misses, too). The bias is the distance itself.
    if measure == "bias":
        return 0.0, 1.0
    gaps = rows[
        rows["differing"].isin(("segmentation", "planted")) & (rows["scope"] == "difference")
    ]
    slope = float(np.median([_slope(own) for _, own in gaps.groupby("group")]))
    plain = rows[rows["differing"].isin(("nothing", "density")) & (rows["scope"] != "difference")]
    rest = plain["truth"] - slope * plain["read"]
    return -float(rest.groupby(plain["group"]).mean().median()) / slope, slope


def _slope(rows: pd.DataFrame) -> float:
    """Least squares through the origin, drawn a little towards 1; kinds of plates count alike."""
    weight = 1 / rows.groupby(["differing", "kind"])["read"].transform("size")
    x, y, w = rows["read"].to_numpy(), rows["truth"].to_numpy(), weight.to_numpy()
    prior = 0.1 * float(w @ x**2) + 1e-6
    return float(np.clip((w @ (x * y) + prior) / (w @ x**2 + prior), 0.67, 1.5))


def _between(rows: pd.DataFrame) -> float:
    """Scatter of a measure between classes of one group in one segmentation, a well's stand-in."""
    same = rows[rows["differing"] == "nothing"]
    gaps = same.loc[same["scope"] == "difference", "truth"]
    return float(np.sqrt(np.mean(gaps**2) / 2)) if len(gaps) else 0.0


# ------------------------------------------------------------------ the variance of the error


def fit_errors(rows: pd.DataFrame, measure: str) -> ErrorModel:
    """Fit the variance of the error of one measure, kind of segmenter and kind of row.

    The rows have ``error, value, noise, differing, family, fold`` and all doubts.
    """
    least = LEAST.get(measure, 0.01)
    alike = rows[rows["differing"].isin(ALIKE)]
    first = _widened(alike, ("constant", "value", "variants"), {}, least, by="fold")
    other = rows[~rows["differing"].isin(ALIKE)]
    second = _widened(other, _SHIFTS, first, 0.0, by="family")
    weights = {name: round(float(np.sqrt(second[name])), 4) for name in _SHIFTS if second[name] > 0}
    if first["variants"] > 0:
        weights["variants"] = round(float(np.sqrt(first["variants"])), 4)
    return ErrorModel(
        constant=round(float(np.sqrt(first["constant"])), 4),
        of_value=round(float(np.sqrt(first["value"])), 3),
        of_doubts=weights,
    )


def _widened(
    rows: pd.DataFrame, names: Sequence[str], fixed: Mapping[str, float], least: float, *, by: str
) -> dict[str, float]:
    """Fit squared weights of `names` beside `fixed` ones, widened to cover what is left out."""
    # Kinds of plates (phenotypes by family) weigh alike, and the worst covered decides. What is
    # bounded is not widened.
    part = rows["differing" if by == "fold" else "family"]
    rows = rows.assign(part=part.where(part != "", rows["differing"]))
    found = _fit(rows, names, fixed, least)
    own, base = pd.Series(0.0, rows.index), pd.Series(0.0, rows.index)
    for left_out in rows[by].unique():
        mine, rest = rows[by] == left_out, rows[rows[by] != left_out]
        weights = _fit(rest, names, fixed, least) if len(rest) else found
        own[mine], base[mine] = _variances(rows[mine], weights, fixed)
    widen = max(
        _factor(rows.loc[places, "error"], own[places], base[places])
        for places in rows.groupby("differing").groups.values()
    )
    return {
        name: weight if name in LARGEST else weight * widen**2 for name, weight in found.items()
    }


def _variances(
    rows: pd.DataFrame, weights: Mapping[str, float], fixed: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """Return the variance that may be widened, and the rest: noise, bounded and fixed weights."""
    free = {name: weight for name, weight in weights.items() if name not in LARGEST}
    known = {name: weight for name, weight in weights.items() if name in LARGEST} | dict(fixed)
    return _sum_of_terms(rows, free), rows["noise"].to_numpy() + _sum_of_terms(rows, known)


def _factor(error: pd.Series, own: pd.Series, rest: pd.Series) -> float:
    """Return by how much deviations must be widened to cover enough of the errors."""
    low, high = 1.0, WIDEST
    for _ in range(20):
        middle = (low + high) / 2
        reach = Z90 * np.sqrt(rest + middle**2 * own)
        low, high = (low, middle) if (error.abs() <= reach).mean() >= COVERED else (middle, high)
    return high if high < WIDEST - 1e-3 else WIDEST


def _terms(rows: pd.DataFrame, names: Iterable[str]) -> Floats:
    """Return what each squared weight is multiplied by: (n, names)."""
    known = rows.assign(constant=1.0)[list(names)].fillna(0.0)
    return np.ascontiguousarray(known.to_numpy(float)) ** 2


def _sum_of_terms(rows: pd.DataFrame, weights: Mapping[str, float]) -> Floats:
    return _terms(rows, weights) @ np.array([*weights.values()], float)


def _fit(
    rows: pd.DataFrame, names: Sequence[str], fixed: Mapping[str, float], least: float
) -> dict[str, float]:
    """Find the squared weights under which normal errors are most likely."""
    # Of what never occurs in the rows nothing can be learned: its weight is 0.
    occurring = [name for name in names if _terms(rows, [name]).any()]
    if len(occurring) < len(names):
        known = _fit(rows, occurring, fixed, least) if occurring else {}
        return dict.fromkeys(names, 0.0) | known
    terms = _terms(rows, names)
    base = rows["noise"].to_numpy() + _sum_of_terms(rows, fixed)
    square = rows["error"].to_numpy() ** 2
    weight = (1 / rows.groupby("part")["error"].transform("size")).to_numpy()
    weight = weight / weight.sum()

    def cost(given: Floats) -> tuple[float, AnyArray]:
        variance = np.maximum(base + terms @ given, 1e-10)
        value = float(weight @ (np.log(variance) + square / variance))
        return value, terms.T @ (weight * (1 / variance - square / variance**2))

    expected = float(weight @ square) + 1e-8
    scale = np.maximum(weight @ terms, 1e-9)
    lowest = np.array([least**2 if name == "constant" else 0.0 for name in names])
    highest = np.array([LARGEST.get(name, np.inf) ** 2 for name in names])
    starts = [np.clip(share * expected / scale, lowest, highest) for share in (0.1, 0.5)]
    bounds = Bounds(lowest, highest)
    made = [minimize(cost, x, jac=True, bounds=bounds, method="L-BFGS-B") for x in starts]
    best = min(made, key=lambda each: each.fun)
    return dict(zip(names, map(float, best.x), strict=True))
