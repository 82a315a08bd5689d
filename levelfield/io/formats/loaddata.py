"""CellProfiler's LoadData: a CSV with a row per site, and columns for the files of each channel.

``FileName_<channel>`` and ``PathName_<channel>``, or ``URL_<channel>``, say where an image is;
``Series_<channel>`` and ``Frame_<channel>`` which plane of its file. ``Metadata_Plate``,
``Metadata_Well`` and ``Metadata_Site`` say what it is of. Paths may be those of another computer:
then the file is looked for by its name in the plate's folder. Columns of illumination functions
are left out.
"""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.wells import parse_well
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing, base_name, folder_of
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import decoded
from levelfield.remote.files import open_binary
from levelfield.remote.urls import is_url

TITLE = "CellProfiler LoadData"

_WELL = ("well", "wellid", "well_id", "well_position")
_SITE = ("site", "fieldid", "field", "fov")
_TIME = ("timepoint", "timepointid", "time", "t")
_Z = ("z", "planeid", "plane", "zplane")
_FUNCTIONS = (".npy", ".mat")  # illumination functions of CellProfiler
_SHEETS = (".csv", ".csv.gz", ".parquet")


def plate_folders(files: Listing) -> list[str]:
    """Return the folders that hold a CSV whose header is that of LoadData."""
    found = {folder_of(name) for name in files.ending(*_SHEETS) if _is_sheet(files.path(name))}
    return sorted(found)


def _is_sheet(path: str) -> bool:
    """Say whether a file has LoadData's columns; only the header of a text is read."""
    with open_binary(path) as file:
        if path.lower().endswith(".parquet"):
            content = file.read()
            head = content[-100_000:] if content[:4] == b"PAR1" else b""
        elif path.lower().endswith(".gz"):
            head = gzip.GzipFile(fileobj=file).readline(100_000)
        else:
            head = file.readline(100_000)
    return b"FileName_" in head or b"URL_" in head


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes that LoadData's CSV files name.

    `images` is that section of the config; its ``sheet`` names one file in place of those of the
    folder.

    Raises
    ------
    IndexFault
        If there is no such file, or it does not tell wells or channels.
    """
    sheets = [images["sheet"]] if "sheet" in images else _sheets(files)
    if not sheets:
        raise IndexFault(
            f"'{files.folder}' holds no CSV with columns FileName_<channel>. Name it with "
            "images.sheet."
        )
    names = files.by_base_name()
    found = [plane for sheet in sheets for plane in _planes(sheet, files, names)]
    # A plate may have one sheet with illumination functions and one without, of the same images.
    planes = found if len(sheets) == 1 else list({_what(plane): plane for plane in found}.values())
    channels: dict[str, tuple[str, ...]] = dict.fromkeys((plane.channel for plane in planes), ())
    return Export(planes, channels, paged=any(plane.page for plane in planes))


def _what(plane: Plane) -> tuple[Any, ...]:
    where = (plane.plate, plane.well, plane.site, plane.z, plane.time)
    return (*where, plane.channel, plane.path, plane.page, plane.fault)


def _sheets(files: Listing) -> list[str]:
    paths = [files.path(name) for name in files.ending(*_SHEETS) if folder_of(name) == "."]
    return [path for path in paths if _is_sheet(path)]


def _rows(sheet: str) -> list[dict[str, str]]:
    """Return the rows of a sheet, cells as text."""
    try:
        with open_binary(sheet) as file:
            content = file.read()
        if sheet.lower().endswith(".parquet"):
            table = pd.read_parquet(io.BytesIO(content)).astype(object)
            return table.where(table.notna(), "").astype(str).to_dict("records")
        if sheet.lower().endswith(".gz"):
            content = gzip.decompress(content)
    except OSError as error:
        raise IndexFault(
            f"'{sheet}' cannot be read ({error.strerror or error}). Correct images.sheet, or the "
            "column 'images' of the plate sheet."
        ) from None
    return list(csv.DictReader(decoded(content).splitlines()))


def _planes(sheet: str, files: Listing, names: Mapping[str, str]) -> list[Plane]:
    rows = _rows(sheet)
    if not rows:
        raise IndexFault(f"'{sheet}' has no rows below its header.")
    columns = list(rows[0])
    metadata = {
        name.removeprefix("Metadata_").lower(): name
        for name in columns
        if name.startswith("Metadata_")
    }
    well = next((metadata[name] for name in _WELL if name in metadata), None)
    row_and_column = {"row", "col"} <= metadata.keys()
    if well is None and not row_and_column:
        raise IndexFault(
            f"'{sheet}' has no column Metadata_Well, and so does not tell the wells of its images. "
            f"Its columns are {', '.join(columns)}. Add one."
        )
    channels = _channels(columns, rows)
    planes = []
    for line, row in enumerate(rows, start=2):
        what = _of_row(row, metadata, well, f"'{sheet}', line {line}")
        for channel in channels:
            path, fault = _path(row, channel, files, names)
            planes.append(
                Plane(channel=channel, path=path, page=_page(row, channel), **what)  # type: ignore[arg-type]
            )
            planes[-1].fault = planes[-1].fault or fault
    return planes


def _channels(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the channels of a sheet, without illumination functions."""
    found = [name.split("_", 1)[1] for name in columns if name.startswith(("FileName_", "URL_"))]
    named = dict.fromkeys(found)

    def first(channel: str) -> str:
        keys = (f"FileName_{channel}", f"URL_{channel}")
        texts = (row.get(key) or "" for row in rows for key in keys)
        return next((text for text in texts if text), "")

    return [channel for channel in named if not first(channel).lower().endswith(_FUNCTIONS)]


def _of_row(
    row: Mapping[str, str], metadata: Mapping[str, str], well: str | None, where: str
) -> dict[str, object]:
    """Return what the ``Metadata_`` columns of a row say of its planes."""

    def value(names: Sequence[str]) -> str:
        return next((row[metadata[name]] or "" for name in names if name in metadata), "").strip()

    text = row[well] if well else f"r{value(['row'])}c{value(['col'])}"
    found = {"well": "", "fault": "", "plate": value(["plate"])}
    try:
        found["well"] = parse_well((text or "").strip())
    except ValueError as error:
        found["fault"] = f"{where}: {error}"
    return found | {
        "site": _whole(value(_SITE), 1, where),
        "time": _whole(value(_TIME), 0, where),
        "z": _whole(value(_Z), 0, where),
    }


def _whole(text: str, absent: int, where: str) -> int:
    digits = text.removeprefix("f").removesuffix(".0")
    if not text:
        return absent
    if not digits.isdigit():
        raise IndexFault(f"{where}: '{text}' stands where a whole number is needed. Correct it.")
    return int(digits)


def _page(row: Mapping[str, str], channel: str) -> int:
    text = (row.get(f"Frame_{channel}") or "").removesuffix(".0")
    return int(text) if text.isdigit() else 0


def _path(
    row: Mapping[str, str], channel: str, files: Listing, names: Mapping[str, str]
) -> tuple[str, str]:
    """Return where a plane's file is, and what is wrong with that."""
    url = row.get(f"URL_{channel}") or ""
    name = row.get(f"FileName_{channel}") or base_name(url)
    folder = row.get(f"PathName_{channel}") or ""
    if not name:
        return "", f"the sheet names no file of channel {channel}"
    whole = f"{folder.rstrip('/')}/{name}" if folder else name
    if "://" in folder:
        return whole, ""
    found = files.find(whole, ".", names)
    if found is not None:
        return files.path(found), ""
    if folder and not is_url(files.folder) and Path(whole).is_file():
        return whole, ""
    if url.startswith("file:"):
        return url.removeprefix("file://").removeprefix("file:"), ""
    if "://" in url:
        return url, ""
    known = "" if name.lower().endswith(SUFFIXES) else ", and which is no TIFF or PNG"
    return "", f"the sheet names the file '{whole}', which is not there{known}"
