"""The verdict's questions answered from reference labels, beside what the evidence says.

Where people have drawn some fields, the same definitions (`levelfield.evaluation.errors`) give the
truth on these fields: it errs by its sampling alone, the well being the unit as in the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from levelfield.evaluation.tables import ALL_SIZES
from levelfield.qc.evidence.scores import OBJECT_SET
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.estimates import (
    PASS_LEVEL,
    Estimate,
    at_least_verdict,
    difference,
    equivalence_verdict,
    failure_p_value,
    holm,
    ratio_estimate,
)
from levelfield.qc.statistics.summary import threshold_call
from levelfield.qc.verdict.tables import WORST

TRUTH_COLUMNS = (
    "plate",
    "question",
    "object_set",
    "scope",
    "perturbation",
    "unit",
    "margin",
    "truth",
    "truth_ci_low",
    "truth_ci_high",
    "truth_verdict",
    "n_wells",
    "n_sites",
    "n_objects",
    "fraction_low",
    "fraction_high",
    "same_sites_estimate",
    "same_sites_ci_low",
    "same_sites_ci_high",
    "estimate",
    "ci_low",
    "ci_high",
    "verdict",
)
_ROW = ["question", OBJECT_SET, "scope", "perturbation"]
_SCALE = {"px": 1.0, "pp": 100.0, "%": 100.0}
_NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0)


def truth_table(
    images: pd.DataFrame,
    verdict: pd.DataFrame,
    same_sites: pd.DataFrame,
    pairs: Sequence[Comparison],
) -> pd.DataFrame:
    """Set the truth beside the estimate: ``qc/truth.csv``.

    Parameters
    ----------
    images : pandas.DataFrame
        ``evaluation/images.csv``: scores of the fields that have a reference, by ``object_set``.
    verdict : pandas.DataFrame
        ``qc/verdict.csv`` of the plate.
    same_sites : pandas.DataFrame
        The same from the fields that have a reference alone, so that estimate and truth are of the
        same objects.
    pairs : sequence of Comparison
        The plate's controls.

    Returns
    -------
    pandas.DataFrame
        `TRUTH_COLUMNS`, a row for every row of the verdict but the worst, of the object sets that
        have references. In ``unit``; intervals are at 90 %, from the scatter between the wells that
        have references. NaN and no verdict where a class has none; no interval with one well.
    """
    whole = images[images["size_class"] == ALL_SIZES]
    rows = verdict[verdict["perturbation"] != WORST]
    rows = rows[rows[OBJECT_SET].isin(whole[OBJECT_SET])].to_dict("records")
    alike = {_key(row): row for row in same_sites.to_dict("records")}
    truths = [_truth(row, whole[whole[OBJECT_SET] == row[OBJECT_SET]], pairs) for row in rows]
    verdicts = _verdicts(rows, truths)
    table = [
        _table_row(row, truth, said, alike.get(_key(row), {}))
        | _counts(whole[whole[OBJECT_SET] == row[OBJECT_SET]], _wells(row, pairs))
        for row, truth, said in zip(rows, truths, verdicts, strict=True)
    ]
    return pd.DataFrame(table, columns=list(TRUTH_COLUMNS))


def class_truth(images: pd.DataFrame, question: str) -> Estimate:
    """Answer a question for one class from its evaluated images, in fractions or px."""
    if question == "threshold":
        images = images[images["boundary_bias_px"].notna()]
        top, bottom = images["boundary_bias_px"], pd.Series(1.0, images.index)
    else:
        bottom = images["n_prediction"].astype(float)
        top = images["n_excess_fragments"] - images["n_lacking_objects"]
        if question == "agreement":
            top = (images["agreement"] * bottom).fillna(0.0)
    sums = pd.DataFrame({"top": top, "bottom": bottom}).groupby(images["Metadata_Well"]).sum()
    return ratio_estimate(sums["top"], sums["bottom"])


def _truth(row: Mapping, images: pd.DataFrame, pairs: Sequence[Comparison]) -> Estimate:
    classes = [
        class_truth(images[images["Metadata_Well"].isin(wells)], row["question"])
        for wells in _wells(row, pairs)
    ]
    if not classes or not all(one.n_wells for one in classes):
        return _NOTHING
    return classes[0] if len(classes) == 1 else difference(*classes)


def _wells(row: Mapping, pairs: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return the wells of the row's class, or of both its classes, the positive one first."""
    for pair in pairs:
        name = pair.negative_name if row["scope"] == "negcon" else pair.perturbation
        if name == row["perturbation"]:
            sides = {"poscon": pair.positive_wells, "negcon": pair.negative_wells}
            return [*sides.values()] if row["scope"] == "difference" else [sides[row["scope"]]]
    return []


def _verdicts(rows: Sequence[Mapping], truths: Sequence[Estimate]) -> list[str]:
    """Judge as the verdict does: failures of differences are corrected for each other."""
    margins = [_fraction(row["margin"], row["unit"]) for row in rows]
    chances = np.array(
        [
            failure_p_value(truth, margin, calibrated=True)
            if row["scope"] == "difference"
            else np.nan
            for row, truth, margin in zip(rows, truths, margins, strict=True)
        ]
    )
    questions = np.array([row["question"] for row in rows])
    for question in dict.fromkeys(questions):
        chances[questions == question] = holm(chances[questions == question])
    found = []
    for row, truth, margin, chance in zip(rows, truths, margins, chances, strict=True):
        if not truth.n_wells:
            found.append("")
        elif row["unit"] == "%":
            found.append(at_least_verdict(truth, margin))
        else:
            own = None if np.isnan(chance) else float(chance)
            found.append(equivalence_verdict(truth, margin, p_value=own))
    return found


def _fraction(value: float, unit: str) -> float:
    return value / _SCALE[unit]


def _table_row(row: Mapping, truth: Estimate, said: str, alike: Mapping) -> dict:
    scale = _SCALE[row["unit"]]
    low, high = truth.interval(PASS_LEVEL)
    if row["unit"] == "%":  # few wells give a wide interval, but no share beyond all objects
        low, high = np.clip([low, high], 0.0, 1.0)
    names = ("estimate", "ci_low", "ci_high")
    return {
        **{name: row[name] for name in ("plate", *_ROW, "unit", "margin", *names, "verdict")},
        "truth": truth.value * scale,
        "truth_ci_low": low * scale,
        "truth_ci_high": high * scale,
        "truth_verdict": said,
        "n_wells": truth.n_wells,
        **{f"same_sites_{name}": alike.get(name, np.nan) for name in names},
    }


def _counts(images: pd.DataFrame, wells: Sequence[Sequence[str]]) -> dict:
    own = images[images["Metadata_Well"].isin([well for side in wells for well in side])]
    calls = threshold_call(own["boundary_bias_px"])
    calls = calls[calls != ""]
    shares = {
        f"fraction_{call}": float((calls == call).mean()) if len(calls) else np.nan
        for call in ("low", "high")
    }
    return {"n_sites": len(own), "n_objects": int(own["n_prediction"].sum()), **shares}


def _key(row: Mapping) -> tuple:
    return tuple(row[name] for name in _ROW)
