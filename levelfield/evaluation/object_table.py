"""One row per predicted and per reference object: what became of it.

All scores are sums, counts and medians over these rows, so that they can be formed for any group
of objects: an image, a well, a control class, a size class.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Floats, Integers, Mask
from levelfield.evaluation.boundary import compare_outlines
from levelfield.evaluation.errors import Columns, ObjectErrors
from levelfield.labels.overlap import NumberedLabels, Overlap

MATCH_THRESHOLD = 0.5
OUTLINE_THRESHOLD = 0.4
DETECTED_ABOVE = 0.5


class Comparison(NamedTuple):
    """Two label images and what is known about their overlapping pairs.

    ``agreement`` holds (pairs,) values of each matching criterion, and ``criterion`` is the one
    that decides. ``matched`` (pairs,) marks pairs that it assigns and that reach 0.5, ``assigned``
    those that are assigned optimally by IoU, matched or not.
    """

    prediction: NumberedLabels
    reference: NumberedLabels
    overlap: Overlap
    agreement: dict[str, Floats]
    criterion: str
    matched: Mask
    assigned: Mask
    errors: ObjectErrors


def object_table(comparison: Comparison) -> pd.DataFrame:
    """Describe every predicted and every reference object; columns as in `ImageEvaluation`."""
    overlap = comparison.overlap
    outlines = _outline_columns(comparison)
    contributions = {
        "prediction": _prediction_contributions(overlap),
        "reference": _reference_contributions(overlap, comparison.assigned),
    }
    tables = {
        source: {
            **_match_columns(comparison, source, other),
            **getattr(comparison.errors, source),
            **contributions[source],
            **_scatter(outlines, getattr(overlap, source), len(getattr(comparison, source).labels)),
        }
        for source, other in (("prediction", "reference"), ("reference", "prediction"))
    }
    return _stack(tables)


def _stack(tables: dict[str, Columns]) -> pd.DataFrame:
    """Put both kinds of objects into one table; what does not apply to one kind is 0 or False."""
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    columns: dict[str, AnyArray] = {
        "source": np.repeat(list(tables), [len(t["area_px"]) for t in tables.values()])
    }
    for name in names:
        dtype = next(table[name].dtype for table in tables.values() if name in table)
        columns[name] = np.concatenate(
            [table.get(name, np.zeros(len(table["area_px"]), dtype)) for table in tables.values()]
        )
    return pd.DataFrame(columns)


def _match_columns(comparison: Comparison, source: str, other: str) -> Columns:
    """Partner and agreement of the objects of the `source` image with those of the `other`."""
    own, matched = getattr(comparison, source), comparison.matched
    owner, partner = getattr(comparison.overlap, source), getattr(comparison.overlap, other)
    n_objects = len(own.labels)
    match_label, match_score = np.zeros(n_objects, np.int64), np.zeros(n_objects)
    match_label[owner[matched]] = getattr(comparison, other).labels[partner[matched]]
    match_score[owner[matched]] = comparison.agreement[comparison.criterion][matched]
    size_area = own.areas.copy()
    matched_references = comparison.overlap.reference[matched]
    size_area[owner[matched]] = comparison.reference.areas[matched_references]
    columns = {
        "Metadata_ObjectNumber": own.labels,
        "area_px": own.areas,
        "size_area_px": size_area,
        "match_label": match_label,
        "match_score": match_score,
    }
    for name, values in comparison.agreement.items():
        best = np.zeros(n_objects)
        np.maximum.at(best, owner, values)
        best[owner[matched]] = values[matched]
        columns[name] = best
    return columns


def _prediction_contributions(overlap: Overlap) -> Columns:
    n_prediction = len(overlap.prediction_areas)
    detected = overlap.of_reference > DETECTED_ABOVE
    covered = np.bincount(overlap.prediction, overlap.intersection, minlength=n_prediction)
    used = np.zeros(n_prediction, bool)
    used[overlap.prediction[_best_pair_per_reference(overlap)]] = True
    return {
        "n_detected": np.bincount(overlap.prediction[detected], minlength=n_prediction),
        "jaccard_union_px": np.where(used, 0, overlap.prediction_areas),
        "foreground_px": overlap.prediction_areas - covered.astype(np.int64),
    }


def _reference_contributions(overlap: Overlap, assigned: Mask) -> Columns:
    n_reference = len(overlap.reference_areas)
    detected = overlap.of_reference > DETECTED_ABOVE
    best = _best_pair_per_reference(overlap)

    def per_reference(pairs: AnyArray, values: AnyArray) -> AnyArray:
        total = np.bincount(overlap.reference[pairs], values[pairs], minlength=n_reference)
        return total.astype(values.dtype)

    jaccard_union = overlap.reference_areas.copy()
    jaccard_union[overlap.reference[best]] = overlap.union[best]
    return {
        "n_detected": np.bincount(overlap.reference[detected], minlength=n_reference),
        "seg_score": per_reference(detected, overlap.iou),
        "jaccard_intersection_px": per_reference(best, overlap.intersection),
        "jaccard_union_px": jaccard_union,
        "assigned_intersection_px": per_reference(assigned, overlap.intersection),
        "foreground_px": overlap.reference_areas,
    }


def _best_pair_per_reference(overlap: Overlap) -> Integers:
    """Position of each overlapped reference object's pair of highest IoU; ties: lowest label."""
    order = np.lexsort((overlap.prediction, -overlap.iou, overlap.reference))
    return order[np.unique(overlap.reference[order], return_index=True)[1]]


def _outline_columns(comparison: Comparison) -> Columns:
    """Hausdorff-95 and boundary bias per overlapping pair, NaN where not compared."""
    overlap, errors = comparison.overlap, comparison.errors.prediction
    compared = np.flatnonzero(comparison.assigned & (overlap.iou >= OUTLINE_THRESHOLD))
    hausdorff95 = np.full(len(overlap.prediction), np.nan)
    bias = hausdorff95.copy()
    pairs = np.column_stack([overlap.prediction[compared], overlap.reference[compared]])
    hausdorff95[compared], bias[compared] = compare_outlines(
        comparison.prediction, comparison.reference, pairs
    )
    # The edge of a wrongly cut or fused object is not where a threshold put it.
    bias[(errors["is_merge"] | errors["is_fragment"])[overlap.prediction]] = np.nan
    return {"hausdorff95_px": hausdorff95, "boundary_bias_px": bias}


def _scatter(per_pair: Columns, owner: Integers, n_objects: int) -> Columns:
    columns = {}
    for name, values in per_pair.items():
        known = np.isfinite(values)
        columns[name] = np.full(n_objects, np.nan)
        columns[name][owner[known]] = values[known]
    return columns
