"""Segmentation: one description, one registry and one interface for all methods.

The registry is loaded when it is asked for, as jobs that only read objects use other modules of
this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.result import Segmentation

if TYPE_CHECKING:
    from levelfield.segmentation.registry import (
        METHODS,
        find_method,
        load_model,
        segment_images,
        segment_objects,
        threshold_input,
        threshold_settings,
    )

__all__ = [
    "METHODS",
    "Knob",
    "Method",
    "Segmentation",
    "find_method",
    "load_model",
    "segment_images",
    "segment_objects",
    "threshold_input",
    "threshold_settings",
]


def __getattr__(name: str) -> Any:
    """Return what the registry offers."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("levelfield.segmentation.registry"), name)
