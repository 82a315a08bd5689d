"""Layouts in other forms than one row per well: blocks shaped like the plate, and Harmony's XML."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from levelfield.config.sheets import Sheet, SheetError
from levelfield.config.wells import parse_well, row_column

_NAMES = {
    "well": ("well", "wells", "wellid", "wellname", "wellposition", "metadatawell"),
    "control_type": ("controltype", "role", "metadatacontroltype", "welltype"),
    "perturbation": (
        *("perturbation", "compound", "compoundname", "drug", "treatment", "gene", "condition"),
        *("pertiname", "metadatapertiname", "broadsample", "sirna", "substance"),
    ),
    "concentration": ("concentration", "conc", "dose", "concentrationum", "mmolesperliter"),
    "concentration_unit": ("concentrationunit", "unit", "doseunit", "concunit"),
    "control_group": ("controlgroup",),
}
_KINDS = {
    "negcon": ("negcon", "negative", "neg", "dmso", "vehicle", "untreated", "mock", "nc"),
    "poscon": ("poscon", "positive", "pos", "pc", "posconorf", "poscondiverse", "posconcp"),
    "trt": ("trt", "treated", "treatment", "sample"),
    "empty": ("empty", "blank", "none", "unused"),
}
_PLATEMAP = "well_position"  # by which JUMP's platemaps are known
_LETTERS = re.compile(r"[A-Z]|A[A-F]", re.IGNORECASE)


def plain(text: str) -> str:
    """Return what is compared of a name: its letters and digits, in lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def canonical(sheet: Sheet) -> Sheet:
    """Return a layout under the names that the house gives its columns.

    A column is renamed where its name differs in case, or is one that others use for the same, and
    the house's own name is not there. Kinds of controls are renamed likewise. Other columns of a
    platemap of JUMP get ``Metadata_`` before their names.
    """
    columns = dict(sheet)
    platemap = any(plain(name) == plain(_PLATEMAP) for name in sheet)
    for name, others in _NAMES.items():
        if name in columns:
            continue
        found = next((c for other in others for c in columns if plain(c) == other), None)
        if found is not None and (found not in _NAMES):
            columns = {name if c == found else c: values for c, values in columns.items()}
    if platemap:
        columns = _of_platemap(columns)
    if "control_type" in columns:
        columns["control_type"] = [_kind(text) for text in columns["control_type"]]
    return columns


def _kind(text: str) -> str:
    wanted = plain(text)
    return next((kind for kind, names in _KINDS.items() if wanted in names), text)


def _of_platemap(columns: Sheet) -> Sheet:
    """Complete a platemap: without a control type a well with a compound is treated, else empty."""
    names = columns.get("perturbation", [""] * len(columns["well"]))
    if "control_type" in columns:
        columns = columns | {
            "control_type": [
                kind or ("trt" if name else "empty")
                for kind, name in zip(columns["control_type"], names, strict=True)
            ]
        }
    kept = set(_NAMES)
    return {
        name if name in kept or name.startswith("Metadata_") else f"Metadata_{_clean(name)}": values
        for name, values in columns.items()
    }


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def is_blocks(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether rows are blocks shaped like a plate, with numbers over letters."""
    return any(_is_head(row) for row in rows)


def _is_head(row: Sequence[str]) -> bool:
    numbers = [cell for cell in row[1:] if cell]
    return len(numbers) > 1 and numbers == [str(n) for n in range(1, len(numbers) + 1)]


def from_blocks(rows: Sequence[Sequence[str]], path: Path) -> Sheet:
    """Return a layout as columns, of blocks that hold one quantity each.

    What a block holds stands in its corner, or in the row above it.

    Raises
    ------
    SheetError
        If a block has no name, or a row none of the plate's letters.
    """
    found: dict[str, dict[str, str]] = {}
    name, above = "", ""
    columns = 0
    for row in rows:
        if _is_head(row):
            name = row[0] or above
            columns = len([cell for cell in row[1:] if cell])
            if not name:
                raise SheetError(
                    f"{path}: a block has no name. Write what it holds (control_type, "
                    "perturbation, concentration) into its corner, or into the row above it."
                )
        elif name and _LETTERS.fullmatch(row[0]):
            block = found.setdefault(name, {})
            for number, cell in enumerate(row[1 : columns + 1], start=1):
                block[parse_well(f"{row[0]}{number}")] = cell
        else:
            name, above = "", next((cell for cell in row if cell), "")
    return _as_columns(found)


def _as_columns(found: dict[str, dict[str, str]]) -> Sheet:
    """Return the wells of which anything is said, with a column for each quantity."""
    wells = {well for block in found.values() for well, cell in block.items() if cell}
    order = sorted(wells, key=row_column)
    sheet = {"well": order}
    return sheet | {name: [block.get(well, "") for well in order] for name, block in found.items()}


def from_harmony(path: Path) -> Sheet:
    """Return Harmony's assay layout (XML with a ``Layer`` per quantity) as columns.

    Raises
    ------
    SheetError
        If it cannot be read, or says nothing of any well.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise SheetError(f"{path}: cannot be read as XML ({error}).") from None
    found: dict[str, dict[str, str]] = {}
    for layer in (element for element in root.iter() if _tag(element) == "Layer"):
        texts = {_tag(child): (child.text or "").strip() for child in layer}
        block = found.setdefault(texts.get("Name", "layer"), {})
        for well in (child for child in layer if _tag(child) == "Well"):
            own = {_tag(child): (child.text or "").strip() for child in well}
            block[parse_well(f"r{int(own['Row']):02d}c{int(own['Col']):02d}")] = own.get(
                "Value", ""
            )
    sheet = _as_columns(found)
    if not sheet["well"]:
        raise SheetError(f"{path}: its layers ({', '.join(found)}) say nothing of any well.")
    return sheet


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
