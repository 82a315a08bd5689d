"""A sheet of the images, for files whose names do not tell what they hold.

It has a row per image: ``file`` (below the plate's folder, or a URL), ``well``, and where there are
several ``site``, ``channel``, ``z``, ``time``, ``page`` (from 0), ``plate``, and ``checksum``
(``md5:`` or ``sha256:`` and its digits), by which an image that is not the one that was meant is
found.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from levelfield.config.sheets import SheetError, read_columns
from levelfield.config.wells import parse_well
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing
from levelfield.io.plate_index import IndexFault
from levelfield.remote.urls import is_url

TITLE = "a sheet of the images"
_COLUMNS = ("file", "well", "site", "channel", "z", "time", "page", "plate", "checksum")
_NUMBERS = {"site": 1, "z": 0, "time": 0, "page": 0}


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes that the sheet ``images.sheet`` names, whether they are there or not.

    Raises
    ------
    IndexFault
        If there is no such sheet, or it lacks a column or holds what is no number.
    """
    if "sheet" not in images:
        raise IndexFault(
            "images.format is 'sheet', but images.sheet is missing. Add it: the path of a sheet "
            f"with the columns {', '.join(_COLUMNS)}, of which file and well must be there."
        )
    path = Path(images["sheet"])
    try:
        sheet = {name.lower(): values for name, values in read_columns(path).items()}
    except SheetError as error:
        raise IndexFault(str(error)) from None
    if lacking := [name for name in ("file", "well") if name not in sheet]:
        raise IndexFault(
            f"{path}, line 1: the column '{lacking[0]}' is missing. Columns found: "
            f"{', '.join(sheet)}. Columns of a sheet of images: {', '.join(_COLUMNS)}."
        )
    rows = [dict(zip(sheet, cells, strict=True)) for cells in zip(*sheet.values(), strict=True)]
    names = files.by_base_name()
    planes = [_plane(files, names, row, f"{path}, line {at}") for at, row in enumerate(rows, 2)]
    channels: dict[str, tuple[str, ...]] = dict.fromkeys((plane.channel for plane in planes), ())
    return Export(planes, channels, paged=any(plane.page for plane in planes))


def _plane(files: Listing, names: Mapping[str, str], row: Mapping[str, str], where: str) -> Plane:
    well = fault = path = ""
    try:
        well = parse_well(row["well"])
    except ValueError as error:
        fault = f"{where}: {error}"
    found = files.find(row["file"], ".", names)
    if "://" in row["file"] or (Path(row["file"]).is_absolute() and not is_url(files.folder)):
        path = row["file"]
    elif found is not None:
        path = files.path(found)
    else:
        fault = fault or f"{where} names the file '{row['file']}', which is not there"
    site, z, time, page = (_number(row, name, least, where) for name, least in _NUMBERS.items())
    return Plane(
        well=well,
        channel=row.get("channel", ""),
        path=path,
        fault=fault,
        plate=row.get("plate", ""),
        checksum=row.get("checksum", ""),
        site=site,
        z=z,
        time=time,
        page=page,
    )


def _number(row: Mapping[str, str], name: str, absent: int, where: str) -> int:
    text = row.get(name, "")
    if text and not text.isdigit():
        raise IndexFault(
            f"{where}: column '{name}' holds '{text}'; a whole number is needed. Correct it."
        )
    return int(text) if text else absent
