"""Scores of any group of objects, from the object table.

Every score is a ratio of sums, or a median, over the rows of `evaluate_image`'s object table, so
an image, a well, a control class and a size class are scored by the same lines. Where a ratio has
nothing to divide by, the score is NaN, never 0 or 1: an image without any object says nothing
about a segmenter, and a mean over images leaves it out.
``docs/evaluation.md`` defines each score and names its source.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from levelfield.evaluation.object_table import MATCH_THRESHOLD

# Integer percent, because 0.05 steps added up in floating point miss 0.6 and 0.7.
AP_PERCENTS = tuple(range(50, 100, 5))
AGREEMENT_IOU = 0.7
# Penalties of one missing, one extra and one fused object (Matula 2015, Cell Tracking Challenge).
DET_MISSED, DET_EXTRA, DET_FUSED = 10, 1, 5


def score_objects(objects: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Score groups of objects, of `evaluate_image`'s object table of one or of many images.

    Parameters
    ----------
    by : sequence of str
        Columns that form the groups; empty = everything is one group.

    Returns
    -------
    DataFrame
        One row per group, sorted: the columns of `by`, counts, detection scores (``ap_50``),
        shares (``split_rate``), and medians of the outlines' distances over the compared pairs.
    """
    by = list(by)
    # Without groups, an empty table must still give one row.
    keys: list[Any] = [objects[column] for column in by] or [np.zeros(len(objects), int)]
    grouping: dict[str, Any] = {"by": keys, "sort": True, "dropna": False, "observed": True}
    sums = _additive_terms(objects).groupby(**grouping).sum()
    of_reference = objects[["boundary_bias_px", "hausdorff95_px"]].where(
        objects["source"] == "reference"
    )
    medians = of_reference.groupby(**grouping).median()
    if not by:
        sums = sums.reindex([0], fill_value=0)
        medians = medians.reindex([0])
    scores = pd.concat([_ratios(sums), medians], axis=1)
    return scores.reset_index(drop=not by)


def _additive_terms(objects: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what each object adds to the sums of its group."""
    reference = objects["source"] == "reference"
    prediction = ~reference
    matched = objects["match_score"] >= MATCH_THRESHOLD
    flags = {
        "n_reference": reference,
        "n_prediction": prediction,
        "n_matched": reference & matched,
        "n_splits": objects["is_split"],
        "n_excess_fragments": (objects["n_parts"] - 1).where(objects["is_split"], 0),
        "n_merges": objects["is_merge"],
        "n_lacking_objects": (objects["n_parts"] - 1).where(objects["is_merge"], 0),
        "n_missed": objects["is_missed"],
        "n_extra": objects["is_extra"],
        "caicedo_splits": reference & (objects["caicedo_overlaps"] >= 2),
        "caicedo_merges": prediction & (objects["caicedo_overlaps"] >= 2),
        "caicedo_missed": objects["caicedo_missed"],
        "n_agreeing": prediction
        & (objects["iou"] >= AGREEMENT_IOU)
        & ~(objects["is_merge"] | objects["is_fragment"]),
        "n_undetected": reference & (objects["n_detected"] == 0),
        "n_undetecting": prediction & (objects["n_detected"] == 0),
        "n_fused": (objects["n_detected"] - 1).where(prediction, 0).clip(lower=0),
    }
    for percent in AP_PERCENTS:
        true = objects["match_score"] >= percent / 100
        flags[f"true_{percent}"] = reference & true
        flags[f"false_{percent}"] = prediction & ~true
    amounts = {
        "matched_score": objects["match_score"].where(reference & matched, 0.0),
        "seg_score": objects["seg_score"],
        "boundary_iou": objects["boundary_iou"].where(reference, 0.0),
        "intersection_over_reference": objects["intersection_over_reference"].where(reference, 0.0),
        "jaccard_intersection_px": objects["jaccard_intersection_px"],
        "jaccard_union_px": objects["jaccard_union_px"],
        "assigned_intersection_px": objects["assigned_intersection_px"],
        "foreground_px": objects["foreground_px"],
    }
    counts = pd.DataFrame(flags, index=objects.index).astype(np.int64)
    return pd.concat([counts, pd.DataFrame(amounts, index=objects.index)], axis=1)


def _ratios(sums: pd.DataFrame) -> pd.DataFrame:
    counts = [str(name) for name in sums if str(name).startswith(("n_", "caicedo_"))]
    internal = {"n_agreeing", "n_undetected", "n_undetecting", "n_fused"}
    scores = {name: sums[name] for name in counts if name not in internal}
    n_reference, n_prediction = sums["n_reference"], sums["n_prediction"]
    scores |= _detection_scores(sums)
    halves = 0.5 * (sums["false_50"] + n_reference - sums["true_50"])
    quality_weight = sums["true_50"] + halves
    missing, extra, fused = sums["n_undetected"], sums["n_undetecting"], sums["n_fused"]
    corrections = DET_MISSED * missing + DET_EXTRA * extra + DET_FUSED * fused
    all_again = DET_MISSED * n_reference
    surplus = sums["n_excess_fragments"] - sums["n_lacking_objects"]
    assigned, held = sums["assigned_intersection_px"], sums["intersection_over_reference"]
    scores |= {
        "panoptic_quality": _ratio(sums["matched_score"], quality_weight),
        "segmentation_quality": _ratio(sums["matched_score"], sums["n_matched"]),
        "seg": _ratio(sums["seg_score"], n_reference),
        "det": 1 - _ratio(np.minimum(corrections, all_again), all_again),
        "aggregated_jaccard": _ratio(sums["jaccard_intersection_px"], sums["jaccard_union_px"]),
        "aggregated_jaccard_cellpose": _ratio(assigned, sums["foreground_px"]),
        "mean_boundary_iou": _ratio(sums["boundary_iou"], n_reference),
        "mean_intersection_over_reference": _ratio(held, n_reference),
        "agreement": _ratio(sums["n_agreeing"], n_prediction),
        "split_rate": _ratio(sums["n_excess_fragments"], n_prediction),
        "merge_rate": _ratio(sums["n_merges"], n_prediction),
        "extra_rate": _ratio(sums["n_extra"], n_prediction),
        "missed_rate": _ratio(sums["n_missed"], n_reference),
        "balance_pp": 100 * _ratio(surplus, n_prediction),
    }
    return pd.DataFrame(scores)


def _detection_scores(sums: pd.DataFrame) -> dict[str, pd.Series]:
    ap, f1 = {}, {}
    for percent in AP_PERCENTS:
        true = sums[f"true_{percent}"]
        everything = sums["n_reference"] + sums[f"false_{percent}"]
        ap[f"ap_{percent}"] = _ratio(true, everything)
        f1[f"f1_{percent}"] = _ratio(2 * true, everything + true)
    return {
        **ap,
        "mean_ap": pd.DataFrame(ap).mean(axis=1),
        **f1,
        "mean_f1": pd.DataFrame(f1).mean(axis=1),
        "precision": _ratio(sums["true_50"], sums["true_50"] + sums["false_50"]),
        "recall": _ratio(sums["true_50"], sums["n_reference"]),
    }


def _ratio(amount: Any, total: pd.Series) -> pd.Series:
    return amount / total.where(total != 0)
