"""The truth beside the features: errors of objects, seams and candidates, from reference labels."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Image, Integers, Labels, Mask
from levelfield.evaluation.image import evaluate_image
from levelfield.labels.objects import renumber
from levelfield.labels.overlap import Overlap, count_overlap, number_labels
from levelfield.qc.columns import NEIGHBOUR, NUMBER
from levelfield.qc.evidence.bias import threshold_bias
from levelfield.qc.evidence.candidates import CANDIDATE
from levelfield.qc.evidence.features import FieldFeatures
from levelfield.segmentation.planting import plant_growth

RIGHT_FROM = 0.7
"""Intersection over union from which an object is well outlined, as `evaluation` has it."""
HOLDS = 0.3
"""Share of a missed object that a candidate must cover, or the other way about, to stand for it."""


FARTHEST_PX = 0.75
"""Annotators who draw farther off the visible edge than this have their outlines moved to it."""


def at_visible_edge(labels: Labels, image: Image) -> Labels:
    """Move outlines that people drew to the visible edge, where they are off by a pixel or more.

    How wide people draw is a convention. Of small nuclei whose outlines are drawn 2 px too wide,
    a perfect segmentation would miss every fifth, and hardly one would be right.

    Parameters
    ----------
    labels : (Y, X) int32
        What people drew.
    image : (Y, X) float32
        What they saw.

    Returns
    -------
    (Y, X) int32
        Numbered 1..n; moved by the median of the objects' distances to the edge, in whole px.
    """
    bias = float(pd.Series(threshold_bias(labels, image)).median())
    if not np.isfinite(bias) or abs(bias) < FARTHEST_PX:
        return labels
    return renumber(plant_growth(labels, -float(round(bias))))


class FieldTruth(NamedTuple):
    """Tables of one field with the truth in further columns, and counts of the whole field."""

    objects: pd.DataFrame
    pairs: pd.DataFrame
    candidates: pd.DataFrame
    counts: dict[str, float]


def add_truth(
    features: FieldFeatures,
    candidates: tuple[Labels, pd.DataFrame],
    labels: Labels,
    reference: Labels,
) -> FieldTruth:
    """Compare a segmentation with its reference, object by object.

    Parameters
    ----------
    features : FieldFeatures
        Of the segmentation.
    candidates : ((Y, X) int32, DataFrame)
        `levelfield.qc.evidence.candidates.find_candidates` of it.
    labels, reference : (Y, X) int32
        The segmentation and the reference.

    Returns
    -------
    FieldTruth
        ``objects`` with ``is_merge, is_extra, is_right, n_parts, boundary_bias_px``; ``pairs`` with
        ``is_false``; ``candidates`` with ``n_missed``, the missed objects that each stands for;
        ``counts`` of the field: ``true_n, true_missed, true_excess, true_lacking, true_merges,
        true_invented, true_right``.
    """
    truth = evaluate_image(labels, reference)
    known = truth.predicted_objects.set_index(NUMBER)
    known = known.assign(
        is_right=(known["iou"] >= RIGHT_FROM) & ~known["is_merge"] & ~known["is_fragment"]
    )
    columns = ["is_merge", "is_extra", "is_right", "is_fragment", "n_parts", "boundary_bias_px"]
    objects = features.objects.join(known[columns], on=NUMBER)
    expected = truth.reference_objects
    splits = expected[expected["is_split"]]
    counts = {
        "true_n": float(len(expected)),
        "true_missed": float(expected["is_missed"].sum()),
        "true_excess": float((splits["n_parts"] - 1).sum()),
        "true_lacking": float((known["n_parts"] - 1)[known["is_merge"]].sum()),
        "true_merges": float(known["is_merge"].sum()),
        "true_invented": float(known["is_extra"].sum()),
        "true_right": float(known["is_right"].sum()),
    }
    overlap = count_overlap(number_labels(labels, "labels"), number_labels(reference, "reference"))
    pairs = features.pairs.assign(is_false=_false_seams(features.pairs, labels, overlap, known))
    missed = expected.loc[expected["is_missed"], NUMBER].to_numpy()
    held = _missed_in_candidates(candidates[0], reference, missed)
    table = candidates[1]
    return FieldTruth(
        objects, pairs, table.assign(n_missed=held[table[CANDIDATE].to_numpy(int)]), counts
    )


def _false_seams(
    pairs: pd.DataFrame, labels: Labels, overlap: Overlap, known: pd.DataFrame
) -> Mask:
    """Tell of each touching pair whether both are fragments of one reference object."""
    inside = overlap.of_prediction >= 0.5
    home = np.zeros(labels.max() + 1, np.int64)
    numbers = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
    home[numbers[overlap.prediction[inside]]] = overlap.reference[inside] + 1
    fragment = np.zeros(labels.max() + 1, bool)
    fragment[known.index] = known["is_fragment"]
    one, two = pairs[NUMBER].to_numpy(), pairs[NEIGHBOUR].to_numpy()
    return (home[one] == home[two]) & (home[one] > 0) & fragment[one] & fragment[two]


def _missed_in_candidates(candidates: Labels, reference: Labels, missed: Integers) -> Floats:
    """Count for each candidate number the missed objects that it stands for: (n + 1,)."""
    held = np.zeros(int(candidates.max(initial=0)) + 1)
    if not candidates.any() or len(missed) == 0:
        return held
    places, objects = number_labels(candidates, "candidates"), number_labels(reference, "reference")
    overlap = count_overlap(places, objects)
    is_missed = np.isin(objects.labels, missed)[overlap.reference]
    near = is_missed & ((overlap.of_reference >= HOLDS) | (overlap.of_prediction >= 0.5))
    pairs = pd.DataFrame(
        {
            "candidate": places.labels[overlap.prediction],
            "reference": overlap.reference,
            "shared": overlap.intersection,
        }
    )[near]
    # Every missed object has one candidate at most: the one that shares most pixels with it.
    best = pairs.sort_values(["shared", "candidate"], kind="stable").groupby("reference").tail(1)
    np.add.at(held, best["candidate"].to_numpy(int), 1.0)
    return held
