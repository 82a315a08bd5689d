"""The verdict: four questions, per control class and for the difference between classes.

What may be claimed. The evidence behind split_merge and the constants behind both questions are
uncalibrated (`levelfield.qc.rules.UNCALIBRATED`), so nothing passes. A gross failure is still
called: when the 95 % interval, widened by a generous systematic error, lies wholly beyond the
margin. agreement is undecided without a reference or a review. Everything between is undecided,
with the estimate shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from levelfield.qc.advice import Finding, advice
from levelfield.qc.balance import (
    FAIL_LEVEL,
    PASS_LEVEL,
    Estimate,
    combine_plates,
    equivalence_verdict,
    wells_to_decide,
    with_systematic_error,
    worse,
)
from levelfield.qc.comparison import MATCHED, RAW
from levelfield.qc.rules import Constants, Rules

VERDICT_COLUMNS = (
    "plate",
    "question",
    "object_set",
    "scope",
    "perturbation",
    "estimate",
    "unit",
    "ci_low",
    "ci_high",
    "margin",
    "n_wells",
    "n_sites",
    "n_objects",
    "n_reviewed",
    "verdict",
    "advice",
)
WORST = "worst"
SCREEN = "screen"
_UNITS = {"split_merge": ("pp", 100.0), "threshold": ("px", 1.0), "agreement": ("%", 100.0)}


def plate_verdict(estimates: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """Judge the estimates of one plate: ``qc/verdict.csv``.

    Parameters
    ----------
    estimates : pandas.DataFrame
        From `levelfield.qc.comparison.plate_estimates`.
    rules : Rules, optional
        Margins, methods and constants.

    Returns
    -------
    pandas.DataFrame
        `VERDICT_COLUMNS`. Estimates, intervals (90 %) and margins are in ``unit``. A difference
        fails or is undecided when its density-matched twin does. The difference row named
        ``worst`` is the plate's answer to a question.
    """
    rules = rules or Rules()
    rows = []
    for _, group in estimates.groupby(["object_set", "question"], sort=False):
        rows += _question_rows(group, rules)
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def screen_verdict(estimates: Sequence[pd.DataFrame], rules: Rules | None = None) -> pd.DataFrame:
    """Judge a screen from the estimates of its plates: ``results/screen/verdict.csv``.

    Plates are blocks: every plate's estimate of a control counts the same, and the scatter between
    plates widens the interval (`levelfield.qc.balance.combine_plates`). Controls that stand on some
    plates only are combined over those.

    Parameters
    ----------
    estimates : sequence of pandas.DataFrame
        ``qc/estimates.csv`` of every plate.
    rules : Rules, optional
        As for a plate.

    Returns
    -------
    pandas.DataFrame
        `VERDICT_COLUMNS`, with plate "screen".
    """
    if not estimates:
        raise ValueError("A screen without plates has no verdict; pass at least one plate's table.")
    together = pd.concat(estimates, ignore_index=True)
    keys = ["question", "object_set", "scope", "perturbation", "adjustment"]
    for column in ("perturbation", "missing"):
        together[column] = together[column].fillna("")
    rows = [
        dict(zip(keys, key, strict=True)) | _over_plates(group)
        for key, group in together.groupby(keys, sort=False)
    ]
    return plate_verdict(pd.DataFrame(rows, columns=estimates[0].columns), rules)


def _over_plates(group: pd.DataFrame) -> dict:
    estimate = combine_plates([_estimate(row) for row in group.to_dict("records")])
    weights = group["n_sites"].to_numpy(float)
    return {
        "plate": SCREEN,
        "value": estimate.value,
        "variance": estimate.variance,
        "degrees_of_freedom": estimate.degrees_of_freedom,
        "n_wells": int(group["n_wells"].sum()),
        "fewest_wells": int(group["fewest_wells"].sum()),
        "n_sites": int(group["n_sites"].sum()),
        "n_objects": int(group["n_objects"].sum()),
        "fraction_low": _weighted_mean(group["fraction_low"].to_numpy(float), weights),
        "fraction_high": _weighted_mean(group["fraction_high"].to_numpy(float), weights),
        "side_value": _weighted_mean(group["side_value"].to_numpy(float), weights),
        "missing": "" if (group["missing"] == "").any() else group["missing"].iloc[0],
    }


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


def _estimate(row: Mapping) -> Estimate:
    return Estimate(
        float(row["value"]),
        float(row["variance"]),
        float(row["degrees_of_freedom"]),
        int(row["n_wells"]),
    )


def _question_rows(group: pd.DataFrame, rules: Rules) -> list[dict]:
    """Rows of one question and object set, and the worst difference as the last."""
    twins = {
        row["perturbation"]: row for row in group[group["adjustment"] == MATCHED].to_dict("records")
    }
    rows = []
    for row in group[group["adjustment"] == RAW].to_dict("records"):
        twin = twins.get(row["perturbation"]) if row["scope"] == "difference" else None
        rows.append(_verdict_row(row, _finding(row, twin, rules), rules))
    return [*rows, _worst([row for row in rows if row["scope"] == "difference"])]


def _finding(row: Mapping, twin: Mapping | None, rules: Rules) -> Finding:
    """Judge one row, together with its density-matched twin if there is one."""
    question = row["question"]
    scale = _UNITS[question][1]
    common = {
        "question": question,
        "object_set": row["object_set"],
        "scope": row["scope"],
        "perturbation": row["perturbation"],
        "method": rules.methods.get(row["object_set"], ""),
        "missing": row["missing"],
        "fewest_wells": int(row["fewest_wells"]),
        "fraction_low": float(row["fraction_low"]),
        "fraction_high": float(row["fraction_high"]),
        "side_value": float(row["side_value"]) * scale,
    }
    if question == "agreement":
        return Finding(**common, **_agreement(row, rules.margins.agreement))
    margin = getattr(rules.margins, question) / scale
    return Finding(**common, **_judged(row, twin, margin, rules.constants[question]))


def _agreement(row: Mapping, margin: float) -> dict:
    """Show the estimate without any claim, hence without interval: there is no reference."""
    is_difference = row["scope"] == "difference"
    return {
        "value": float(row["value"]) * 100,
        "margin": 100 - margin if is_difference else margin,
        "unit": "pp" if is_difference else "%",
    }


def _judged(row: Mapping, twin: Mapping | None, margin: float, constants: Constants) -> dict:
    """Verdict and interval of a row; the worse verdict of the row and its matched twin."""
    unit, scale = _UNITS[row["question"]]
    estimate = _with_error(row, constants)
    matched = float("nan")
    verdict = equivalence_verdict(estimate, margin, calibrated=constants.calibrated)
    if twin is not None:
        other = _with_error(twin, constants)
        matched = other.value
        twin_verdict = equivalence_verdict(other, margin, calibrated=constants.calibrated)
        verdict = worse(verdict, twin_verdict)
    low, high = estimate.interval(PASS_LEVEL)
    return {
        "value": estimate.value * scale,
        "ci_low": low * scale,
        "ci_high": high * scale,
        "margin": margin * scale,
        "unit": unit,
        "verdict": verdict,
        "calibrated": constants.calibrated,
        "wells_needed": wells_to_decide(estimate, margin),
        "fail_beyond": _fail_beyond(estimate, margin) * scale,
        "matched_value": matched * scale,
    }


def _with_error(row: Mapping, constants: Constants) -> Estimate:
    is_difference = row["scope"] == "difference"
    sigma = constants.sigma_difference if is_difference else constants.sigma_class
    return with_systematic_error(_estimate(row), constants.slope, sigma)


def _fail_beyond(estimate: Estimate, margin: float) -> float:
    """Size at which an uncalibrated estimate of this precision would be called a failure."""
    low, high = estimate.interval(FAIL_LEVEL)
    return margin + (high - low) / 2


def _verdict_row(row: Mapping, finding: Finding, rules: Rules) -> dict:
    text = advice(finding)
    verdict = finding.verdict
    if rules.withheld:
        verdict, text = "undecided", f"No verdict: {rules.withheld.rstrip('.')}. {text}"
    return {
        "plate": row["plate"],
        "question": finding.question,
        "object_set": finding.object_set,
        "scope": finding.scope,
        "perturbation": finding.perturbation,
        "estimate": finding.value,
        "unit": finding.unit,
        "ci_low": finding.ci_low,
        "ci_high": finding.ci_high,
        "margin": finding.margin,
        "n_wells": int(row["n_wells"]),
        "n_sites": int(row["n_sites"]),
        "n_objects": int(row["n_objects"]),
        "n_reviewed": 0,
        "verdict": verdict,
        "advice": text,
    }


def _worst(rows: Sequence[dict]) -> dict:
    """Choose the plate's answer: the worst verdict, then the largest against its margin."""
    order = {"pass": 0, "undecided": 1, "fail": 2}

    def badness(row: dict) -> tuple[int, float]:
        size = abs(row["estimate"]) / row["margin"]
        # An estimate that is missing leaves more open than any that is there.
        return order[row["verdict"]], float("inf") if np.isnan(size) else size

    chosen = max(rows, key=badness)
    named = chosen["perturbation"]
    text = f"Worst of {len(rows)} positive controls: {named}. " if len(rows) > 1 else ""
    return chosen | {"perturbation": WORST, "advice": text + chosen["advice"]}
