"""The verdict: four questions, per control class and for the difference between classes.

What may be claimed. Where the evidence is uncalibrated (`levelfield.qc.verdict.rules.UNCALIBRATED`) nothing
passes; a gross failure is still called, when the 95 % interval, widened by a generous systematic
error, lies wholly beyond the margin. agreement is undecided without a review. Where both classes
were reviewed, the review decides agreement and split_merge by its sampling error alone, and can
take back a pass of the threshold. `levelfield.qc.verdict.rule` holds the rule, this module the tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from levelfield.qc.review.estimates import COMPLETE, PARTIAL, REVIEW_COLUMNS, UNREVIEWED
from levelfield.qc.statistics.estimates import (
    FAIL_LEVEL,
    PASS_LEVEL,
    Estimate,
    Verdict,
    combine_plates,
    wells_to_decide,
)
from levelfield.qc.verdict.rule import (
    UNITS,
    Case,
    cases,
    estimate_of,
    judge,
    pass_was_withheld,
    review_contradicts,
)
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.wording.advice import Finding, Review, advice

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
REVIEWED_COLUMNS = (
    *REVIEW_COLUMNS,
    "unit",
    "evidence_estimate",
    "evidence_ci_low",
    "evidence_ci_high",
    "reviewed_estimate",
    "reviewed_ci_low",
    "reviewed_ci_high",
)


def plate_verdict(
    estimates: pd.DataFrame, rules: Rules | None = None, reviewed: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Judge the estimates of one plate: ``qc/verdict.csv``.

    Parameters
    ----------
    estimates : pandas.DataFrame
        From `levelfield.qc.statistics.comparison.plate_estimates`.
    rules : Rules, optional
        Margins, methods and constants.
    reviewed : pandas.DataFrame, optional
        From `levelfield.qc.review.estimates.review_estimates`.

    Returns
    -------
    pandas.DataFrame
        `VERDICT_COLUMNS`. Estimates, intervals (90 %) and margins are in ``unit``. A difference
        fails or is undecided when its density-matched twin does, unless both classes were reviewed.
        The difference row named ``worst`` is the plate's answer to a question.
    """
    rules = rules or Rules()
    found = cases(estimates, reviewed, rules)
    verdicts = judge(found)
    groups: dict[tuple[str, str], list[dict]] = {}
    for case, verdict in zip(found, verdicts, strict=True):
        rows = groups.setdefault((case.row["object_set"], case.question), [])
        rows.append(_verdict_row(case, _finding(case, verdict, rules), rules))
    answered = [[*rows, _worst(rows)] for rows in groups.values()]
    table = [row for rows in answered for row in rows]
    return pd.DataFrame(table, columns=list(VERDICT_COLUMNS))


def reviewed_table(
    estimates: pd.DataFrame, reviewed: pd.DataFrame, rules: Rules | None = None
) -> pd.DataFrame:
    """Set the review beside the evidence: ``qc/reviewed.csv``.

    Parameters
    ----------
    estimates, reviewed : pandas.DataFrame
        As for `plate_verdict`.
    rules : Rules, optional
        As for `plate_verdict`.

    Returns
    -------
    pandas.DataFrame
        `REVIEWED_COLUMNS`: the rows of `reviewed` with both estimates and their 90 % intervals in
        ``unit``; agreement has no interval by the evidence alone, and of the threshold the review
        knows the share of objects that are too large minus too small (pp), the evidence px.
    """
    rows = []
    for case in cases(estimates, reviewed, rules or Rules()):
        unit, scale = UNITS[case.question]
        evidence = case.evidence
        if case.question == "agreement":
            unit = "pp" if case.is_difference else unit
            evidence = Estimate(evidence.value, float("nan"), float("nan"), evidence.n_wells)
        sides = {"evidence": (evidence, scale), "reviewed": (case.reviewed, 100.0)}
        row = dict(case.review) | {"unit": unit}
        for name, (estimate, factor) in sides.items():
            low, high = estimate.interval(PASS_LEVEL) if estimate else (np.nan, np.nan)
            row[f"{name}_estimate"] = estimate.value * factor if estimate else np.nan
            row |= {f"{name}_ci_low": low * factor, f"{name}_ci_high": high * factor}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(REVIEWED_COLUMNS))


def screen_verdict(
    estimates: Sequence[pd.DataFrame],
    rules: Rules | None = None,
    reviewed: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Judge a screen from the estimates of its plates: ``results/screen/verdict.csv``.

    Plates are blocks: every plate's estimate of a control counts the same, and the scatter between
    plates widens the interval (`levelfield.qc.statistics.estimates.combine_plates`). Controls that stand on some
    plates only are combined over those.

    Parameters
    ----------
    estimates : sequence of pandas.DataFrame
        ``qc/estimates.csv`` of every plate.
    rules : Rules, optional
        As for a plate.
    reviewed : sequence of pandas.DataFrame
        ``qc/reviewed.csv`` of every plate. A control counts as reviewed when it was on every plate
        that has it.

    Returns
    -------
    pandas.DataFrame
        `VERDICT_COLUMNS`, with plate "screen".
    """
    if not estimates:
        raise ValueError("A screen without plates has no verdict; pass at least one plate's table.")
    together = pd.concat(estimates, ignore_index=True)
    keys = ["question", "object_set", "scope", "perturbation"]
    for column in ("perturbation", "missing", "looks"):
        together[column] = together[column].fillna("")
    rows = [
        dict(zip([*keys, "adjustment"], key, strict=True)) | _over_plates(group)
        for key, group in together.groupby([*keys, "adjustment"], sort=False)
    ]
    screen = pd.DataFrame(rows, columns=estimates[0].columns)
    if not len(reviewed):
        return plate_verdict(screen, rules)
    reviews = pd.concat(reviewed, ignore_index=True)
    reviews["perturbation"] = reviews["perturbation"].fillna("")
    rows = [
        dict(zip(keys, key, strict=True)) | _reviews_over_plates(group)
        for key, group in reviews.groupby(keys, sort=False)
    ]
    return plate_verdict(screen, rules, pd.DataFrame(rows))


def _reviews_over_plates(group: pd.DataFrame) -> dict:
    """Combine the reviews of one row, plates being blocks."""
    there = group[group["n_drawn"] > 0]
    whole = len(there) > 0 and (there["review"] == COMPLETE).all()
    nothing = (there["review"] == UNREVIEWED).all()
    estimate = Estimate(float("nan"), float("nan"), float("nan"), 0)
    if whole:
        estimate = combine_plates([estimate_of(row) for row in there.to_dict("records")])
    return {
        "review": COMPLETE if whole else UNREVIEWED if nothing else PARTIAL,
        **{name: int(group[name].sum()) for name in ("n_drawn", "n_reviewed", "n_cannot_tell")},
        "value": estimate.value,
        "variance": estimate.variance,
        "degrees_of_freedom": estimate.degrees_of_freedom,
        "n_wells": int(group["n_wells"].sum()),
        "missed_per_object": float(group["missed_per_object"].mean()),
        "n_missed_fields": int(group["n_missed_fields"].sum()),
        # Of each plate, for the plate that needs most.
        "reviews_needed": float(group["reviews_needed"].max()),
        "notes": "",
    }


def _over_plates(group: pd.DataFrame) -> dict:
    estimate = combine_plates([estimate_of(row) for row in group.to_dict("records")])
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
        "positive_value": _weighted_mean(group["positive_value"].to_numpy(float), weights),
        "negative_value": _weighted_mean(group["negative_value"].to_numpy(float), weights),
        "missing": "" if (group["missing"] == "").any() else group["missing"].iloc[0],
        "variants_low": float(group["variants_low"].mean()),
        "variants_high": float(group["variants_high"].mean()),
        "looks": "; ".join(dict.fromkeys(look for look in group["looks"] if look)),
        # One plate outside of the calibration is enough to doubt the mean.
        "outside_share": float(group["outside_share"].max()),
    }


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


def _finding(case: Case, verdict: Verdict, rules: Rules) -> Finding:
    """Say in units, for the advice, what was found and judged."""
    row, margin = case.row, case.margin
    unit, scale = UNITS[case.question]
    if case.question == "agreement" and case.is_difference:
        unit = "pp"
    low, high = case.estimate.interval(PASS_LEVEL) if case.judged else (np.nan, np.nan)
    twin = case.matched if case.judged else None
    matched_low, matched_high = twin.interval(PASS_LEVEL) if twin else (np.nan, np.nan)
    return Finding(
        question=case.question,
        object_set=row["object_set"],
        scope=row["scope"],
        perturbation=row["perturbation"],
        method=rules.methods.get(row["object_set"], ""),
        value=case.estimate.value * scale,
        margin=round(margin * scale, 9),
        unit=unit,
        ci_low=low * scale,
        ci_high=high * scale,
        verdict=verdict,
        missing=row["missing"],
        fewest_wells=int(row["fewest_wells"]),
        calibrated=case.constants.calibrated,
        wells_needed=_wells_needed(case),
        fail_beyond=_fail_beyond(case.estimate, margin) * scale,
        fraction_low=float(row["fraction_low"]),
        fraction_high=float(row["fraction_high"]),
        forced=case.forced,
        outside_share=float(row["outside_share"]) if case.outside else 0.0,
        matched_value=case.matched.value * scale if case.matched else np.nan,
        matched_low=matched_low * scale,
        matched_high=matched_high * scale,
        positive_value=_class_value(case, "positive_value") * scale,
        negative_value=_class_value(case, "negative_value") * scale,
        review=_review_finding(case),
    )


def _class_value(case: Case, name: str) -> float:
    """Return the value of one class of a difference, corrected as the row of that class is."""
    read = Estimate(float(case.row[name]), 0.0, float("inf"), 0)
    return case.constants.correct(read, is_difference=False).value


def _review_finding(case: Case) -> Review:
    """Say in units what the review adds."""
    row = case.review
    if not row:
        return Review()
    seen = case.reviewed
    low, high = seen.interval(PASS_LEVEL) if seen else (np.nan, np.nan)
    needed = row["reviews_needed"]
    return Review(
        state=case.state,
        n_reviewed=int(row["n_reviewed"]),
        n_drawn=int(row["n_drawn"]),
        n_cannot_tell=int(row["n_cannot_tell"]),
        decides=case.by_review,
        withholds=pass_was_withheld(case),
        contradicts=review_contradicts(case),
        value=seen.value * 100 if seen else np.nan,
        ci_low=low * 100,
        ci_high=high * 100,
        evidence_value=case.evidence.value * UNITS[case.question][1],
        needed=None if np.isnan(needed) else int(needed),
        missed=float(row["missed_per_object"]) * 100,
        n_missed_fields=int(row["n_missed_fields"]),
        notes=row["notes"],
    )


def _wells_needed(case: Case) -> int | None:
    """Wells per class that would decide it; a review is about the wells that were imaged."""
    if case.by_review or case.question == "agreement":
        return None
    fewest = int(case.row["fewest_wells"])
    if not case.is_difference:
        return wells_to_decide(case.estimate, case.margin, (fewest,))
    wells = (fewest, int(case.row["n_wells"]) - fewest)
    twins = [one for one in (case.estimate, case.matched) if one is not None]
    needed = [wells_to_decide(one, case.margin, wells) for one in twins]
    return None if None in needed else max(needed)


def _fail_beyond(estimate: Estimate, margin: float) -> float:
    """Size at which an uncalibrated estimate of this precision would be called a failure."""
    low, high = estimate.interval(FAIL_LEVEL)
    return margin + (high - low) / 2


def _verdict_row(case: Case, finding: Finding, rules: Rules) -> dict:
    text = advice(finding)
    verdict = finding.verdict
    if rules.withheld:
        verdict, text = "undecided", f"No verdict: {rules.withheld.rstrip('.')}. {text}"
    row = case.row
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
        "n_reviewed": finding.review.n_reviewed,
        "verdict": verdict,
        "advice": text,
    }


def _worst(rows: Sequence[dict]) -> dict:
    """Choose the plate's answer: the worst verdict, then the largest against its margin."""
    rows = [row for row in rows if row["scope"] == "difference"]
    order = {"pass": 0, "undecided": 1, "fail": 2}

    def badness(row: dict) -> tuple[int, float]:
        size = abs(row["estimate"]) / row["margin"]
        # An estimate that is missing leaves more open than any that is there.
        return order[row["verdict"]], float("inf") if np.isnan(size) else size

    chosen = max(rows, key=badness)
    named = chosen["perturbation"]
    text = f"Worst of {len(rows)} positive controls: {named}. " if len(rows) > 1 else ""
    return chosen | {"perturbation": WORST, "advice": text + chosen["advice"]}
