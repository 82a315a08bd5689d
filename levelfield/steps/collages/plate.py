"""Collages of all control classes of a plate."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import NamedTuple

import pandas as pd

from levelfield.config.settings import ObjectSetSettings
from levelfield.execution.machine_faults import is_machine_fault
from levelfield.execution.progress import map_fields
from levelfield.qc.collage.compose import compose, worth_arranging
from levelfield.qc.collage.donors import donor_yield, find_donors
from levelfield.qc.collage.read_back import ReadBackLine
from levelfield.qc.collage.reading import (
    ClassFacts,
    CollageLine,
    Enough,
    collage_lines,
    read_collages,
)
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.qc.statistics.records import to_table
from levelfield.report.collages import SheetRow, draw_contact_sheet
from levelfield.segmentation import METHODS
from levelfield.steps.collages.evidence import ReadImages, SeenClass, SeenWindow, fields_of
from levelfield.steps.collages.job import CollageJob, ControlClass, seed_of, windows_of
from levelfield.steps.segment import segment_alone

log = logging.getLogger("levelfield")

_FEWEST_DONORS = 4  # of fewer, a collage would be copies of the same objects
_SHOWN = 3
_OF_OTHERS = (
    "objects that are grown from others have no collages yet, since few of them stand alone: "
    "review them"
)
_ELSEWHERE = "labels that were made elsewhere cannot be made again on other images"


class PlateCollages(NamedTuple):
    """``qc/collages.csv``, ``qc/planted_read.csv``, and the contact sheet as PNG."""

    table: pd.DataFrame
    planted: pd.DataFrame
    sheet: bytes


class _Made(NamedTuple):
    lines: list[CollageLine]
    row: SheetRow | None = None
    planted: tuple[ReadBackLine, ...] = ()


def plate_collages(classes: Sequence[ControlClass], job: CollageJob, workers: int) -> PlateCollages:
    """Make collages of every control class, and hold what is read of them against the truth.

    The same plate, config and weights give the same collages, whatever the number of workers.
    """
    what = f"collages {job.segmentation.plate}"
    work = partial(_of_class, job=job)
    # Processes would each load the same models onto the same GPU.
    workers = 1 if job.segmentation.gpus else workers
    made = list(map_fields(work, classes, workers, what))
    lines = list(chain.from_iterable(each.lines for each in made))
    planted = list(chain.from_iterable(each.planted for each in made))
    rows = [each.row for each in made if each.row is not None]
    return PlateCollages(
        to_table(lines, CollageLine), to_table(planted, ReadBackLine), draw_contact_sheet(rows)
    )


def cannot_be_made(made: ObjectSetSettings) -> str:
    """Say why there are no collages of an object set; nothing where there can be."""
    method = METHODS[made.method]
    if method.files or method.made_elsewhere:
        return _ELSEWHERE
    return _OF_OTHERS if made.parents else ""


def _of_class(own: ControlClass, job: CollageJob) -> _Made:
    facts = ClassFacts(job.segmentation.plate, own.made.name, own.scope, own.name)
    enough = Enough(job.settings.least_donors, job.settings.least_yield)
    reason = cannot_be_made(own.made)
    if not own.fields:
        reason = reason or "no field of this class could be segmented"
    if not own.fields or own.made.parents or (reason and not job.settings.plant):
        return _Made(collage_lines(facts, {}, enough, reason))
    seen = SeenClass(own, job)
    for window in windows_of(own, job):
        seen.see(window)
    planted = tuple(seen.planted_lines())
    if reason:
        return _Made(collage_lines(facts, {}, enough, reason), None, planted)
    return _with_collages(facts, seen.windows, own, job, enough)._replace(planted=planted)


def _with_collages(
    facts: ClassFacts,
    seen: Sequence[SeenWindow],
    own: ControlClass,
    job: CollageJob,
    enough: Enough,
) -> _Made:
    """Compose, segment and read the collages of a class."""
    fields = fields_of(seen)
    donors = find_donors(fields)
    share = donor_yield(donors, fields)
    facts = replace(facts, n_windows=len(seen), n_donors=len(donors), donor_yield=share)
    arranged = worth_arranging(fields)
    if len(donors) < _FEWEST_DONORS or not arranged:
        return _Made(collage_lines(facts, {}, enough))
    collages = compose(arranged, donors, len(seen), [seed_of(own, job)])
    try:
        labels = segment_alone(own.made, [made.image for made in collages], job.segmentation)
    except Exception as error:  # one class must not end a plate; its reason goes into the table
        if is_machine_fault(error):
            raise
        log.exception("collages of %s: segmentation failed", own.name)
        reason = f"segmentation of the collages failed: {error}"
        return _Made(collage_lines(facts, {}, enough, reason))
    read = ReadImages(own, job)
    for made, labelled in zip(collages, labels, strict=True):
        plane = made.image[0]
        read.add(plane, labelled, made.truth, ask_second_opinion(plane, labelled))
    images = read.images
    facts = replace(
        facts,
        n_collages=len(collages),
        n_objects=int(images["n_reference"].sum()),
        n_labels=int(images["n_prediction"].sum()),
        n_lost=sum(made.n_lost for made in collages),
    )
    readings = read_collages(read.sums(), images, own.made.name, job.rules.constants_of)
    real = [(w.image[0], w.labels) for w in seen if w.field is not None]
    copies = [(made.image[0], labelled) for made, labelled in zip(collages, labels, strict=True)]
    row = SheetRow(own.made.name, own.scope, own.name, real[:_SHOWN], copies[:_SHOWN])
    return _Made(collage_lines(facts, readings, enough), row)
