"""Collages of a plate's control classes: segmented as the plate is, read by the same evidence."""

from levelfield.steps.collages.job import (
    CollageJob,
    ControlClass,
    collage_job,
    plate_references,
    sound_classes,
)
from levelfield.steps.collages.plate import PlateCollages, cannot_be_made, plate_collages

__all__ = [
    "CollageJob",
    "ControlClass",
    "PlateCollages",
    "cannot_be_made",
    "collage_job",
    "plate_collages",
    "plate_references",
    "sound_classes",
]
