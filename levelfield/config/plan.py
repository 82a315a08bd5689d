"""What there is to do: plates, wells, controls and packs. No pixel is read here.

Everything in this module is decided from the config, the plate sheet and the layout sheets
alone, so that Snakemake knows every job before the first one starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path

import pandas as pd

from levelfield.config.sheets import SheetError, check_sheet, path_below, read_sheet

PLATE_SHAPES: dict[int, tuple[int, int]] = {
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
}
"""Rows and columns of each plate format, by its number of wells."""

CONTROL_TYPES = ("negcon", "poscon", "trt", "empty")

LAYOUT_COLUMNS = {
    "control_type": "Metadata_ControlType",
    "perturbation": "Metadata_Perturbation",
    "concentration": "Metadata_Concentration",
    "concentration_unit": "Metadata_ConcentrationUnit",
    "control_group": "Metadata_ControlGroup",
}
"""Layout sheet columns and the table columns they become."""

_OWN_COLUMNS = (
    *(f"Metadata_{name}" for name in ("Plate", "Well", "Site", "SiteCount", "ObjectNumber")),
    "Metadata_Planted",
    *LAYOUT_COLUMNS.values(),
)

_RESERVED = ("screen", "classifiers")

_LETTERS_DIGITS = re.compile(r"^([A-Za-z]{1,2})[-_ ]?(\d{1,2})$")
_ROW_COLUMN = re.compile(r"^[rR](\d{1,2})[-_ ]?[cC](\d{1,2})$")


@dataclass(frozen=True)
class Pack:
    """A group of wells that one job handles, so that jobs are few and large."""

    name: str
    wells: tuple[str, ...]


@dataclass
class _Layouts:
    """The wells of the layouts of a screen, each read once; plates often share one."""

    schema: Mapping | None
    read: dict[tuple[Path, int], dict[str, str]] = field(default_factory=dict)

    def control_types(self, path: Path, n_wells: int) -> dict[str, str]:
        if (path, n_wells) not in self.read:
            layout = read_layout(path, n_wells, self.schema)
            wells, kinds = layout["Metadata_Well"], layout["Metadata_ControlType"]
            self.read[path, n_wells] = dict(zip(wells, kinds, strict=True))
        return self.read[path, n_wells]


@dataclass(frozen=True)
class Plate:
    """One plate of the screen: where its images are, what its wells hold, how it is packed.

    Attributes
    ----------
    name : str
        Name of the plate, unique in the screen; also its folder under the results.
    images : Path
        Folder of the raw images.
    layout_path : Path
        The layout sheet.
    n_wells : int
        Plate format: 6, 12, 24, 48, 96, 384 or 1536.
    n_packs : int
        Jobs that the wells are divided among, at most.
    date : str
        When it was imaged, in ISO 8601; empty where the sheet does not say.
    layouts : _Layouts
        The wells of layouts that were read.
    """

    name: str
    images: Path
    layout_path: Path
    n_wells: int
    n_packs: int
    date: str = ""
    layouts: _Layouts = field(default_factory=lambda: _Layouts(None), repr=False, compare=False)

    # Read when asked for: a job of a large screen needs the layout of one plate only.
    @cached_property
    def control_types(self) -> dict[str, str]:
        """By well of the layout, row by row, what it is to the screen."""
        return self.layouts.control_types(self.layout_path, self.n_wells)

    @cached_property
    def wells(self) -> tuple[str, ...]:
        """Wells of the layout, row by row, as ``A01``."""
        return tuple(self.control_types)

    @cached_property
    def packs(self) -> tuple[Pack, ...]:
        """The wells, divided among jobs."""
        return divide_into_packs(self.wells, self.n_packs)

    def pack(self, name: str) -> Pack:
        """Return the pack of that name."""
        return next(pack for pack in self.packs if pack.name == name)


@cache  # few names, read for every plate and every image; and each is kept in memory once
def parse_well(text: str) -> str:
    """Return a well name in the form ``A01``.

    Parameters
    ----------
    text : str
        A well as people and microscopes write it: ``A01``, ``a1``, ``A-01``, ``r01c01``, ``AF48``.

    Raises
    ------
    ValueError
        If the text is not a well name, or lies outside the largest plate (1536 wells).
    """
    row, column = _row_column(text)
    rows, columns = PLATE_SHAPES[1536]
    if not (1 <= row <= rows and 1 <= column <= columns):
        raise ValueError(
            f"well '{text}' does not exist on any plate: "
            "rows go from A to AF, columns from 1 to 48."
        )
    return f"{row_letters(row)}{column:02d}"


def _row_column(text: str) -> tuple[int, int]:
    text = str(text).strip()
    if match := _ROW_COLUMN.match(text):
        return int(match[1]), int(match[2])
    if match := _LETTERS_DIGITS.match(text):
        row = 0
        for letter in match[1].upper():
            row = row * 26 + ord(letter) - ord("A") + 1
        return row, int(match[2])
    raise ValueError(f"'{text}' is not a well name. Write it as A01, a1 or r01c01.")


def row_letters(row: int) -> str:
    """Return the letters of a 1-based plate row: 1 is ``A``, 27 is ``AA``."""
    return chr(64 + row) if row <= 26 else "A" + chr(64 + row - 26)


@cache
def row_column(well: str) -> tuple[int, int]:
    """Return the 1-based row and column of a well name."""
    return _row_column(well)


def well_path(well: str) -> str:
    """Return a well's path in the plate store: ``A01`` is ``A/01``."""
    row, column = row_column(well)
    return f"{row_letters(row)}/{column:02d}"


def check_well_on_plate(well: str, n_wells: int) -> None:
    """Raise ``ValueError`` if a plate of `n_wells` wells has no such well."""
    rows, columns = PLATE_SHAPES[n_wells]
    row, column = row_column(well)
    if row > rows or column > columns:
        raise ValueError(
            f"well {well} cannot exist on a {n_wells}-well plate, "
            f"whose wells go from A01 to {row_letters(rows)}{columns:02d}."
        )


def read_layout(path: Path, n_wells: int, schema: Mapping | None = None) -> pd.DataFrame:
    """Read and check a layout sheet.

    Parameters
    ----------
    path : Path
        CSV or TSV, one row per well.
    n_wells : int
        Plate format.
    schema : mapping, optional
        JSON Schema of one row; left out where the plan has checked the sheet before.

    Returns
    -------
    DataFrame
        One row per well in plate order: ``Metadata_Well`` and the ``Metadata_`` columns that the
        sheet's columns become; every column is text, empty where the sheet is empty.

    Raises
    ------
    SheetError
        Naming file, line, value and remedy: a missing or unknown column, a value that is not
        allowed, a repeated well, a well that the plate does not have.
    """
    sheet = read_sheet(path)
    if schema is not None:
        check_sheet(sheet, schema, path)
    _check_own_columns(sheet, path)
    names = [_layout_well(text, n_wells, path, line) for line, text in _lines(sheet, "well")]
    _check_repeats(names, path, "well")
    layout = sheet.drop(columns="well").rename(columns=LAYOUT_COLUMNS)
    layout.insert(0, "Metadata_Well", names)
    for column in LAYOUT_COLUMNS.values():
        if column not in layout:
            layout[column] = ""
    unnamed = layout["Metadata_Perturbation"] == ""
    layout.loc[unnamed, "Metadata_Perturbation"] = layout.loc[unnamed, "Metadata_ControlType"]
    order = layout["Metadata_Well"].map(row_column)
    return layout.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _check_own_columns(sheet: pd.DataFrame, path: Path) -> None:
    """Refuse columns whose names the tables need for themselves."""
    for column in sheet.columns:
        if column in _OWN_COLUMNS:
            raise SheetError(
                f"{path}, line 1: the column '{column}' has a name that Levelfield's tables use "
                "themselves. Rename it, for instance to 'Metadata_My"
                f"{column.removeprefix('Metadata_')}'."
            )


def _lines(sheet: pd.DataFrame, column: str) -> list[tuple[int, str]]:
    """Pair every value with its line in the file (the header is line 1)."""
    return list(enumerate(sheet[column], start=2))


def _layout_well(text: str, n_wells: int, path: Path, line: int) -> str:
    try:
        well = parse_well(text)
        check_well_on_plate(well, n_wells)
    except ValueError as error:
        raise SheetError(f"{path}, line {line}: {error}") from None
    return well


def _check_repeats(names: Sequence[str], path: Path, what: str) -> None:
    first: dict[str, int] = {}
    for line, name in enumerate(names, start=2):
        if name in first:
            raise SheetError(
                f"{path}, line {line}: {what} {name} stands there a second time "
                f"(first on line {first[name]}). Keep one of the two rows."
            )
        first[name] = line


def divide_into_packs(wells: Sequence[str], n_packs: int) -> tuple[Pack, ...]:
    """Divide wells into at most `n_packs` packs of nearly equal size, in plate order."""
    n_packs = min(n_packs, len(wells))
    digits = len(str(n_packs))
    edges = [round(i * len(wells) / n_packs) for i in range(n_packs + 1)]
    return tuple(
        Pack(f"pack{i + 1:0{digits}d}", tuple(wells[edges[i] : edges[i + 1]]))
        for i in range(n_packs)
    )


def read_plates(config: Mapping, schemas: Mapping[str, Mapping] | None = None) -> dict[str, Plate]:
    """Read the plate sheet and every layout: the whole plan of a screen.

    Parameters
    ----------
    config : mapping
        The checked config: ``plates``, ``data_folder`` and ``packs_per_plate`` are used.
    schemas : mapping, optional
        JSON Schemas of a row of the plate sheet (``plates``) and of a layout (``layout``); left
        out where the plan has checked the sheets before. Then no layout is read until its
        plate's wells are asked for, as every job of a screen reads the plan.

    Returns
    -------
    dict of str to Plate
        By plate name, in the order of the sheet.

    Raises
    ------
    SheetError
        If a sheet is wrong or a folder of images does not exist.
    """
    path = Path(config["plates"])
    sheet = read_sheet(path)
    if schemas is not None:
        check_sheet(sheet, schemas["plates"], path)
        _check_repeats(list(sheet["plate"]), path, "plate")
        _check_reserved(list(sheet["plate"]), path)
        _check_dates(sheet, schemas["plates"], path)
    layouts = _Layouts(schemas["layout"] if schemas is not None else None)
    plates = {}
    for line, row in enumerate(sheet.to_dict("records"), start=2):
        plate = Plate(
            name=row["plate"],
            images=path_below(config["data_folder"], row["images"], f"{path}, line {line}: images"),
            layout_path=path_below(".", row["layout"], f"{path}, line {line}: layout"),
            n_wells=int(row["wells"]),
            n_packs=config["packs_per_plate"],
            date=row.get("date", ""),
            layouts=layouts,
        )
        plates[plate.name] = plate
        if schemas is not None:
            _check_images(plate, path, line)
            layouts.control_types(plate.layout_path, plate.n_wells)
    return plates


def _check_images(plate: Plate, path: Path, line: int) -> None:
    if not plate.images.is_dir():
        raise SheetError(
            f"{path}, line {line}: plate {plate.name} has no folder of images at "
            f"'{plate.images}'. Correct the column 'images', or the config key 'data_folder' it "
            "starts from."
        )


def _check_reserved(names: Sequence[str], path: Path) -> None:
    """Refuse names of plates whose folder would be one that the screen has for itself."""
    for line, name in enumerate(names, start=2):
        if name.lower() in _RESERVED:
            raise SheetError(
                f"{path}, line {line}: a plate cannot be called '{name}', as the results of the "
                f"screen lie in folders called {' and '.join(_RESERVED)}. Rename the plate."
            )


def _check_dates(sheet: pd.DataFrame, schema: Mapping, path: Path) -> None:
    """Refuse days and times that have the form of a date and do not exist."""
    if "date" not in sheet:
        return
    for line, text in _lines(sheet, "date"):
        try:
            datetime.fromisoformat(text or "2000-01-01")
        except ValueError:
            raise SheetError(
                f"{path}, line {line}: column 'date' holds '{text}', which no calendar or clock "
                f"has. Expected: {schema['properties']['date']['description']}"
            ) from None
