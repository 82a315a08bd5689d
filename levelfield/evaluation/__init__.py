"""Prediction against reference labels: the scores by which every segmenter here is judged.

`levelfield.evaluation.picture` draws them; it is imported on its own, as it needs Matplotlib.
"""

# ruff: noqa: F401 (the names below are offered, for type checkers and people)
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from levelfield.evaluation.annotators import annotator_agreement, consensus_labels, human_scale
    from levelfield.evaluation.image import ImageEvaluation, evaluate_image
    from levelfield.evaluation.matching import assign
    from levelfield.evaluation.scores import score_objects
    from levelfield.evaluation.tables import (
        EvaluationTables,
        evaluate_images,
        evaluation_tables,
        summarise,
    )

_OFFERED = {
    "annotators": ("annotator_agreement", "consensus_labels", "human_scale"),
    "image": ("ImageEvaluation", "evaluate_image"),
    "matching": ("assign",),
    "scores": ("score_objects",),
    "tables": ("EvaluationTables", "evaluate_images", "evaluation_tables", "summarise"),
}
_MODULE_OF = {name: module for module, names in _OFFERED.items() for name in names}
__all__ = [*_MODULE_OF]


def __getattr__(name: str) -> Any:
    """Return what one of the modules offers: loaded when it is asked for, as many need but one."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
