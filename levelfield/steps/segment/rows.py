"""What a segmented field leaves behind: its pixels and labels in the store, and a row of facts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import Labels
from levelfield.images.sites import Site, SiteFault
from levelfield.io.store import Field, write_field, write_in_place
from levelfield.steps.segment.job import SegmentationJob
from levelfield.steps.segment.labels import MadeField, WaitingField

KEPT = "kept"
"""Whether a field's labels are those of an earlier run; of its row, until it is counted."""

Row = dict[str, Any]


def identity_row(site: Site, job: SegmentationJob, fault: str = "", path: str = "") -> Row:
    """Return the first columns of a field's row."""
    return {
        "Metadata_Plate": job.plate,
        "Metadata_Well": site.well,
        "Metadata_Site": site.number,
        "fault": fault,
        "path": path,
        KEPT: False,
    }


def first_columns(job: SegmentationJob) -> list[str]:
    """Return the columns of a table without any row."""
    identity = identity_row(Site("", 0, pd.DataFrame()), job)
    identity.pop(KEPT)
    return [*identity, *(f"Count_{made.name}" for made in job.sets)]


def field_row(
    site: Site,
    job: SegmentationJob,
    record: Mapping[str, Any],
    checksums: Mapping[str, Any],
    mark: str,
) -> Row:
    """Return the row of a field that is in the store.

    `record` holds facts of its segmentation, `checksums` are of what is stored, and `mark` is the
    fingerprint of what the labels depend on.
    """
    counts = {name: int(value) for name, value in record.items() if name.startswith("Count_")}
    sums = {f"checksum_{name}": value for name, value in checksums.items()}
    return identity_row(site, job) | dict(record) | counts | sums | {"fingerprint": mark}


def store_field(place: WaitingField, made: MadeField, job: SegmentationJob) -> Row:
    """Write a field's image and labels; return its row."""
    known = {"image": place.image_checksum}
    field = Field(place.image, made.labels, job.planted_notes(place.site.well), known)
    checksums = _write(field, place.site, job, place.mark, made.record)
    store_in_place(place.site, made.labels, job)
    return field_row(place.site, job, made.record, checksums, place.mark)


def store_in_place(site: Site, labels: Mapping[str, Labels], job: SegmentationJob) -> None:
    """Write labels beside the raw image too, where the config asks for it."""
    if job.in_place:
        write_in_place(array_of(site), labels, job.pixel_size_um)


def array_of(site: Site) -> Path:
    """Return the array that a site's first plane lies in."""
    return Path(site.planes["path"].iloc[0])


def store_fault(site: Site, job: SegmentationJob, fault: SiteFault) -> Row:
    """Store a blank field in place of one that cannot be used, so that the plate stays whole."""
    first = site.planes.iloc[0]
    shape = (len(job.images.channels), first["size_y"], first["size_x"])
    labels = {made.name: np.zeros(shape[1:], np.int32) for made in job.sets}
    blank = Field(np.zeros(shape, np.dtype(first["dtype"])), labels)
    _write(blank, site, job, "", {"fault": fault.reason})
    return identity_row(site, job, fault.reason, fault.path)


def _write(
    field: Field, site: Site, job: SegmentationJob, mark: str, record: Mapping[str, Any]
) -> dict[str, Any]:
    where = job.store, site.well, site.number
    return write_field(*where, field, job.images.channels, mark, record, job.pixel_size_um)
