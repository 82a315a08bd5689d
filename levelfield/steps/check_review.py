"""The review sheet, and the checksums that tell whether its labels are still those of today."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from levelfield.config.sheets import read_sheet
from levelfield.qc.columns import SITE

log = logging.getLogger("levelfield")


def read_review(path: Path | str | list[str], schema: Path | str) -> pd.DataFrame | None:
    """Read the review sheet; nothing where there is none yet, and `path` an empty list.

    Raises
    ------
    SheetError
        Naming the file, the line and what is allowed.
    """
    return read_sheet(Path(str(path)), Path(schema)) if path else None


def label_checksums(segmented: Sequence[pd.DataFrame], object_sets: Sequence[str]) -> pd.DataFrame:
    """Return the checksums of the label images of the sound fields of some packs.

    Returns
    -------
    DataFrame
        ``Metadata_Plate, Metadata_Well, Metadata_Site, object_set, checksum``.
    """
    tables = []
    for fields in segmented:
        sound = fields[fields["fault"] == ""]
        for name in object_sets:
            found = sound.reindex(columns=[*SITE, f"checksum_{name}"])
            found.columns = [*SITE, "checksum"]
            tables.append(found.assign(object_set=name))
    return pd.concat(tables, ignore_index=True)


def log_review(plate: str, reviewed: pd.DataFrame) -> None:
    """Tell how far the review of a plate is, and what of it does not count.

    `reviewed` is the table of ``qc/reviewed.csv``.
    """
    for row in reviewed[reviewed["measure"] == "balance"].itertuples():
        if row.scope != "difference":
            log.info(
                "plate %s, %s, %s %s: %s, %d of %d crops reviewed",
                *(plate, row.object_set, row.scope, row.perturbation, row.state),
                *(row.n_reviewed, row.n_drawn),
            )
    for note in reviewed["notes"].unique():
        if note:
            log.warning("plate %s: %s", plate, note)
