"""Segment the fields of a pack and write them to the plate store."""

from levelfield.steps.segment.job import JobInputs, SegmentationJob, segmentation_job
from levelfield.steps.segment.labels import segment_alone
from levelfield.steps.segment.pack import segment_fields, segment_pack

__all__ = [
    "JobInputs",
    "SegmentationJob",
    "segment_alone",
    "segment_fields",
    "segment_pack",
    "segmentation_job",
]
