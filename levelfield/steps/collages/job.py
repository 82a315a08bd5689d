"""What the control classes of a plate have in common when collages are made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.config.settings import CollageSettings, ObjectSetSettings, Science
from levelfield.illumination import FlatField
from levelfield.io.tables import stack
from levelfield.qc.collage.windows import Window, affordable, choose_windows, window_side
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.evidence.reference_object import reference_objects
from levelfield.qc.statistics.comparison import comparisons, control_classes
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import Scope
from levelfield.steps.fields import FieldReader, field_reader
from levelfield.steps.qc_plate import verdict_rules
from levelfield.steps.segment import JobInputs, SegmentationJob, segmentation_job

_REFERENCE_COLUMNS = [
    OBJECT_SET,
    *("area_px", "integrated_intensity", "contrast_to_noise", "touches_border"),
]
"""Columns of the evidence that say what a typical object is."""


@dataclass(frozen=True)
class CollageJob:
    """All that the control classes of a plate have in common.

    Attributes
    ----------
    reader : FieldReader
        Of the plate's corrected images and its labels.
    segmentation : SegmentationJob
        How the plate is segmented, with what was measured on it.
    rules : Rules
        By whose constants readings are corrected.
    references : DataFrame
        Reference object of each object set on the plate.
    threshold_level : float
        Where between background and object the evidence seeks an edge.
    settings : CollageSettings
        How many windows, and how many donors are enough.
    shape, plate_pixels : (int, int), int
        Of the fields, px; and the pixels of all of them, in one channel.
    """

    reader: FieldReader
    segmentation: SegmentationJob
    rules: Rules
    references: pd.DataFrame
    threshold_level: float
    settings: CollageSettings
    shape: tuple[int, int]
    plate_pixels: int


class ControlClass(NamedTuple):
    """An object set of a control class, and the sound fields of it: wells and sites.

    ``n_classes`` there are on the plate, this one included.
    """

    made: ObjectSetSettings
    scope: Scope
    name: str
    fields: tuple[tuple[str, int], ...]
    n_classes: int


def collage_job(
    plate: str,
    store: Path | str,
    index: pd.DataFrame,
    science: Science,
    flat_fields: Mapping[str, FlatField],
    inputs: JobInputs,
    references: pd.DataFrame,
) -> CollageJob:
    """Describe a job from the config's sections ``images``, ``channels``, ``objects`` and ``qc``.

    `references` are those of `plate_references`.
    """
    planes = index.drop_duplicates(["well", "site"])
    shape = planes[["size_y", "size_x"]].mode().iloc[0]
    return CollageJob(
        reader=field_reader(store, science, flat_fields),
        segmentation=segmentation_job(plate, store, index, science, flat_fields, 100.0, inputs),
        rules=verdict_rules(science),
        references=references,
        threshold_level=science.qc.threshold_level,
        settings=science.collages,
        shape=(int(shape["size_y"]), int(shape["size_x"])),
        plate_pixels=int((planes["size_y"] * planes["size_x"]).sum()),
    )


def plate_references(paths: Sequence[Path | str]) -> pd.DataFrame:
    """Find the reference object of every object set, from the files of evidence of all packs."""
    objects = stack([pd.read_parquet(path, columns=_REFERENCE_COLUMNS) for path in paths])
    return reference_objects(objects, objects[OBJECT_SET])


def sound_classes(
    layout: pd.DataFrame, segmented: pd.DataFrame, sets: Sequence[ObjectSetSettings]
) -> list[ControlClass]:
    """List the control classes of every object set, with their fields that could be segmented."""
    sound = segmented[segmented["fault"] == ""]
    places = list(zip(sound["Metadata_Well"], sound["Metadata_Site"].astype(int), strict=True))
    classes = {key: own for key, own in control_classes(comparisons(layout)).items() if own}
    return [
        ControlClass(
            made, *key, tuple(place for place in places if place[0] in wells), len(classes)
        )
        for made in sets
        for key, wells in classes.items()
    ]


def windows_of(own: ControlClass, job: CollageJob) -> list[Window]:
    """Choose the windows of a class."""
    area = job.references["area_px"].get(own.made.name, float("nan"))
    side = window_side(2 * float(np.sqrt(area / np.pi)))
    wanted = job.settings.windows_per_class
    number = affordable(wanted, side, job.plate_pixels, own.n_classes)
    return choose_windows(own.fields, job.shape, side, number, [seed_of(own, job)])


def seed_of(own: ControlClass, job: CollageJob) -> int:
    """Return the number that decides what is random for a class: always the same."""
    names = "/".join((job.segmentation.plate, own.made.name, own.scope, own.name))
    return int.from_bytes(sha256(names.encode()).digest()[:8])
