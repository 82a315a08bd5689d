"""Segment the fields of a pack: on threads or processes, and only those that are not there yet."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain

import pandas as pd

from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.gpu_workers import map_on_gpus, threads_each
from levelfield.execution.helpers import Helpers, helpers_worth, map_with
from levelfield.execution.machine_faults import is_machine_fault
from levelfield.execution.memory import give_back_arrays_at_once
from levelfield.execution.progress import map_fields
from levelfield.images.planes import PASSING_ERRORS
from levelfield.images.sites import Site, SiteFault, sites_of
from levelfield.io.store import check_in_place, checksum, find_damage, read_field, stored_field
from levelfield.segmentation.device_faults import is_gpu_failure
from levelfield.steps.segment.job import SegmentationJob
from levelfield.steps.segment.labels import WaitingField, imported_labels, make_labels
from levelfield.steps.segment.rows import (
    KEPT,
    Row,
    array_of,
    field_row,
    first_columns,
    store_fault,
    store_field,
    store_in_place,
)
from levelfield.steps.self_test import check_job

log = logging.getLogger("levelfield")


def segment_pack(
    index: pd.DataFrame,
    wells: Sequence[str],
    job: SegmentationJob,
    workers: int,
    what: str,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Segment every usable site of some wells.

    Parameters
    ----------
    workers : int
        Processes; on GPUs, cores that threads and the processes beside them share.
    checkpoint : Checkpoint, optional
        Tells of another run of this job that may be at work. Fields are kept in the store.

    Returns
    -------
    DataFrame
        A row per site of the index: ``Metadata_Plate``, ``Metadata_Well``, ``Metadata_Site``,
        ``fault`` and ``path`` (empty where the site is sound), ``Count_<set>``, facts of the
        segmentation, checksums of the stored pixels, and the field's fingerprint.
    """
    sites = sites_of(index, wells)
    for site in sites if job.in_place else []:
        check_in_place(array_of(site), [made.name for made in job.sets])
    _tell_planted(wells, job, what)
    rows = _map_sites(sites, job, workers, what, checkpoint)
    kept = sum(row.pop(KEPT) for row in rows)
    log.info("%s: %d fields made, %d kept from an earlier run", what, len(rows) - kept, kept)
    table = pd.DataFrame(rows, columns=None if rows else first_columns(job))
    for row in table[table["fault"] != ""].itertuples():
        log.warning("site %s %s is excluded: %s", row.Metadata_Well, row.Metadata_Site, row.fault)
    return table


def _tell_planted(wells: Sequence[str], job: SegmentationJob, what: str) -> None:
    concerned: dict[str, list[str]] = {}
    for well in wells:
        for note in dict.fromkeys(job.planted_notes(well).values()):
            concerned.setdefault(note, []).append(well)
    for note, own in concerned.items():
        log.warning("%s: %s Here in %s.", what, note, ", ".join(own))


def _map_sites(
    sites: Sequence[Site],
    job: SegmentationJob,
    workers: int,
    what: str,
    checkpoint: Checkpoint | None,
) -> list[Row]:
    """Segment sites on the GPUs' threads, or on processes; return their rows in order."""
    gpus = job.gpus
    if gpus:
        job = job.on(gpus[0])
    step = job.fields_at_once(_pixels_of(sites[0])) if sites else 1
    together = [sites[first : first + step] for first in range(0, len(sites), step)]
    # Another run of this job may still be at work, at the first fields: meet it from the other end.
    backwards = checkpoint is not None and checkpoint.begin()
    if backwards:
        together.reverse()
    segment = partial(_segment_unless_done, job=job, checkpoint=checkpoint)
    if gpus:
        each = threads_each(workers, len(gpus)) if job.models_are_for_threads else 1
        helpers = helpers_worth(len(sites) // len(gpus), workers // len(gpus))
        serving = partial(_serving, job=job, helpers=helpers)
        parts = list(map_on_gpus(segment, together, gpus, each, what, len, serving))
    else:
        parts = list(map_fields(segment, together, workers, what, len))
    return list(chain.from_iterable(parts[::-1] if backwards else parts))


@contextmanager
def _serving(device: str, job: SegmentationJob, helpers: int) -> Iterator[None]:
    """Test a GPU, then serve it: with processes beside, for what is done on the CPU."""
    check_job(device, job)
    with Helpers(helpers, job):
        yield


def _pixels_of(site: Site) -> int:
    """Return the pixels of a field, all channels together."""
    planes = site.planes.drop_duplicates("channel")
    return int((planes["size_y"] * planes["size_x"]).sum())


def _segment_unless_done(
    sites: Sequence[Site], device: str = "", *, job: SegmentationJob, checkpoint: Checkpoint | None
) -> list[Row]:
    if checkpoint is not None:
        checkpoint.check()
    return segment_fields(sites, job.on(device) if device else job)


def segment_fields(sites: Sequence[Site], job: SegmentationJob) -> list[Row]:
    """Segment sites and store them, unless the store holds them already; return their rows."""
    give_back_arrays_at_once()
    looked_at = map_with(job, _look_at, [(site,) for site in sites])
    waiting = [found for found in looked_at if isinstance(found, WaitingField)]
    made = iter(_make_fields(waiting, job))
    return [next(made) if isinstance(found, WaitingField) else found for found in looked_at]


def _look_at(site: Site, job: SegmentationJob) -> Row | WaitingField:
    """Read a site; return its row if there is nothing to make."""
    try:
        image = job.images.read(site, job.saturated_percent)
    except SiteFault as fault:
        return store_fault(site, job, fault)
    try:
        imported = imported_labels(site, job)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in PASSING_ERRORS:
            raise
        return store_fault(site, job, SiteFault(str(error), ""))
    image_checksum = checksum(image)
    mark = job.fingerprint(image_checksum, imported, site.well)
    done = stored_field(job.store, site.well, site.number)
    if done.get("fingerprint") == mark and not find_damage(
        job.store, site.well, site.number, done["checksums"]
    ):
        if job.in_place:
            names = [made.name for made in job.sets]
            store_in_place(site, read_field(job.store, site.well, site.number, names).labels, job)
        return field_row(site, job, done["record"], done["checksums"], mark) | {KEPT: True}
    return WaitingField(site, image, image_checksum, imported, mark)


def _make_fields(waiting: Sequence[WaitingField], job: SegmentationJob) -> list[Row]:
    """Make and store the labels of sites together; if that fails, of each by itself."""
    if not waiting:
        return []
    try:
        made = make_labels(waiting, job)
    except Exception as error:  # one site must not end a plate; its reason goes into the tables
        # After a failure a GPU computes nothing more in this process, or nothing to be trusted.
        if len(waiting) > 1 and not is_gpu_failure(error):
            return [row for place in waiting for row in _make_fields([place], job)]
        if is_machine_fault(error):
            raise
        site = waiting[0].site
        log.exception("site %s %s: segmentation failed", site.well, site.number)
        reason = f"segmentation failed: {error}"
        return [store_fault(site, job, SiteFault(reason, str(site.planes["path"].iloc[0])))]
    return map_with(job, store_field, list(zip(waiting, made, strict=True)))
