"""Collect what people corrected on segmented plates, and keep it as training images.

A collection is a snapshot: the next training makes the labels again that people looked at.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
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
from levelfield.config.sheets import SheetError, check_sheet, read_sheet
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
FIELD = ["plate", "well", "site"]


@dataclass(frozen=True)
class CorrectedPlate:
    """A plate on which people may have corrected objects.

    Attributes
    ----------
    name : str
        Of the plate.
    sites : tuple of (str, int)
        Well and site of its fields.
    reader : FieldReader
        Reads its corrected images, and the labels of the object set.
    """

    name: str
    sites: tuple[tuple[str, int], ...]
    reader: FieldReader


@dataclass(frozen=True)
class Correction:
    """A field and what a person made known of it.

    Attributes
    ----------
    plate, well, site : str, str, int
        The field.
    kind : str
        `REVIEW` or `EDITED`.
    labels : (Y, X) int32
        0 background, -1 unknown.
    n_judged, n_corrected : int
        Objects that a person looked at, and those of them that were wrong.
    checksum : str
        Of the labels that the person left; of edited ones, so that they are taken once only.
    """

    plate: str
    well: str
    site: int
    kind: str
    labels: AnyArray
    n_judged: int
    n_corrected: int
    checksum: str


def read_reviews(paths: Sequence[Path], schema: Mapping[str, Any], object_set: str) -> pd.DataFrame:
    """Read review sheets.

    Returns
    -------
    DataFrame
        What was said of objects of `object_set`, sorted: plate, well, site (int), object (int),
        reviewer, answer, checksum.

    Raises
    ------
    SheetError
        If a sheet cannot be used.
    """
    columns = [*FIELD, "object", "reviewer", "answer", "checksum"]
    tables = []
    for path in paths:
        sheet = read_sheet(path)
        check_sheet(sheet, schema, path)
        sheet = sheet.rename(columns={"object_number": "object"})
        sheet = sheet.reindex(columns=sheet.columns.union(columns), fill_value="")
        answered = sheet["answer"].isin(ANSWERS)  # neither empty, nor of a whole field
        tables.append(sheet.loc[answered & (sheet["object_set"] == object_set), columns])
    if not tables:
        return pd.DataFrame(columns=columns)
    reviews = pd.concat(tables).astype({"site": int, "object": int})
    return reviews.sort_values([*FIELD, "object", "reviewer"], ignore_index=True)


def collect(
    plates: Sequence[CorrectedPlate],
    reviews: pd.DataFrame,
    object_set: ObjectSetSettings,
    settings: CorrectionSettings,
    taken: frozenset[str] = frozenset(),
) -> Iterator[tuple[Correction, AnyArray]]:
    """Give every corrected field, with the image (Y, X) that the segmenter saw.

    Parameters
    ----------
    plates : sequence of CorrectedPlate
        All plates of the screen.
    reviews : DataFrame
        From `read_reviews`.
    object_set : ObjectSetSettings
        The object set that was corrected.
    settings : CorrectionSettings
        What counts as known.
    taken : frozenset of str
        Checksums of edited labels that an earlier generation has learned from.

    Raises
    ------
    ValueError
        If a review is of a field or an object that is not there.
    """
    _check_plates(reviews, plates)
    by_field = dict(list(reviews.groupby(FIELD, sort=False)))
    for plate in plates:
        for well, site in plate.sites:
            review = by_field.get((plate.name, well, site))
            edited = _edited_path(plate, well, site, settings.object_set)
            if review is None and not edited.is_dir():
                continue
            image, labels = plate.reader.read(well, site)
            field = (plate.name, well, site)
            corrections = _corrections(
                field, labels[settings.object_set], review, edited, settings, taken
            )
            if corrections:
                chosen = [_channel_index(plate, name) for name in object_set.channels]
                seen = apply_steps(image[chosen], object_set.steps)[0]
                yield from ((correction, seen) for correction in corrections)


def _channel_index(plate: CorrectedPlate, name: str) -> int:
    return [channel.name for channel in plate.reader.channels].index(name)


def _edited_path(plate: CorrectedPlate, well: str, site: int, object_set: str) -> Path:
    folder = field_path(plate.reader.store, well, site) / "labels"
    return folder / f"{object_set}{EDITED_SUFFIX}"


def _check_plates(reviews: pd.DataFrame, plates: Sequence[CorrectedPlate]) -> None:
    known = {(plate.name, well, site) for plate in plates for well, site in plate.sites}
    for field in reviews[FIELD].drop_duplicates().itertuples(index=False, name=None):
        if field not in known:
            raise ValueError(
                f"the review names plate {field[0]}, well {field[1]}, site {field[2]}, which is no "
                "usable field of this screen. Correct the review sheet."
            )


def _corrections(
    field: tuple[str, str, int],
    labels: AnyArray,
    review: pd.DataFrame | None,
    edited_path: Path,
    settings: CorrectionSettings,
    taken: frozenset[str],
) -> list[Correction]:
    corrections = []
    if edited_path.is_dir():
        edited = _read_edited(edited_path, labels.shape)
        mark = checksum(edited)
        if mark not in taken:
            whole = settings.edited == "field"
            known = edited if whole else edited_labels(labels, edited)
            counts = count_edits(labels, edited)
            corrections.append(Correction(*field, EDITED, known, *counts, mark))
            if whole:  # says more than any review
                return corrections
    if review is not None:
        review = _still_valid(review, labels)
        if len(review):
            corrections.append(_of_review(field, labels, review))
    return corrections


def _still_valid(review: pd.DataFrame, labels: AnyArray) -> pd.DataFrame:
    """Leave out what was said of labels that were made again since."""
    valid = review["checksum"].isin(["", checksum(labels)])
    if not valid.all():
        first = review.iloc[0]
        log.info(
            "plate %s, well %s, site %d: %d answers are of earlier labels and do not count",
            *(first["plate"], first["well"], first["site"], (~valid).sum()),
        )
    return review[valid]


def _read_edited(path: Path, shape: tuple[int, ...]) -> AnyArray:
    edited = read_labels(path).astype(np.int32)
    if edited.shape != shape:
        raise ValueError(
            f"'{path}' is {edited.shape} px, its image {shape} px. Save the labels at the full "
            "size of the image."
        )
    return edited


def _of_review(field: tuple[str, str, int], labels: AnyArray, review: pd.DataFrame) -> Correction:
    answers = agreed_answers(review)
    try:
        known = reviewed_labels(labels, answers)
    except ValueError as error:
        plate, well, site = field
        raise ValueError(
            f"the review of plate {plate}, well {well}, site {site}: {error}."
        ) from None
    judged = answers[answers != CANNOT_TELL]
    n_corrected = int((judged != CORRECT).sum())
    return Correction(*field, REVIEW, known, len(judged), n_corrected, checksum(labels))


def write_collection(
    corrections: Iterator[tuple[Correction, AnyArray]], folder: Path, group_by: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write images and labels, and return the training sheet and the counts of corrections.

    Parameters
    ----------
    corrections : iterator
        From `collect`.
    folder : Path
        Where the files go.
    group_by : str
        ``well`` or ``plate``.

    Raises
    ------
    SheetError
        If nothing was corrected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sheet, counts = [], []
    for correction, image in corrections:
        identity = {
            "Metadata_Plate": correction.plate,
            "Metadata_Well": correction.well,
            "Metadata_Site": correction.site,
            "Metadata_Kind": correction.kind,
        }
        counts.append(
            identity | {"n_judged": correction.n_judged, "n_corrected": correction.n_corrected}
        )
        if not (correction.labels >= 0).any():
            continue  # nothing was right, and nothing was false: there is nothing to learn from
        group = f"{correction.plate} {correction.well}" if group_by == "well" else correction.plate
        files = _write_files(correction, image, folder)
        sheet.append(
            files | {"group": group} | identity | {"Metadata_Checksum": correction.checksum}
        )
    if not sheet:
        raise SheetError(
            "there is nothing to learn from: no object of the labels that are there now was "
            "reviewed as correct or not_an_object, and no field has edited labels "
            f"(<set>{EDITED_SUFFIX}) that are new. Review or edit first, or lower `generation`."
        )
    return pd.DataFrame(sheet), pd.DataFrame(counts)


def _write_files(correction: Correction, image: AnyArray, folder: Path) -> dict[str, Any]:
    name = f"{correction.plate}_{correction.well}_{correction.site}_{correction.kind}"
    paths = {kind: folder / f"{name}_{kind}" for kind in ("image", "labels", "known")}
    paths = {kind: path.with_name(f"{path.name}.tif") for kind, path in paths.items()}
    low, high = float(image.min()), float(image.max())
    # The network sees every image at a scale of its own, so this one loses nothing but the scale.
    scaled = (image - low) / max(high - low, 1e-9) * 65535
    tifffile.imwrite(paths["image"], np.rint(scaled).astype(np.uint16), compression="zlib")
    tifffile.imwrite(paths["labels"], np.maximum(correction.labels, 0), compression="zlib")
    if (correction.labels >= 0).all():
        return {"image": paths["image"], "labels": paths["labels"], "known": ""}
    known = Image.fromarray(((correction.labels >= 0) * 255).astype(np.uint8))
    paths["known"] = paths["known"].with_suffix(".png")
    known.save(paths["known"])
    return dict(paths)


def collected_before(folders: Sequence[Path]) -> tuple[frozenset[str], list[pd.DataFrame]]:
    """Return what earlier generations took: checksums of edited labels, and their reviews."""
    taken: set[str] = set()
    reviews = []
    for folder in folders:
        sheet = pd.read_csv(folder / "collected.csv", dtype=str, keep_default_na=False)
        taken |= set(sheet.loc[sheet["Metadata_Kind"] == EDITED, "Metadata_Checksum"])
        review = pd.read_csv(folder / "reviews.csv", dtype=str, keep_default_na=False)
        reviews.append(review)
    return frozenset(taken), reviews


def refuse_old_reviews(reviews: pd.DataFrame, earlier: Sequence[pd.DataFrame]) -> None:
    """Refuse a review that an earlier generation has learned from: its labels are gone.

    Raises
    ------
    SheetError
        If the same answers were collected before.
    """
    for number, before in enumerate(earlier, start=1):
        if len(reviews) and reviews.astype(str).reset_index(drop=True).equals(before):
            raise SheetError(
                f"generation {number} has learned from this review already, and its labels were "
                "made again since. Review the labels that are there now, or lower `generation`."
            )


def collect_generation(
    plates: Sequence[CorrectedPlate],
    object_set: ObjectSetSettings,
    settings: CorrectionSettings,
    sheets: Sequence[Path],
    schema: Mapping[str, Any],
    folder: Path,
    earlier: Sequence[Path],
) -> None:
    """Collect all that is new into the folder of a generation.

    Writes ``reviews.csv``, ``corrected/`` (images and labels), ``corrections.csv`` (a row per
    field: ``n_judged``, ``n_corrected``) and, last, the training sheet ``collected.csv``.

    Parameters
    ----------
    plates : sequence of CorrectedPlate
        As for `collect`.
    object_set : ObjectSetSettings
        As for `collect`.
    settings : CorrectionSettings
        As for `collect`.
    sheets : sequence of Path
        Review sheets.
    schema : mapping
        JSON Schema of a row of them.
    folder : Path
        Of this generation.
    earlier : sequence of Path
        Folders of earlier generations.

    Raises
    ------
    ValueError
        See `collect` and `write_collection`.
    """
    reviews = read_reviews(sheets, schema, settings.object_set)
    taken, before = collected_before(earlier)
    refuse_old_reviews(reviews, before)
    corrections = collect(plates, reviews, object_set, settings, taken)
    sheet, counts = write_collection(corrections, folder / "corrected", settings.group_by)
    write_csv(reviews, folder / "reviews.csv")
    write_csv(counts, folder / "corrections.csv")
    write_csv(sheet, folder / "collected.csv")
    n_judged, n_corrected = counts["n_judged"].sum(), counts["n_corrected"].sum()
    log.info(
        "%d fields collected; %d of %d objects had to be corrected (%.1f %%)",
        *(len(sheet), n_corrected, n_judged, 100 * n_corrected / max(n_judged, 1)),
    )
