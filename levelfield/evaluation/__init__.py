"""Prediction against reference labels: the scores by which every segmenter here is judged.

`levelfield.evaluation.picture` draws them; it is imported on its own, as it needs Matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULE_OF = {
    "EvaluationTables": "tables",
    "ImageEvaluation": "image",
    "Overlap": "overlap",
    "annotator_agreement": "annotators",
    "assign": "matching",
    "consensus_labels": "annotators",
    "count_overlap": "overlap",
    "evaluate_image": "image",
    "evaluate_images": "tables",
    "evaluation_tables": "tables",
    "human_scale": "annotators",
    "number_labels": "overlap",
    "score_objects": "scores",
    "summarise": "tables",
}
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


def __getattr__(name: str) -> Any:
    """Return what one of the modules offers: loaded when it is asked for, as many need but one."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
