"""The truth beside the features: errors of objects, seams and candidates, from reference labels."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Image, Integers, Labels, Mask
from levelfield.evaluation.image import evaluate_image
from levelfield.labels.objects import renumber
from levelfield.labels.overlap import count_overlap, number_labels
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

    They move by the median of the objects' distances to the edge, in whole px. How wide people draw
    is a convention. Of small nuclei whose outlines are drawn 2 px too wide, a perfect segmentation
    would miss every fifth, and hardly one would be right.
    """
    bias = float(pd.Series(threshold_bias(labels, image)).median())
    if not np.isfinite(bias) or abs(bias) < FARTHEST_PX:
        return labels
    return renumber(plant_growth(labels, -float(round(bias))))


class FieldTruth(NamedTuple):
    """Tables of one field with the truth in further columns, and counts of the whole field.

    Objects have ``is_merge, is_extra, is_right, n_parts, boundary_bias_px``, pairs ``is_false``,
    and candidates ``n_missed``, the missed objects that each stands for. Counts: ``true_n,
    true_missed, true_excess, true_lacking, true_merges, true_invented, true_right``.
    """

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
    """Compare a segmentation, its features and candidates with its reference, object by object."""
    truth = evaluate_image(labels, reference)
    known, expected = truth.predicted_objects.set_index(NUMBER), truth.reference_objects
    known = known.assign(
        is_right=(known["iou"] >= RIGHT_FROM) & ~known["is_merge"] & ~known["is_fragment"]
    )
    columns = ["is_merge", "is_extra", "is_right", "is_fragment", "n_parts", "boundary_bias_px"]
    places, table = candidates
    missed = expected.loc[expected["is_missed"], NUMBER].to_numpy()
    held = _missed_in_candidates(places, reference, missed)
    return FieldTruth(
        features.objects.join(known[columns], on=NUMBER),
        features.pairs.assign(is_false=_false_seams(features.pairs, labels, reference, known)),
        table.assign(n_missed=held[table[CANDIDATE].to_numpy(int)]),
        _counts(known, expected),
    )


def _counts(known: pd.DataFrame, expected: pd.DataFrame) -> dict[str, float]:
    """Count objects and errors of a whole field, over predicted and reference objects."""
    counts = {
        "true_n": len(expected),
        "true_missed": expected["is_missed"].sum(),
        "true_excess": (expected["n_parts"] - 1)[expected["is_split"]].sum(),
        "true_lacking": (known["n_parts"] - 1)[known["is_merge"]].sum(),
        "true_merges": known["is_merge"].sum(),
        "true_invented": known["is_extra"].sum(),
        "true_right": known["is_right"].sum(),
    }
    return {name: float(count) for name, count in counts.items()}


def _false_seams(
    pairs: pd.DataFrame, labels: Labels, reference: Labels, known: pd.DataFrame
) -> Mask:
    """Tell of each touching pair whether both are fragments of one reference object."""
    predicted = number_labels(labels, "labels")
    overlap = count_overlap(predicted, number_labels(reference, "reference"))
    inside = overlap.of_prediction >= 0.5
    home = np.zeros(labels.max() + 1, np.int64)
    home[predicted.labels[overlap.prediction[inside]]] = overlap.reference[inside] + 1
    fragment = np.zeros(labels.max() + 1, bool)
    fragment[known.index] = known["is_fragment"]
    first, second = pairs[NUMBER].to_numpy(), pairs[NEIGHBOUR].to_numpy()
    same = (home[first] == home[second]) & (home[first] > 0)
    return same & fragment[first] & fragment[second]


def _missed_in_candidates(candidates: Labels, reference: Labels, missed: Integers) -> Floats:
    """Count for each candidate number the missed objects that it stands for: (n + 1,)."""
    held = np.zeros(int(candidates.max(initial=0)) + 1)
    if not candidates.any() or len(missed) == 0:
        return held
    places, objects = number_labels(candidates, "candidates"), number_labels(reference, "reference")
    overlap = count_overlap(places, objects)
    is_missed = np.isin(objects.labels, missed)[overlap.reference]
    near = is_missed & ((overlap.of_reference >= HOLDS) | (overlap.of_prediction >= 0.5))
    columns = {"candidate": places.labels[overlap.prediction], "reference": overlap.reference}
    pairs = pd.DataFrame(columns | {"shared": overlap.intersection})[near]
    # Every missed object has one candidate at most: the one that shares most pixels with it.
    best = pairs.sort_values(["shared", "candidate"], kind="stable").groupby("reference").tail(1)
    np.add.at(held, best["candidate"].to_numpy(int), 1.0)
    return held
