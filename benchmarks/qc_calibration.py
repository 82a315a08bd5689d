"""From plates whose truth is known to the constants that are shipped: how far the evidence errs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from levelfield.qc.evidence.looks import LARGEST_RANGE
from levelfield.qc.verdict.rules import Constants

KINDS = ("classical", "network", "cellpose")
# By the name of the method in the config; Cellpose's own weights are not calibrated by anything.
METHODS = {"classical": "classical", "network": "network", "cellpose": "cellpose-like"}
HEAVY = ("strongly_speckled",)
Z90 = 1.645
COVERED = 0.92


class Question(NamedTuple):
    """One question of the verdict: its columns, its unit and what its error may grow with."""

    estimate: str
    truth: str
    unit: float
    bounds: tuple[tuple[float, float], ...]


# Without bounds the likelihood explains nearly all errors by the range of the variants, and then a
# planted difference, about which variants differ, too, is seldom declared.
QUESTIONS = {
    "split_merge": Question(
        "balance", "true_balance", 100.0, ((1.0, 10.0), (0.0, 0.2), (0.0, 0.5))
    ),
    "threshold": Question("bias", "true_bias", 1.0, ((0.02, 1.0), (0.0, 0.2), (0.0, 0.0))),
}


class ErrorModel(NamedTuple):
    """Systematic error of a difference: a constant, and shares of its size and of the range."""

    constant: float
    of_size: float
    of_range: float

    def sigma(self, table: pd.DataFrame) -> np.ndarray:
        """Return one standard deviation for each row of ``value`` and ``range``."""
        squares = (self.of_size * table["value"]) ** 2 + (self.of_range * table["range"]) ** 2
        return np.sqrt(self.constant**2 + squares).to_numpy()


def slope_and_sigma(table: pd.DataFrame) -> tuple[float, float]:
    """Truth per ``estimate``, and the root mean square of what remains."""
    seen, true = table["estimate"].to_numpy(), table["truth"].to_numpy()
    slope = float(seen @ true / (seen @ seen))
    return slope, float(np.sqrt(np.mean((true - slope * seen) ** 2)))


def fit_errors(table: pd.DataFrame, bounds: tuple[tuple[float, float], ...]) -> ErrorModel:
    """Find the normal errors under which the ``error`` of all rows is most likely.

    Each way in which classes differ weighs as much as any other.
    """
    error = table["error"].to_numpy()
    weight = (1 / table.groupby("differing")["error"].transform("size")).to_numpy()

    def cost(given: np.ndarray) -> float:
        square = ErrorModel(*given).sigma(table) ** 2
        return float((weight * (np.log(square) + error**2 / square)).sum())

    starts = [[low + part * (high - low) for low, high in bounds] for part in (0.05, 0.2, 0.5)]
    found = [minimize(cost, one, bounds=bounds, method="L-BFGS-B") for one in starts]
    return ErrorModel(*map(float, min(found, key=lambda one: one.fun).x))


def fitted(
    table: pd.DataFrame, bounds: tuple[tuple[float, float], ...]
) -> tuple[float, ErrorModel]:
    """Slope and errors; widened until 90 % intervals hold `COVERED` of groups that are left out.

    Errors have longer tails than a normal distribution, and other acquisitions other errors. The
    slope is that of segmentations: phenotypes and planted errors are of a kind each.
    """

    def with_error(rows: pd.DataFrame, slope: float) -> pd.DataFrame:
        value = slope * rows["estimate"]
        return rows.assign(value=value, error=rows["truth"] - value)

    def slope_of(rows: pd.DataFrame) -> float:
        return slope_and_sigma(rows[rows["differing"] == "segmentation"])[0]

    parts = []
    for group, own in table.groupby("group"):
        rest = table[table["group"] != group]
        slope = slope_of(rest)
        own = with_error(own, slope)
        sigma = fit_errors(with_error(rest, slope), bounds).sigma(own)
        parts.append(own.assign(ratio=own["error"].abs() / sigma))
    held_out = pd.concat(parts).groupby("differing")["ratio"]
    widen = max(1.0, held_out.quantile(COVERED).mean() / Z90)
    slope = slope_of(table)
    model = fit_errors(with_error(table, slope), bounds)
    return slope, ErrorModel(*(float(widen * part) for part in model))


def calibrate(
    differences: pd.DataFrame, classes: pd.DataFrame
) -> dict[tuple[str, str, str], Constants]:
    """Find the constants of all questions and kinds of segmenter.

    Parameters
    ----------
    differences : DataFrame
        `qc_cases.differences` of plates whose classes differ.
    classes : DataFrame
        Estimates and truth of whole groups by kind and setting; of kind ``reference``, the floor.
    """
    found = {}
    for kind in KINDS:
        for name, question in QUESTIONS.items():
            columns = {question.estimate: "estimate", question.truth: "truth"}
            gaps, own = (
                table[table["kind"] == kind].rename(columns=columns).dropna(subset=columns.values())
                for table in (differences, classes)
            )
            floor = classes.loc[classes["kind"] == "reference", question.estimate].mean()
            constants = _constants(name, question, gaps, own, float(floor))
            found[name, "nuclei", METHODS[kind]] = constants
    return found


def _constants(
    name: str, question: Question, gaps: pd.DataFrame, classes: pd.DataFrame, floor: float
) -> Constants:
    # Equal classes have no error; what is withheld, or has an interval of its own, no part in this.
    contradicted = (gaps["range"] > 100 * LARGEST_RANGE) & (name == "split_merge")
    ordinary = gaps[~gaps["looks"] & ~contradicted & (gaps["differing"] != "nothing")]
    slope, errors = fitted(ordinary, question.bounds)
    # Where classes look different because they are; of saturated ones nothing is answered.
    odd = gaps[gaps["looks"] & ~gaps["saturated"] & ~gaps["what"].isin(HEAVY)]
    odd = odd[odd["differing"].isin(["images", "phenotype"])]
    missed = (odd["truth"] - slope * odd["estimate"]).abs()
    widest = missed.groupby(odd["differing"]).quantile(COVERED).mean() / Z90
    own = classes.assign(estimate=classes["estimate"] - floor)
    slope_class, sigma_class = slope_and_sigma(own)
    return Constants(
        slope=round(slope, 3),
        sigma_class=round(sigma_class / question.unit, 4),
        sigma_difference=round(errors.constant / question.unit, 4),
        calibrated=True,
        slope_class=round(slope_class, 3),
        floor_class=round(floor / question.unit, 4),
        sigma_outside=round(max(widest, 1.5 * errors.constant) / question.unit, 4),
        share_difference=round(errors.of_size, 3),
        range_weight=round(errors.of_range, 3),
    )


def held_out_constants(
    differences: pd.DataFrame, classes: pd.DataFrame
) -> Mapping[str, dict[tuple[str, str, str], Constants]]:
    """Calibrate for each group on all others, to be judged on that group."""
    return {
        group: calibrate(*(table[table["group"] != group] for table in (differences, classes)))
        for group in sorted(differences["group"].unique())
    }
