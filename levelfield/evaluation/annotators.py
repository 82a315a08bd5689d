"""Agreement between annotators, and where a segmenter stands on that scale.

People disagree about objects and outlines, and no score of a segmenter means more than the same
score between two people. The functions here judge annotators and segmenters alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from levelfield.arrays import Integers, Labels
from levelfield.evaluation.image import evaluate_image
from levelfield.evaluation.object_table import MATCH_THRESHOLD
from levelfield.labels.overlap import NumberedLabels, check_same_shape, count_overlap, number_labels

HUMAN_SCALE_SCORES = (
    *("ap_50", "mean_ap", "mean_f1", "panoptic_quality", "seg", "det", "aggregated_jaccard"),
    "mean_boundary_iou",
)


def consensus_labels(annotations: Sequence[ArrayLike], minimum_votes: int | None = None) -> Labels:
    """Label image on which enough annotators agree, pixel by pixel.

    Objects of different annotators with an IoU of at least 0.5 are the same object, also through
    a third annotator, the best pairs first and never two objects of one annotator. A pixel
    belongs to the object to which at least `minimum_votes` annotators assign it.

    Parameters
    ----------
    annotations : sequence of (Y, X) integer arrays
        One label image per annotator, at least two.
    minimum_votes : int, optional
        Default: more than half of the annotators. With two annotators that is both of them, so
        the consensus is their intersection and its objects are smaller than either's.

    Returns
    -------
    (Y, X) int32
        Objects 1..n in raster order of their first pixel.
    """
    _check_number(len(annotations))
    majority = len(annotations) // 2 + 1
    needed = majority if minimum_votes is None else minimum_votes
    if not majority <= needed <= len(annotations):
        raise ValueError(
            f"minimum_votes is {needed}, but with {len(annotations)} annotators it must be "
            f"{majority} to {len(annotations)}: with fewer, a pixel could belong to two objects."
        )
    for other in annotations[1:]:
        check_same_shape(other, annotations[0])
    sides = [number_labels(a, f"annotation {i}") for i, a in enumerate(annotations, 1)]
    shared = _shared_objects(sides)
    consensus = np.zeros(sides[0].image.shape, np.int64)
    for mine in shared:
        votes = sum((other == mine).astype(np.int32) for other in shared)
        agreed = (mine > 0) & (votes >= needed)
        consensus[agreed] = mine[agreed]
    return _number_in_raster_order(consensus)


def annotator_agreement(
    annotations: Mapping[str, ArrayLike],
    predictions: Mapping[str, ArrayLike] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Compare annotators, and segmenters if given, with annotators and with their consensus.

    Parameters
    ----------
    annotations : mapping of annotator name to (Y, X) integer array
        Label images of one field by at least two people.
    predictions : mapping of segmenter name to (Y, X) integer array, optional
        Label images of the same field, to be judged in the same ways.
    **options
        Passed to `evaluate_image`.

    Returns
    -------
    DataFrame
        One row per comparison: ``candidate``, ``kind`` (``"annotator"`` or ``"segmenter"``),
        ``comparison``, ``against``, then the scores of `score_objects` with the candidate as
        prediction. ``comparison`` is

        ``pairwise``
            against each other annotator;
        ``consensus``
            against the consensus of all, which contains an annotator's own vote and so flatters
            annotators over segmenters;
        ``consensus_of_others``
            with three or more annotators: against the consensus without one of them, for that
            annotator and for every segmenter. This is the fair comparison of the two kinds.
    """
    _check_number(len(annotations))
    predictions = dict(predictions or {})
    if both := sorted(annotations.keys() & predictions.keys()):
        raise ValueError(f"{both} name an annotator and a segmenter. Rename one of each.")
    kinds = {**dict.fromkeys(annotations, "annotator"), **dict.fromkeys(predictions, "segmenter")}
    rows = []
    for comparison, against, reference, author in _references(annotations):
        for candidate, labels in {**annotations, **predictions}.items():
            if not _is_asked(comparison, candidate, kinds[candidate], author):
                continue
            scores = evaluate_image(labels, reference, **options).scores
            described = {"candidate": candidate, "kind": kinds[candidate]}
            rows.append({**described, "comparison": comparison, "against": against, **scores})
    return pd.DataFrame(rows)


def _references(
    annotations: Mapping[str, ArrayLike],
) -> Iterator[tuple[str, str, ArrayLike, str | None]]:
    """Yield kind of comparison, name, labels, and who drew them or is the one left out."""
    for name, labels in annotations.items():
        yield "pairwise", name, labels, name
    yield "consensus", "everyone", consensus_labels(list(annotations.values())), None
    if len(annotations) > 2:
        for name in annotations:
            others = consensus_labels([a for n, a in annotations.items() if n != name])
            yield "consensus_of_others", f"all but {name}", others, name


def human_scale(
    agreement: pd.DataFrame, scores: Sequence[str] = HUMAN_SCALE_SCORES
) -> pd.DataFrame:
    """Place segmenters on the scale of the annotators.

    Parameters
    ----------
    agreement, scores : DataFrame and sequence of str
        From `annotator_agreement`, of images stacked; scores to place, higher must be better.

    Returns
    -------
    DataFrame
        Per segmenter, comparison and score: ``segmenter_mean``, ``human_mean, human_min,
        human_max`` (over annotators, each first averaged over their comparisons),
        ``relative_to_humans`` (segmenter / human mean; 1 = as good as a person) and
        ``share_of_annotators_reached`` (annotators whose own mean the segmenter reaches).
    """
    means = agreement.groupby(["kind", "comparison", "candidate"])[list(scores)].mean()
    rows = []
    segmenters: Any = means[means.index.get_level_values("kind") == "segmenter"].iterrows()
    for (_, comparison, candidate), own in segmenters:
        people: Any = means.loc[("annotator", comparison)]
        for score in scores:
            human = people[score]
            rows.append(
                {
                    "candidate": candidate,
                    "comparison": comparison,
                    "score": score,
                    "segmenter_mean": own[score],
                    "human_mean": human.mean(),
                    "human_min": human.min(),
                    "human_max": human.max(),
                    "relative_to_humans": own[score] / human.mean(),
                    "share_of_annotators_reached": (own[score] >= human).mean(),
                }
            )
    return pd.DataFrame(rows)


def _is_asked(comparison: str, candidate: str, kind: str, author: str | None) -> bool:
    """Whether a candidate meets this reference; `author` drew it, or is the one left out."""
    if kind == "segmenter" or comparison == "consensus":
        return True
    return (candidate == author) == (comparison == "consensus_of_others")


def _shared_objects(sides: list[NumberedLabels]) -> list[Integers]:
    """Label images in which objects that annotators share have the same number."""
    first = np.concatenate([[0], np.cumsum([len(side.labels) for side in sides])])
    annotator = np.repeat(np.arange(len(sides)), np.diff(first))
    members = [{i} for i in range(first[-1])]
    for left, right in _links(sides, first):
        mine, theirs = members[left], members[right]
        # Two objects that one annotator told apart are never the same object.
        if mine is theirs or {annotator[i] for i in mine} & {annotator[i] for i in theirs}:
            continue
        mine |= theirs
        for i in theirs:
            members[i] = mine
    number = np.array([min(group) for group in members], np.int64) + 1
    return [
        np.concatenate([[0], number[start:stop]])[side.image]
        for side, start, stop in zip(sides, first[:-1], first[1:], strict=True)
    ]


def _links(sides: list[NumberedLabels], first: Integers) -> Integers:
    """Pairs of objects of two annotators with an IoU of at least 0.5, the best first."""
    pairs, agreement = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for left, right in combinations(range(len(sides)), 2):
        overlap = count_overlap(sides[left], sides[right])
        objects = [first[left] + overlap.prediction, first[right] + overlap.reference]
        similar = overlap.iou >= MATCH_THRESHOLD
        pairs.append(np.column_stack(objects)[similar])
        agreement.append(overlap.iou[similar])
    order = np.argsort(-np.concatenate(agreement), kind="stable")
    return np.concatenate(pairs)[order]


def _number_in_raster_order(labels: Integers) -> Labels:
    numbered = np.zeros(labels.shape, np.int32)
    foreground = labels > 0
    numbered[foreground] = pd.factorize(labels[foreground])[0] + 1
    return numbered


def _check_number(n_annotators: int) -> None:
    if n_annotators < 2:
        raise ValueError(
            f"There is {n_annotators} annotation, but agreement needs at least two of one image."
        )
