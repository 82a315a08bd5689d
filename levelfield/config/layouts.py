"""Layout sheets: what the wells of a plate hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelfield.config.layout_forms import canonical, from_blocks, from_harmony, is_blocks
from levelfield.config.sheets import Sheet, SheetError, as_columns, check_sheet, read_rows
from levelfield.config.wells import check_well_on_plate, parse_well, row_column

if TYPE_CHECKING:  # Snakemake's own environment, in which the plan is read, has no pandas
    import pandas as pd

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


def read_layout(
    path: Path | str, n_wells: int, schema: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Read and check a layout sheet of a plate of `n_wells`.

    The JSON Schema of a row is left out where the plan has checked the sheet before.

    Returns
    -------
    DataFrame
        One row per well in plate order: ``Metadata_Well`` and the ``Metadata_`` columns that the
        sheet's columns become; every column is text, empty where the sheet is empty.

    Raises
    ------
    SheetError
        Naming file, line, value and what to do.
    """
    import pandas as pd

    return pd.DataFrame(layout_columns(Path(path), n_wells, schema))


def layout_columns(path: Path, n_wells: int, schema: Mapping[str, Any] | None = None) -> Sheet:
    """Read and check a layout sheet: the columns of `read_layout`, as lists."""
    sheet = _sheet_of(path)
    if schema is not None:
        check_sheet(sheet, schema, path)
    if taken := [column for column in sheet if column in _OWN_COLUMNS]:
        raise SheetError(
            f"{path}, line 1: the column '{taken[0]}' has a name that Levelfield's tables use "
            f"themselves. Rename it, for instance to '{taken[0].replace('_', '_My', 1)}'."
        )
    lines = enumerate(sheet.pop("well"), start=2)
    wells = [_well(text, n_wells, f"{path}, line {line}") for line, text in lines]
    check_repeats(wells, path, "well")
    layout = {"Metadata_Well": wells}
    layout |= {LAYOUT_COLUMNS.get(name, name): values for name, values in sheet.items()}
    for column in LAYOUT_COLUMNS.values():
        layout.setdefault(column, [""] * len(wells))
    names, kinds = layout["Metadata_Perturbation"], layout["Metadata_ControlType"]
    layout["Metadata_Perturbation"] = [
        name or kind for name, kind in zip(names, kinds, strict=True)
    ]
    order = sorted(range(len(wells)), key=lambda row: row_column(wells[row]))
    return {name: [values[row] for row in order] for name, values in layout.items()}


def _sheet_of(path: Path) -> Sheet:
    """Read a layout of whatever form: rows, blocks shaped like the plate, or Harmony's XML."""
    if path.suffix.lower() == ".xml" and path.is_file():
        return canonical(from_harmony(path))
    rows = read_rows(path)
    return canonical(from_blocks(rows, path) if is_blocks(rows) else as_columns(rows, path))


def check_repeats(names: Sequence[str], path: Path, what: str) -> None:
    """Raise ``SheetError`` if a sheet names a well or a plate (`what`) twice."""
    first: dict[str, int] = {}
    for line, name in enumerate(names, start=2):
        if name in first:
            raise SheetError(
                f"{path}, line {line}: {what} {name} is a duplicate "
                f"(first on line {first[name]}). Keep one of the two rows."
            )
        first[name] = line


def _well(text: str, n_wells: int, where: str) -> str:
    try:
        well = parse_well(text)
        check_well_on_plate(well, n_wells)
    except ValueError as error:
        raise SheetError(f"{where}: {error}") from None
    return well
