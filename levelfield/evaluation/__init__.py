"""Prediction against reference labels: the scores by which every segmenter here is judged.

`levelfield.evaluation.picture` draws them; it is imported on its own, as it needs Matplotlib.
"""

from levelfield.evaluation.annotators import annotator_agreement, consensus_labels, human_scale
from levelfield.evaluation.image import ImageEvaluation, evaluate_image
from levelfield.evaluation.matching import assign
from levelfield.evaluation.overlap import Overlap, count_overlap, number_labels
from levelfield.evaluation.scores import score_objects
from levelfield.evaluation.tables import (
    EvaluationTables,
    evaluate_images,
    evaluation_tables,
    summarise,
)

__all__ = [
    "EvaluationTables",
    "ImageEvaluation",
    "Overlap",
    "annotator_agreement",
    "assign",
    "consensus_labels",
    "count_overlap",
    "evaluate_image",
    "evaluate_images",
    "evaluation_tables",
    "human_scale",
    "number_labels",
    "score_objects",
    "summarise",
]
