"""Collect what people corrected on segmented plates, and keep it as training images.

A collection is a snapshot: the next training makes the labels again that people looked at.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from levelfield.arrays import AnyArray
from levelfield.config.networks import CorrectionSettings
from levelfield.config.settings import ObjectSetSettings
from levelfield.config.sheets import SheetError, read_sheet
from levelfield.images.preprocessing import apply_steps
from levelfield.io.store import EDITED_SUFFIX, checksum, field_path
from levelfield.io.tables import write_csv
from levelfield.segmentation.imported import read_labels
from levelfield.steps.fields import FieldReader
from levelfield.training.corrections import (
    ANSWERS,
    CANNOT_TELL,
    CORRECT,
    agreed_answers,
    count_edits,
    edited_labels,
    reviewed_labels,
)

log = logging.getLogger("levelfield")

REVIEW, EDITED = "review", "edited"
_FIELD = ["plate", "well", "site"]
Place = tuple[str, str, int]


@dataclass(frozen=True)
class CorrectedPlate:
    """A plate on which people may have corrected objects: wells and sites of its fields."""

    name: str
    sites: tuple[tuple[str, int], ...]
    reader: FieldReader


@dataclass(frozen=True)
class _Correction:
    """A field (plate, well, site) and what a person made known of it; labels are -1 elsewhere.

    The checksum is that of the labels that the person left: edited ones are taken once only.
    """

    place: Place
    kind: str
    labels: AnyArray
    n_judged: int
    n_corrected: int
    checksum: str

    @property
    def identity(self) -> dict[str, Any]:
        names = ("Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_Kind")
        return dict(zip(names, (*self.place, self.kind), strict=True))


def collect_generation(
    plates: Sequence[CorrectedPlate],
    object_set: ObjectSetSettings,
    settings: CorrectionSettings,
    sheets: Sequence[Path],
    schema: Path,
    folder: Path,
    earlier: Sequence[Path],
) -> None:
    """Collect all that is new into the folder of a generation.

    Writes ``reviews.csv``, ``corrected/`` (images and labels), ``corrections.csv`` (a row per
    field: ``n_judged``, ``n_corrected``) and, last, the training sheet ``collected.csv``.

    Parameters
    ----------
    sheets, schema : sequence of Path, Path
        Review sheets, and the JSON Schema of a row of them.
    earlier : sequence of Path
        Folders of earlier generations, whose corrections are not taken again.

    Raises
    ------
    ValueError
        If a sheet cannot be used, a review is of a field or an object that is not there or was
        learned from before, or nothing was corrected.
    """
    reviews = _read_reviews(sheets, schema, settings.object_set)
    taken = _taken_before(reviews, earlier)
    _check_plates(reviews, plates)
    corrections = _collect(plates, reviews, object_set, settings, taken)
    sheet, counts = _write_collection(corrections, folder / "corrected", settings.group_by)
    write_csv(reviews, folder / "reviews.csv")
    write_csv(counts, folder / "corrections.csv")
    write_csv(sheet, folder / "collected.csv")
    n_judged, n_corrected = counts["n_judged"].sum(), counts["n_corrected"].sum()
    log.info(
        "%d fields collected; %d of %d objects had to be corrected (%.1f %%)",
        *(len(sheet), n_corrected, n_judged, 100 * n_corrected / max(n_judged, 1)),
    )


def _read_reviews(paths: Sequence[Path], schema: Path, object_set: str) -> pd.DataFrame:
    """Return what was said of the objects of a set, sorted by field, object and reviewer."""
    columns = [*_FIELD, "object", "reviewer", "answer", "checksum"]
    tables = []
    for path in paths:
        sheet = read_sheet(path, schema).rename(columns={"object_number": "object"})
        sheet = sheet.reindex(columns=sheet.columns.union(columns), fill_value="")
        answered = sheet["answer"].isin(ANSWERS)  # neither empty, nor of a whole field
        tables.append(sheet.loc[answered & (sheet["object_set"] == object_set), columns])
    if not tables:
        return pd.DataFrame(columns=columns)
    reviews = pd.concat(tables).astype({"site": int, "object": int})
    return reviews.sort_values([*_FIELD, "object", "reviewer"], ignore_index=True)


def _check_plates(reviews: pd.DataFrame, plates: Sequence[CorrectedPlate]) -> None:
    known = {(plate.name, well, site) for plate in plates for well, site in plate.sites}
    for place in reviews[_FIELD].drop_duplicates().itertuples(index=False, name=None):
        if place not in known:
            raise ValueError(
                f"the review names plate {place[0]}, well {place[1]}, site {place[2]}, which is no "
                "usable field of this screen. Correct the review sheet."
            )


def _taken_before(reviews: pd.DataFrame, folders: Sequence[Path]) -> set[str]:
    """Return the checksums of edited labels that earlier generations have learned from.

    A review that they have learned from is refused: its labels are gone.
    """
    taken: set[str] = set()
    for number, folder in enumerate(folders, start=1):
        before = pd.read_csv(folder / "reviews.csv", dtype=str, keep_default_na=False)
        if len(reviews) and reviews.astype(str).reset_index(drop=True).equals(before):
            raise SheetError(
                f"generation {number} has learned from this review already, and its labels were "
                "made again since. Review the labels that are there now, or lower `generation`."
            )
        sheet = pd.read_csv(folder / "collected.csv", dtype=str, keep_default_na=False)
        taken |= set(sheet.loc[sheet["Metadata_Kind"] == EDITED, "Metadata_Checksum"])
    return taken


def _collect(
    plates: Sequence[CorrectedPlate],
    reviews: pd.DataFrame,
    object_set: ObjectSetSettings,
    settings: CorrectionSettings,
    taken: set[str],
) -> Iterator[tuple[_Correction, AnyArray]]:
    """Give every corrected field, with the image (Y, X) that the segmenter saw."""
    by_place = dict(list(reviews.groupby(_FIELD, sort=False)))
    for plate in plates:
        names = plate.reader.images.names
        chosen = [names.index(name) for name in object_set.channels]
        for well, site in plate.sites:
            place = plate.name, well, site
            folder = field_path(plate.reader.store, well, site) / "labels"
            edited = folder / f"{object_set.name}{EDITED_SUFFIX}"
            if place not in by_place and not edited.is_dir():
                continue
            image, every = plate.reader.read(well, site)
            labels = every[object_set.name]
            found = _edited(place, labels, edited, settings.edited == "field", taken)
            # A whole field that was edited says more than any review.
            if place in by_place and not (found and settings.edited == "field"):
                found += _reviewed(place, labels, by_place[place])
            if found:
                seen = apply_steps(image[chosen], object_set.steps)[0]
                yield from ((correction, seen) for correction in found)


def _edited(
    place: Place, labels: AnyArray, path: Path, whole: bool, taken: set[str]
) -> list[_Correction]:
    """Return the edited labels of a field, all of them or those around changes, if they are new."""
    if not path.is_dir():
        return []
    edited = read_labels(path).astype(np.int32)
    if edited.shape != labels.shape:
        raise ValueError(
            f"'{path}' is {edited.shape} px, its image {labels.shape} px. Save the labels at the "
            "full size of the image."
        )
    mark = checksum(edited)
    if mark in taken:
        return []
    known = edited if whole else edited_labels(labels, edited)
    return [_Correction(place, EDITED, known, *count_edits(labels, edited), mark)]


def _reviewed(place: Place, labels: AnyArray, review: pd.DataFrame) -> list[_Correction]:
    """Return what was said of a field's objects, but for labels that were made again since."""
    mark = checksum(labels)
    valid = review["checksum"].isin(["", mark])
    where = "plate {}, well {}, site {}".format(*place)
    if not valid.all():
        log.info("%s: %d answers are of earlier labels and do not count", where, (~valid).sum())
    if not valid.any():
        return []
    answers = agreed_answers(review[valid])
    try:
        known = reviewed_labels(labels, answers)
    except ValueError as error:
        raise ValueError(f"the review of {where}: {error}.") from None
    judged = answers[answers != CANNOT_TELL]
    n_corrected = int((judged != CORRECT).sum())
    return [_Correction(place, REVIEW, known, len(judged), n_corrected, mark)]


def _write_collection(
    corrections: Iterator[tuple[_Correction, AnyArray]], folder: Path, group_by: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write images and labels, and return the training sheet and the counts of corrections."""
    folder.mkdir(parents=True, exist_ok=True)
    sheet, counts = [], []
    for made, image in corrections:
        counts.append(made.identity | {"n_judged": made.n_judged, "n_corrected": made.n_corrected})
        if not (made.labels >= 0).any():
            continue  # nothing was right, and nothing was false: there is nothing to learn from
        plate, well, _ = made.place
        group = {"group": f"{plate} {well}" if group_by == "well" else plate}
        files = _write_files(made, image, folder)
        sheet.append(files | group | made.identity | {"Metadata_Checksum": made.checksum})
    if not sheet:
        raise SheetError(
            "there is nothing to learn from: no object of the labels that are there now was "
            "reviewed as correct or not_an_object, and no field has edited labels "
            f"(<set>{EDITED_SUFFIX}) that are new. Review or edit first, or lower `generation`."
        )
    return pd.DataFrame(sheet), pd.DataFrame(counts)


def _write_files(correction: _Correction, image: AnyArray, folder: Path) -> dict[str, Any]:
    name = "_".join(map(str, (*correction.place, correction.kind)))
    paths = {kind: folder / f"{name}_{kind}.tif" for kind in ("image", "labels")}
    low, high = float(image.min()), float(image.max())
    # The network sees every image at a scale of its own, so this one loses nothing but the scale.
    scaled = (image - low) / max(high - low, 1e-9) * 65535
    tifffile.imwrite(paths["image"], np.rint(scaled).astype(np.uint16), compression="zlib")
    tifffile.imwrite(paths["labels"], np.maximum(correction.labels, 0), compression="zlib")
    known = correction.labels >= 0
    if known.all():
        return paths | {"known": ""}
    mask = folder / f"{name}_known.png"
    Image.fromarray((known * 255).astype(np.uint8)).save(mask)
    return paths | {"known": mask}
