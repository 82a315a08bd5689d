"""Tables as people save them: comma, semicolon or tab, any usual encoding, or a spreadsheet."""

import codecs
import csv
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = ("\t", ";", ",")
_CELL = re.compile(r"([A-Z]+)(\d+)")


def table_rows(path: Path) -> list[list[str]]:
    """Return the rows of a table, their cells as text without surrounding blanks.

    Empty rows are left out, and what follows a ``#`` in a text file. Of a spreadsheet (.xlsx) it is
    the first sheet.

    Raises
    ------
    ValueError
        If the file cannot be read as a table.
    """
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        rows = _spreadsheet(path)
    elif path.suffix.lower() in (".xls", ".ods", ".numbers"):
        raise ValueError(f"{path.suffix} files are not read; save it as .xlsx or .csv")
    else:
        rows = _text(path)
    return [row for row in rows if any(row)]


def decode_text(content: bytes) -> str:
    """Return a text in UTF-8, UTF-16 or, where it is neither, in Windows' Western encoding."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _text(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    if b"\x00" in content[:1000] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is no text")
    lines = [_without_comment(line) for line in decode_text(content).splitlines()]
    lines = [line for line in lines if line.strip()]
    if not lines:
        return []
    # A tab, and then a semicolon, is rarer within a cell than a comma.
    first = re.sub(r'"[^"]*"', "", lines[0])
    separator = next((mark for mark in _SEPARATORS if mark in first), ",")
    try:
        rows = [
            [cell.strip() for cell in row]
            for row in csv.reader(lines, delimiter=separator, strict=True)
        ]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return _with_points(rows) if separator == ";" else rows


def _with_points(rows: list[list[str]]) -> list[list[str]]:
    """Write decimal commas, which come with semicolons, as points."""
    number = re.compile(r"-?\d+,\d+(?:[eE][-+]?\d+)?")
    return [
        [cell.replace(",", ".") if number.fullmatch(cell) else cell for cell in row] for row in rows
    ]


def _without_comment(line: str) -> str:
    """Cut a line at the first ``#`` that is not within quotation marks."""
    parts = line.split("#")
    for n in range(1, len(parts)):
        if "#".join(parts[:n]).count('"') % 2 == 0:
            return "#".join(parts[:n])
    return line


def _spreadsheet(path: Path) -> list[list[str]]:
    """Read the first sheet of an Office Open XML workbook (ECMA-376), a zip file of XML."""
    try:
        with zipfile.ZipFile(path) as book:
            names = book.namelist()
            shared = [
                "".join(part.text or "" for part in item.iter() if _name(part) == "t")
                for item in _elements(book, "xl/sharedStrings.xml", "si")
            ]
            sheets = sorted(
                (name for name in names if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)),
                key=lambda name: int(re.findall(r"\d+", name)[-1]),
            )
            rows = [_row(row, shared) for row in _elements(book, sheets[0], "row")]
    except (zipfile.BadZipFile, ElementTree.ParseError, IndexError, KeyError) as error:
        raise ValueError(f"it is no Excel workbook ({error})") from None
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _elements(book: zipfile.ZipFile, name: str, kind: str) -> Iterator[ElementTree.Element]:
    if name in book.namelist():
        root = ElementTree.fromstring(book.read(name))
        yield from (element for element in root.iter() if _name(element) == kind)


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _row(row: ElementTree.Element, shared: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in row:
        place = _CELL.fullmatch(cell.get("r", ""))
        at = _column(place[1]) if place else len(cells)
        cells += [""] * (at - len(cells))
        cells.append(_value(cell, shared))
    return cells


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: ElementTree.Element, shared: list[str]) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(part.text or "" for part in cell.iter() if _name(part) == "t").strip()
    text = next((part.text or "" for part in cell if _name(part) == "v"), "").strip()
    if kind == "s" and text:
        return shared[int(text)].strip()
    if kind == "n" and text:
        number = float(text)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return text
