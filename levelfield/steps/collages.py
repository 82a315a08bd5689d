"""Collages of a plate's control classes: segmented as the plate is, read by the same evidence."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Labels
from levelfield.config.settings import CollageSettings, ObjectSetSettings, Science
from levelfield.evaluation.tables import ALL_SIZES, evaluate_images
from levelfield.execution.machine_faults import is_machine_fault
from levelfield.execution.progress import map_fields
from levelfield.illumination import FlatField
from levelfield.io.tables import stack
from levelfield.qc.collage.compose import compose
from levelfield.qc.collage.donors import donor_yield, find_donors
from levelfield.qc.collage.reading import (
    ClassFacts,
    CollageLine,
    Enough,
    collage_lines,
    read_collages,
)
from levelfield.qc.collage.seen_field import SeenField, see_field
from levelfield.qc.collage.windows import Window, affordable, choose_windows, window_side
from levelfield.qc.columns import FIELD, OBJECT_SET, SITE
from levelfield.qc.evidence.reference_object import reference_objects
from levelfield.qc.evidence.scores import score_plate
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.qc.statistics.comparison import comparisons, control_classes
from levelfield.qc.statistics.field_sums import field_sums
from levelfield.qc.statistics.records import to_table
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import Scope
from levelfield.report.collages import SheetRow, Shown, draw_contact_sheet
from levelfield.segmentation import METHODS
from levelfield.steps.fields import FieldReader, field_reader, identify
from levelfield.steps.qc_evidence import TABLES, evidence_of
from levelfield.steps.qc_plate import verdict_rules
from levelfield.steps.segment import JobInputs, SegmentationJob, segment_alone, segmentation_job

log = logging.getLogger("levelfield")

_REFERENCE_COLUMNS = [
    OBJECT_SET,
    *("area_px", "integrated_intensity", "contrast_to_noise", "touches_border"),
]
"""Columns of the evidence that say what a typical object is."""
_FEWEST_DONORS = 4  # of fewer, a collage would be copies of the same objects
_SHOWN = 3


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


class PlateCollages(NamedTuple):
    """``qc/collages.csv``, and the contact sheet as PNG."""

    table: pd.DataFrame
    sheet: bytes


class _Made(NamedTuple):
    lines: list[CollageLine]
    row: SheetRow | None


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


def plate_collages(classes: Sequence[ControlClass], job: CollageJob, workers: int) -> PlateCollages:
    """Make collages of every control class, and hold what is read of them against the truth.

    The same plate, config and weights give the same collages, whatever the number of workers.
    """
    alone = job.segmentation.gpus or job.segmentation.is_alone_on_gpu
    what = f"collages {job.segmentation.plate}"
    work = partial(_of_class, job=job)
    made = list(map_fields(work, classes, 1 if alone else workers, what))
    lines = list(chain.from_iterable(each.lines for each in made))
    rows = [each.row for each in made if each.row is not None]
    return PlateCollages(to_table(lines, CollageLine), draw_contact_sheet(rows))


def cannot_be_made(made: ObjectSetSettings) -> str:
    """Say why there are no collages of an object set; nothing where there can be."""
    method = METHODS[made.method]
    if method.files or method.made_elsewhere:
        return "labels that were made elsewhere cannot be made again on other images"
    if made.parents:
        return (
            "objects that are grown from others have no collages yet, since few of them stand "
            "alone: review them"
        )
    return ""


def _of_class(own: ControlClass, job: CollageJob) -> _Made:
    facts = ClassFacts(job.segmentation.plate, own.made.name, own.scope, own.name)
    enough = Enough(job.settings.least_donors, job.settings.least_yield)
    reason = cannot_be_made(own.made)
    if not reason and not own.fields:
        reason = "no field of this class could be segmented"
    if reason:
        return _Made(collage_lines(facts, {}, enough, reason), None)
    seed = _seed(facts)
    seen = [_see(window, own, job) for window in _windows(own, job, seed)]
    fields = [field for field, _ in seen if field is not None]
    donors = find_donors(fields)
    n_donors, share = len(donors), donor_yield(donors, fields)
    facts = replace(facts, n_windows=len(seen), n_donors=n_donors, donor_yield=share)
    if n_donors < _FEWEST_DONORS:
        return _Made(collage_lines(facts, {}, enough), None)
    collages = compose(fields, donors, len(seen), [seed])
    try:
        labels = segment_alone(own.made, [made.image for made in collages], job.segmentation)
    except Exception as error:  # one class must not end a plate; its reason goes into the table
        if is_machine_fault(error):
            raise
        log.exception("collages of %s: segmentation failed", own.name)
        reason = f"segmentation of the collages failed: {error}"
        return _Made(collage_lines(facts, {}, enough, reason), None)
    copies = [(made.image[0], labelled) for made, labelled in zip(collages, labels, strict=True)]
    sums = _read(copies, own, job)
    images = _evaluate(labels, [made.truth for made in collages])
    facts = replace(
        facts,
        n_collages=len(collages),
        n_objects=int(images["n_reference"].sum()),
        n_labels=int(images["n_prediction"].sum()),
        n_lost=sum(made.n_lost for made in collages),
    )
    readings = read_collages(sums, images, own.made.name, job.rules.constants_of)
    real = [(field.image[0], judged) for field, judged in seen if field is not None]
    row = SheetRow(own.made.name, own.scope, own.name, real[:_SHOWN], copies[:_SHOWN])
    return _Made(collage_lines(facts, readings, enough), row)


def _seed(facts: ClassFacts) -> int:
    """Return what is random for a class: always the same."""
    names = "/".join((facts.plate, facts.object_set, facts.scope, facts.perturbation))
    return int.from_bytes(sha256(names.encode()).digest()[:8])


def _windows(own: ControlClass, job: CollageJob, seed: int) -> list[Window]:
    area = job.references["area_px"].get(own.made.name, float("nan"))
    side = window_side(2 * float(np.sqrt(area / np.pi)))
    wanted = job.settings.windows_per_class
    number = affordable(wanted, side, job.plate_pixels, own.n_classes)
    return choose_windows(own.fields, job.shape, side, number, [seed])


def _see(window: Window, own: ControlClass, job: CollageJob) -> tuple[SeenField | None, Labels]:
    name = own.made.name
    image, labels = job.reader.read(window.well, window.site, own.made.channels, [name])
    part = image[:, window.rows, window.columns]
    judged = np.ascontiguousarray(labels[name][window.rows, window.columns])
    part = np.ascontiguousarray(part)
    return see_field(part, ask_second_opinion(part[0], judged), judged), judged


def _read(copies: Sequence[Shown], own: ControlClass, job: CollageJob) -> pd.DataFrame:
    """Return the sums of the evidence of every collage, scored as the plate's fields are."""
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for number, (plane, labels) in enumerate(copies):
        opinion = ask_second_opinion(plane, labels)
        tables = evidence_of(plane, labels, job.threshold_level, opinion)
        for name, table in tables.items():
            table.insert(0, OBJECT_SET, own.made.name)
            found[name].append(identify(table, (job.segmentation.plate, own.name, number)))
    objects, pairs, candidates, fields = (stack(found[name]) for name in TABLES)
    scored = score_plate(objects, pairs, candidates, references=job.references)
    inside = pd.Series("", pd.MultiIndex.from_frame(fields[FIELD]), dtype=object)
    return field_sums(
        scored.objects, scored.candidates, fields, fields[SITE], [own.made.name], inside
    )


def _evaluate(labels: Sequence[Labels], truths: Sequence[Labels]) -> pd.DataFrame:
    """Score labels against the truth: a row per collage, in order."""
    pairs: list[tuple[Mapping[str, int], Labels, Labels]] = [
        ({"number": number}, *pair) for number, pair in enumerate(zip(labels, truths, strict=True))
    ]
    _, images = evaluate_images(pairs)
    return images[images["size_class"] == ALL_SIZES].reset_index(drop=True)
