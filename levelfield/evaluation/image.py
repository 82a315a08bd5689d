"""One predicted label image against its reference."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from numpy.typing import ArrayLike

from levelfield.evaluation.errors import find_errors
from levelfield.evaluation.matching import assign
from levelfield.evaluation.object_table import MATCH_THRESHOLD, Comparison, object_table
from levelfield.evaluation.scores import score_objects
from levelfield.labels.overlap import (
    CRITERIA,
    boundary_iou,
    check_same_shape,
    count_overlap,
    number_labels,
)


@dataclass(frozen=True)
class ImageEvaluation:
    """How well one predicted label image agrees with its reference.

    Attributes
    ----------
    objects : DataFrame
        One row per object of both images, with the columns

        ``source, Metadata_ObjectNumber, area_px``
            ``"prediction"`` or ``"reference"``, the object's label and its area.
        ``size_area_px``
            The area that decides the size class: the reference object's for both members of a
            match, so that they fall into one class, and an unmatched object's own.
        ``match_label, match_score``
            Partner (criterion ≥ 0.5) and criterion; 0 without a partner.
        ``iou, boundary_iou, intersection_over_reference``
            With the partner, or else the highest with any object of the other image.
        ``n_parts``
            Reference: its fragments. Prediction: the reference objects it holds.
        ``is_merge, is_fragment, is_extra`` (prediction), ``is_split, is_merged, is_missed,
        caicedo_missed`` (reference)
            As `levelfield.evaluation.errors` defines; False for objects of the other kind.
        ``caicedo_overlaps``
            Objects of the other image with an IoU above 0.1.
        ``n_detected``
            Prediction: reference objects of which it covers more than half. Reference: 1 if it
            is so covered.
        ``seg_score``
            Reference: the IoU with the object that covers more than half of it, or 0.
        ``jaccard_intersection_px, jaccard_union_px, assigned_intersection_px, foreground_px``
            Contributions to the aggregated Jaccard indices.
        ``hausdorff95_px, boundary_bias_px``
            For pairs assigned by IoU that reach 0.4, so that masks with a very wrong threshold
            are still measured; the bias only where the predicted object is neither a merge nor a
            fragment. NaN elsewhere.
    """

    objects: pd.DataFrame

    @cached_property
    def scores(self) -> dict[str, float]:
        """The image's scores by name, see `levelfield.evaluation.scores.score_objects`."""
        return score_objects(self.objects).to_dict("records")[0]

    @property
    def predicted_objects(self) -> pd.DataFrame:
        """The rows of the predicted objects."""
        return self.objects[self.objects["source"] == "prediction"].reset_index(drop=True)

    @property
    def reference_objects(self) -> pd.DataFrame:
        """The rows of the reference objects."""
        return self.objects[self.objects["source"] == "reference"].reset_index(drop=True)


def evaluate_image(
    prediction: ArrayLike,
    reference: ArrayLike,
    *,
    criterion: str = "iou",
    matching: str = "optimal",
    boundary_width: int = 2,
) -> ImageEvaluation:
    """Compare predicted labels with reference labels.

    Parameters
    ----------
    prediction, reference : (Y, X) integer arrays
        Label images of one field, 0 = background. Labels may have gaps and need not agree.
    criterion : {"iou", "boundary_iou", "intersection_over_reference"}
        What a pair must reach to match, for AP, F1, panoptic quality and the object table; the
        other scores have criteria of their own.
    matching : {"optimal", "greedy"}
        How objects are paired, see `levelfield.evaluation.assign`.
    boundary_width : int
        Width of the band of the boundary IoU, in px.

    Raises
    ------
    ValueError
        If the shapes differ, a label image is not an integer image, or an option is unknown.
    """
    _check_options(criterion, boundary_width)
    check_same_shape(prediction, reference)
    predicted = number_labels(prediction, "prediction")
    expected = number_labels(reference, "reference")
    overlap = count_overlap(predicted, expected)
    agreement = {
        "iou": overlap.iou,
        "boundary_iou": boundary_iou(predicted, expected, overlap, int(boundary_width)),
        "intersection_over_reference": overlap.of_reference,
    }
    score = agreement[criterion]
    comparison = Comparison(
        prediction=predicted,
        reference=expected,
        overlap=overlap,
        agreement=agreement,
        criterion=criterion,
        matched=assign(overlap, score, MATCH_THRESHOLD, matching) & (score >= MATCH_THRESHOLD),
        assigned=assign(overlap, overlap.iou, MATCH_THRESHOLD),
        errors=find_errors(overlap),
    )
    return ImageEvaluation(object_table(comparison))


def _check_options(criterion: str, boundary_width: int) -> None:
    if criterion not in CRITERIA:
        raise ValueError(f"Unknown criterion {criterion!r}: choose one of {', '.join(CRITERIA)}.")
    if boundary_width < 1 or int(boundary_width) != boundary_width:
        raise ValueError(
            f"The boundary band is {boundary_width} px wide, but its width must be a whole number "
            "of at least 1. Choose about the uncertainty of the reference outline, e.g. 2."
        )
