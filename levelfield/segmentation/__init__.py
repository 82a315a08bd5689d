"""Segmentation: one interface and one registry for all methods."""

from levelfield.segmentation.registry import (
    SEGMENTERS,
    parent_roles,
    segment_images,
    segment_objects,
    threshold_input,
    threshold_settings,
)
from levelfield.segmentation.result import Segmentation

__all__ = [
    "SEGMENTERS",
    "Segmentation",
    "parent_roles",
    "segment_images",
    "segment_objects",
    "threshold_input",
    "threshold_settings",
]
