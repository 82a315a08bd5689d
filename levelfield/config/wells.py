"""Names of wells, and the formats of plates that they lie on."""

import re
from functools import cache

_SHAPES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
PLATE_SHAPES = {rows * columns: (rows, columns) for rows, columns in _SHAPES}
"""Rows and columns of each plate format, by its number of wells."""

# A01, a1, A-01, AF48; and r01c01.
_LETTERS_DIGITS = re.compile(r"^([A-Za-z]{1,2})[-_ ]?(\d{1,2})$")
_ROW_COLUMN = re.compile(r"^[rR](\d{1,2})[-_ ]?[cC](\d{1,2})$")


@cache  # few names, read for every plate and every image; and each is kept in memory once
def parse_well(text: str) -> str:
    """Return the name of a well, as people and microscopes write it, in the form ``A01``.

    Raises
    ------
    ValueError
        If the text is not a well name, or lies outside the largest plate (1536 wells).
    """
    row, column = row_column(text)
    rows, columns = PLATE_SHAPES[1536]
    if not (1 <= row <= rows and 1 <= column <= columns):
        raise ValueError(
            f"well '{text}' does not exist on any plate: "
            "rows go from A to AF, columns from 1 to 48."
        )
    return f"{row_letters(row)}{column:02d}"


@cache
def row_column(well: str) -> tuple[int, int]:
    """Return the 1-based row and column of a well, however it is written."""
    text = well.strip()
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


def well_at(row: int, column: int) -> str:
    """Return the name of the well in a 1-based row and column: 2 and 3 are ``B03``.

    Raises
    ------
    ValueError
        If it lies outside the largest plate (1536 wells).
    """
    return parse_well(f"r{row:02d}c{column:02d}")


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
