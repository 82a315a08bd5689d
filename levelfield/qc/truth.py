"""The verdict's questions answered from reference labels, beside what the evidence says.

Where people have drawn some fields, the same definitions (`levelfield.evaluation.errors`) give the
truth on these fields: it errs by its sampling alone, the well being the unit as in the verdict. Of
the threshold it is the distance to the outlines that people drew. How far these lie from the
visible edge is the annotators' convention, measured as the evidence's bias less that distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.evaluation.tables import ALL_SIZES
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.decision import bound_of, decide
from levelfield.qc.statistics.estimates import (
    NOTHING,
    PASS_LEVEL,
    Estimate,
    estimate_of_row,
    ratio_estimate,
)
from levelfield.qc.statistics.family import failure_level
from levelfield.qc.statistics.records import shared_fields
from levelfield.qc.statistics.summary import call_shares, threshold_call
from levelfield.qc.verdict.tables import VerdictLine
from levelfield.questions import MEASURES, THRESHOLD, Scope


@dataclass(frozen=True)
class TruthLine:
    """One row of ``qc/truth.csv``, in ``unit``; intervals are at 90 %.

    Plate to margin, and the estimate at the end, are those of the verdict.

    Attributes
    ----------
    truth, truth_ci_low, truth_ci_high : float
        From the scatter between the wells that have references; no interval with one well.
    truth_verdict : str
        By the rule of the verdict; empty where a class has no references.
    n_wells, n_sites, n_objects : int
        That have references.
    fraction_low, fraction_high : float
        Shares of images whose threshold is too low and too high.
    annotators_convention_px : float
        For the threshold, the distance from the visible edge to what the annotators drew; above 0:
        outside. For a difference, the positive wells less the negative ones. NaN for other
        measures, and where evidence or references are missing.
    same_sites_estimate, same_sites_ci_low, same_sites_ci_high : float
        By the evidence, on the fields that have a reference alone.
    """

    plate: str
    question: str
    measure: str
    object_set: str
    scope: Scope
    perturbation: str
    unit: str
    margin: float
    truth: float
    truth_ci_low: float
    truth_ci_high: float
    truth_verdict: str
    n_wells: int
    n_sites: int
    n_objects: int
    fraction_low: float
    fraction_high: float
    annotators_convention_px: float
    same_sites_estimate: float
    same_sites_ci_low: float
    same_sites_ci_high: float
    estimate: float
    ci_low: float
    ci_high: float
    verdict: str


def truth_lines(
    images: pd.DataFrame,
    verdict: Sequence[VerdictLine],
    same_sites: Sequence[VerdictLine],
    pairs: Sequence[Comparison],
) -> list[TruthLine]:
    """Set the truth beside the estimate: ``qc/truth.csv``.

    Parameters
    ----------
    images : DataFrame
        ``evaluation/images.csv``: scores of the fields that have a reference, by ``object_set``.
    verdict, same_sites : sequence of VerdictLine
        ``qc/verdict.csv`` of the plate, and the same from the fields that have a reference alone,
        so that estimate and truth are of the same objects.
    pairs : sequence of Comparison
        The plate's controls.

    Returns
    -------
    list of TruthLine
        One for every row of the verdict of the object sets that have references.
    """
    whole = images[images["size_class"] == ALL_SIZES]
    sets = set(whole[OBJECT_SET])
    alike = {row.key: row for row in same_sites}
    rows = [row for row in verdict if row.object_set in sets]
    own = [_images_of(whole, row, pairs) for row in rows]
    truths = [_truth(row.measure_name, classes) for row, classes in zip(rows, own, strict=True)]
    verdicts = _verdicts(rows, truths)
    return [
        _line(row, truth, said, alike.get(row.key), pd.concat([whole[:0], *classes]))
        for row, classes, truth, said in zip(rows, own, truths, verdicts, strict=True)
    ]


def class_truth(images: pd.DataFrame, measure: str) -> Estimate:
    """Answer a measure for one class from its evaluated images, in fractions or px."""
    terms = MEASURES[measure].truth
    if terms is None:
        return NOTHING
    top, bottom = terms(images)
    sums = pd.DataFrame({"top": top.fillna(0.0), "bottom": bottom})
    sums = sums.astype(float).groupby(images["Metadata_Well"]).sum()
    return ratio_estimate(sums["top"], sums["bottom"])


def _images_of(
    images: pd.DataFrame, row: VerdictLine, pairs: Sequence[Comparison]
) -> list[pd.DataFrame]:
    """Return the images of the row's class, or of both its classes, the positive one first."""
    own = images[images[OBJECT_SET] == row.object_set]
    pair = next((pair for pair in pairs if pair.name(row.scope) == row.perturbation), None)
    classes = pair.classes(row.scope).values() if pair else []
    return [own[own["Metadata_Well"].isin(wells)] for wells in classes]


def _truth(measure: str, images: Sequence[pd.DataFrame]) -> Estimate:
    classes = [class_truth(own, measure) for own in images]
    if not classes or not all(estimate.n_wells for estimate in classes):
        return NOTHING
    return estimate_of_row(classes)


def _verdicts(rows: Sequence[VerdictLine], truths: Sequence[Estimate]) -> list[str]:
    """Judge as the verdict does, the rows of a question as one family."""
    bounds = [bound_of(row.measure, row.scope, row.margin / row.measure.scale) for row in rows]
    levels = {}
    for question in {row.question for row in rows}:
        family = [place for place, row in enumerate(rows) if row.question == question]
        levels[question] = failure_level(
            [bounds[place].limit for place in family],
            [truths[place].standard_error for place in family],
            [truths[place].all_degrees_of_freedom for place in family],
        )
    return [
        decide(truth, bound, level=levels[row.question]) if truth.n_wells else ""
        for row, bound, truth in zip(rows, bounds, truths, strict=True)
    ]


def _line(
    row: VerdictLine, truth: Estimate, said: str, alike: VerdictLine | None, images: pd.DataFrame
) -> TruthLine:
    scale = row.measure.scale
    value, low, high = truth.in_units(scale)
    if row.unit != "px" and row.scope != "difference":
        # Few wells give a wide interval, but no share beyond all objects.
        low, high = np.clip(truth.interval(PASS_LEVEL), *row.measure.possible(row.scope)) * scale
    convention = float("nan")
    if row.question == THRESHOLD and alike is not None:
        # How far outside of the visible edge the annotators drew.
        convention = alike.estimate - value
    fraction_low, fraction_high = call_shares(threshold_call(images["boundary_bias_px"]))
    facts = shared_fields(row, TruthLine) | {
        "measure": row.measure_name,
        "truth": value,
        "truth_ci_low": float(low),
        "truth_ci_high": float(high),
        "truth_verdict": said,
        "n_wells": truth.n_wells,
        "n_sites": len(images),
        "n_objects": int(images["n_prediction"].sum()),
        "fraction_low": fraction_low,
        "fraction_high": fraction_high,
        "annotators_convention_px": convention,
    }
    for name in ("estimate", "ci_low", "ci_high"):
        facts[f"same_sites_{name}"] = getattr(alike, name) if alike else np.nan
    return TruthLine(**facts)
