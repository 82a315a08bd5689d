"""Segmentation: one description, one registry and one interface for all methods."""

from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.registry import (
    METHODS,
    load_model,
    segment_images,
    segment_objects,
    threshold_input,
    threshold_settings,
)
from levelfield.segmentation.result import Segmentation

__all__ = [
    "METHODS",
    "Knob",
    "Method",
    "Segmentation",
    "load_model",
    "segment_images",
    "segment_objects",
    "threshold_input",
    "threshold_settings",
]
