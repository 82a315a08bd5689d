"""What a segmented field leaves behind: its pixels and labels in the store, and a row of facts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.arrays import Labels
from levelfield.images.sites import Site, SiteFault
from levelfield.io.store import Field, write_field
from levelfield.steps.segment.job import SegmentationJob

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
    return [*identity, *(f"Count_{object_set.name}" for object_set in job.sets)]


def field_row(
    site: Site,
    job: SegmentationJob,
    record: Mapping[str, Any],
    checksums: Mapping[str, Any],
    mark: str,
) -> Row:
    """Return the row of a field that is in the store.

    Parameters
    ----------
    site : Site
        The field.
    job : SegmentationJob
        What it has in common with the others of its pack.
    record : mapping
        Facts of the segmentation.
    checksums : mapping of str to Any
        Of what is stored.
    mark : str
        Fingerprint of what the labels depend on.
    """
    counts = {name: int(value) for name, value in record.items() if name.startswith("Count_")}
    sums = {f"checksum_{name}": value for name, value in checksums.items()}
    return identity_row(site, job) | dict(record) | counts | sums | {"fingerprint": mark}


def store_field(
    site: Site,
    image: NDArray[Any],
    labels: Mapping[str, Labels],
    record: Mapping[str, Any],
    mark: str,
    job: SegmentationJob,
) -> Row:
    """Write an image (C, Y, X) and its labels (Y, X) by object set; return the field's row."""
    checksums = write_field(
        job.store,
        site.well,
        site.number,
        Field(image, labels, job.planted_notes(site.well)),
        job.channels,
        mark,
        record,
        job.pixel_size_um,
    )
    return field_row(site, job, record, checksums, mark)


def store_fault(site: Site, job: SegmentationJob, fault: SiteFault) -> Row:
    """Store a blank field in place of one that cannot be used, so that the plate stays whole."""
    first = site.planes.iloc[0]
    dtype = np.dtype(first["dtype"])
    blank = np.zeros((len(job.channels), first["size_y"], first["size_x"]), dtype)
    labels = {object_set.name: np.zeros(blank.shape[1:], np.int32) for object_set in job.sets}
    write_field(
        job.store,
        site.well,
        site.number,
        Field(blank, labels),
        job.channels,
        "",
        {"fault": fault.reason},
        job.pixel_size_um,
    )
    return identity_row(site, job, fault.reason, fault.path)
