"""Compare the labels of a plate with those that a person drew."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import AnyLabels, Labels
from levelfield.config.references import field_names, files_of_plate
from levelfield.config.settings import EvaluationSettings
from levelfield.evaluation import EvaluationTables, evaluation_tables
from levelfield.evaluation.tables import Labelled
from levelfield.execution.progress import map_fields
from levelfield.io.store import read_labels
from levelfield.labels.objects import split_parts
from levelfield.qc.columns import SITE
from levelfield.segmentation import imported
from levelfield.steps.summarise_plate import in_plate_order, stack, with_layout

log = logging.getLogger("levelfield")

COMPARED, MISSING, REFUSED, UNUSED = "compared", "missing", "refused", "unused"


class PlateEvaluation(NamedTuple):
    """How well the labels of a plate agree with their references.

    Attributes
    ----------
    objects, images, groups : DataFrame
        As `levelfield.evaluation.evaluation_tables` makes them, after a column ``object_set``.
    references : DataFrame
        One row per field and object set: the field, ``object_set``, ``file`` (where its reference
        was looked for), ``status`` and ``reason``. The status is "compared", "missing" (no such
        file), "refused" (the reason says why) or "unused": a file that fits the pattern, but no
        usable site has that name; its site is 0.
    """

    objects: pd.DataFrame
    images: pd.DataFrame
    groups: pd.DataFrame
    references: pd.DataFrame


def usable_fields(
    index: pd.DataFrame, segmented: Sequence[pd.DataFrame], layout: pd.DataFrame
) -> pd.DataFrame:
    """Return a row per sound site of the packs' tables: its layout, and its first ``raw_file``."""
    fields = stack(segmented)
    fields = in_plate_order(fields.loc[fields["fault"] == "", SITE])
    first = index.groupby(["well", "site"], sort=False)["path"].first().rename("raw_file")
    return with_layout(fields.join(first, on=SITE[1:]), layout)


def evaluate_plate(
    plate: str,
    fields: pd.DataFrame,
    settings: EvaluationSettings,
    folder: Path | str,
    store: Path | str,
) -> PlateEvaluation:
    """Evaluate every site of a plate that has a reference.

    Parameters
    ----------
    fields : DataFrame
        From `usable_fields`.
    folder : Path
        Where the patterns of the references start.

    Raises
    ------
    ValueError
        If nothing can be compared, or one file would be the reference of two sites.
    """
    evaluated, references = {}, []
    for object_set, pattern in settings.references.items():
        table = look_for_references(plate, fields, object_set, pattern, Path(folder))
        scores = _evaluate_set(fields, table, settings, Path(store))
        if scores is not None:
            evaluated[object_set] = scores
        _tell(object_set, table)
        references.append(table)
    found = pd.concat(references, ignore_index=True)
    if not evaluated:
        raise ValueError(_nothing_compared(plate, found))
    objects, images, groups = (
        _join({name: tables[part] for name, tables in evaluated.items()}) for part in range(3)
    )
    return PlateEvaluation(objects, images, groups, found)


def _join(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack the tables of the object sets, whose names become the first column."""
    joined = pd.concat(tables, names=["object_set"])
    return joined.reset_index("object_set").reset_index(drop=True)


def look_for_references(
    plate: str, fields: pd.DataFrame, object_set: str, pattern: str, folder: Path
) -> pd.DataFrame:
    """List where the reference of every field was looked for, and the files left over.

    Returns
    -------
    DataFrame
        As `PlateEvaluation.references`; files that are there are "compared" until they are read.

    Raises
    ------
    ValueError
        If the pattern names one file for two sites.
    """
    named = fields[[*SITE, "raw_file"]].itertuples(index=False, name=None)
    files = [
        folder / pattern.format(**field_names(plate, well, site, raw_file))
        for plate, well, site, raw_file in named
    ]
    table = fields[SITE].assign(object_set=object_set, file=[str(file) for file in files])
    repeated = table["file"].duplicated(keep=False)
    if repeated.any():
        raise ValueError(
            f"evaluation.references.{object_set}: '{pattern}' is the same file for "
            f"{int(repeated.sum())} sites, first '{table.loc[repeated, 'file'].iloc[0]}'. Put what "
            "tells the sites apart into the pattern, for instance {well} and {site}."
        )
    table["status"] = [COMPARED if file.exists() else MISSING for file in files]
    table["reason"] = ""
    unused = sorted(set(files_of_plate(folder, pattern, plate)).difference(files))
    rest = pd.DataFrame(
        [(plate, "", 0, object_set, str(file), UNUSED, "") for file in unused],
        columns=table.columns,
    ).astype({"Metadata_Site": int})
    return pd.concat([table, rest], ignore_index=True) if unused else table


def _evaluate_set(
    fields: pd.DataFrame, references: pd.DataFrame, settings: EvaluationSettings, store: Path
) -> EvaluationTables | None:
    """Evaluate one object set, noting in `references` what is refused; None if all is."""
    pairs = _pairs(fields, references, store)
    first = next(pairs, None)
    if first is None:
        return None
    return evaluation_tables(chain([first], pairs), list(settings.by), **settings.parameters)


def _pairs(fields: pd.DataFrame, references: pd.DataFrame, store: Path) -> Iterator[Labelled]:
    """Yield metadata, prediction and reference of each field whose reference can be used.

    One that cannot is noted in `references`.
    """
    metadata = fields.filter(like="Metadata_").to_dict("records")
    # The rows of the fields come first in the table of references, in the same order.
    rows = references.index[references["status"] == COMPARED]
    chosen = [references.loc[row] for row in rows]
    read = partial(_read_pair, store=store)
    # One process: reading is quick, and whole images would have to be sent from one to another.
    pairs = map_fields(read, chosen, 1, "evaluate")
    for row, (prediction, reference, reason) in zip(rows, pairs, strict=True):
        if reference is None:
            references.loc[row, ["status", "reason"]] = [REFUSED, reason]
        else:
            yield metadata[row], prediction, reference


def _read_pair(row: pd.Series, store: Path) -> tuple[Labels, AnyLabels | None, str]:
    """Return prediction, reference, and why the reference cannot be used."""
    prediction = read_labels(store, row["Metadata_Well"], row["Metadata_Site"], row["object_set"])
    try:
        return prediction, _read_reference(Path(row["file"]), prediction.shape), ""
    except Exception as error:  # whatever a broken file raises, it must not end the plate
        return prediction, None, str(error) or type(error).__name__


def _read_reference(path: Path, shape: tuple[int, ...]) -> AnyLabels:
    reference = imported.read_labels(path)
    if reference.shape != shape:
        sizes = [f"{height} × {width} px" for height, width in (reference.shape, shape)]
        raise ValueError(
            f"the reference is {sizes[0]} (height × width), the image {sizes[1]}; it may be of "
            "another site, or scaled, cropped or transposed"
        )
    if len(np.unique(reference[reference > 0])) == 1:
        n_parts = int(split_parts(reference).max())
        if n_parts > 1:
            raise ValueError(
                f"it gives one number to all of its {n_parts} separate objects: it is a mask, not "
                "labels, and would count as one object"
            )
    return reference


def _tell(object_set: str, references: pd.DataFrame) -> None:
    number = references["status"].value_counts()
    log.info(
        "%s: sites compared with their references: %d; skipped, as they have none: %d",
        *(object_set, number.get(COMPARED, 0), number.get(MISSING, 0)),
    )
    for row in references[references["status"] == REFUSED].itertuples():
        site = f"site {row.Metadata_Well} {row.Metadata_Site}"
        log.warning("%s, %s is not compared: %s (%s)", object_set, site, row.reason, row.file)
    if number.get(UNUSED, 0):
        first = references.loc[references["status"] == UNUSED, "file"].iloc[0]
        log.warning(
            "%s: files that fit the pattern, but no usable site has their name: %d; first %s",
            *(object_set, number[UNUSED], first),
        )


def _nothing_compared(plate: str, references: pd.DataFrame) -> str:
    refused = references[references["status"] == REFUSED]
    if len(refused):
        return (
            f"plate {plate}: none of its {len(refused)} references can be used. The first, "
            f"{refused['file'].iloc[0]}: {refused['reason'].iloc[0]}. Export whole label images of "
            "the same fields."
        )
    looked_for = references[references["status"] == MISSING]
    if looked_for.empty:
        return f"plate {plate} has no usable site, so nothing can be compared with references."
    text = f"plate {plate}: no site has a reference. Looked first for {looked_for['file'].iloc[0]}"
    unused = references.loc[references["status"] == UNUSED, "file"]
    found = f"; found {unused.iloc[0]}, which fits no usable site" if len(unused) else ""
    return f"{text}{found}. Correct evaluation.references in the config, or rename the files."
