"""Raw plate exports, each turned into one index table: a row for every plane.

A format is a file of this folder: a ``TITLE``, a function ``plate_folders`` that recognises its
plates among the files of a folder, and a function ``read_export`` that lists the planes of one.
``images.format`` is its name, or ``auto``. The index has the columns of `INDEX_COLUMNS`. A plane
that cannot be used stays in the index, with the reason in the column ``fault``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.extras import MissingLibraryError
from levelfield.images.pixel_size import tiff_pixel_size_um
from levelfield.images.planes import Header, read_headers
from levelfield.io.channel_names import name_channels
from levelfield.io.copies import copies, copies_text
from levelfield.io.export import Export, plate_name
from levelfield.io.listing import Listing, list_files
from levelfield.io.plate_index import INDEX_COLUMNS, IndexFault, check_index, mark_unknown
from levelfield.io.recognition import recognise
from levelfield.io.stacks import choose_times, choose_z
from levelfield.remote.urls import is_url

__all__ = ["INDEX_COLUMNS", "Listed", "index_plate", "list_plate", "read_plate"]


@dataclass(frozen=True)
class Listed:
    """The ``planes`` of a plate that are used, and ``notes`` on what became of the others."""

    planes: pd.DataFrame
    notes: tuple[str, ...]


def index_plate(
    folder: Path | str,
    plate: str,
    layout: pd.DataFrame,
    images: Mapping[str, Any],
    channels: Mapping[str, Any],
) -> pd.DataFrame:
    """Return the index of a plate; parameters and errors are those of `list_plate`."""
    return list_plate(folder, plate, layout, images, channels).planes


def list_plate(
    folder: Path | str,
    plate: str,
    layout: pd.DataFrame,
    images: Mapping[str, Any],
    channels: Mapping[str, Any],
    headers: bool = True,
) -> Listed:
    """List every plane of a plate that is used, with what is wrong with it.

    `folder` may be a URL; `images` and `channels` are those sections of the config. Without
    `headers`, as for a dry run, no more than one image is opened, and the index is without what
    headers say.

    Returns
    -------
    Listed
        The index, with `INDEX_COLUMNS`, sorted by well, site, channel, z and time.

    Raises
    ------
    IndexFault
        If nothing matches, or wells that the layout declares as controls have no images.
    RemoteFault
        If a server does not answer.
    """
    wells = set(layout["Metadata_Well"]) if headers else None
    listed = _listed(folder, plate, images, channels, wells)
    return replace(listed, planes=check_index(listed.planes, plate, layout, list(channels)))


def read_plate(files: Listing, plate: str, images: Mapping[str, Any]) -> tuple[str, Export]:
    """Return the title of a plate's format, and the plate as the format tells it.

    Raises
    ------
    IndexFault
        If the format is ``auto``, and none or several fit.
    """
    default = "pattern" if "pattern" in images else "auto"
    name, folder = images.get("format", default), "."
    if name == "auto":
        name, folder = recognise(files, plate)
    finder = import_module(f"{__name__}.{name}")
    if "sheet" in images:
        images = dict(images) | {"sheet": images["sheet"].replace("{plate}", plate)}
    try:
        export = finder.read_export(files.below(folder), images)
    except (KeyError, ValueError) as error:
        if isinstance(error, IndexFault | MissingLibraryError):
            raise
        raise IndexFault(
            f"plate {plate}: the metadata in '{files.folder}' are not as those of {finder.TITLE} "
            f"usually are ({type(error).__name__}: {error}). Export the plate once more; or "
            "describe the names of the files with images.format: pattern and images.pattern."
        ) from error
    if any(plane.plate for plane in export.planes):
        export = _of_plate(export, plate, files)
    return str(finder.TITLE), _with_checksums(export, files)


def _of_plate(export: Export, plate: str, files: Listing) -> Export:
    """Leave out the planes of other plates, where the export names the plate of each."""
    known = ("", plate)
    own = [made for made in export.planes if made.plate in known or plate_name(made.plate) == plate]
    others = sorted({plane.plate for plane in export.planes} - {"", plate})
    if not own:
        raise IndexFault(
            f"plate {plate}: the images in '{files.folder}' are of plates "
            f"{', '.join(others[:5])}, never of '{plate}'. Correct the plate's name in the plate "
            "sheet, or what reads it there (the pattern's group 'plate')."
        )
    return replace(export, planes=own)


def _listed(
    folder: Path | str,
    plate: str,
    images: Mapping[str, Any],
    channels: Mapping[str, Any],
    wells: set[str] | None,
) -> Listed:
    """List a plate; headers are read of images of the layout's `wells`, of none without them."""
    files = _files_in(folder, plate, "sheet" in images)
    title, export = read_plate(files, plate, images)
    pages = images.get("pages")
    if wells is not None and pages:
        export = _with_pages(export, str(pages))
    n_found, paged, notes = len(export.planes), export.paged, export.notes
    left = {reason: len(names) for reason, names in export.left_out.items()}
    planes, ignored = name_channels(export, plate, channels)
    del export, files  # of a large plate they are as large as the table
    planes, times = choose_times(planes, plate, images.get("time_point", 0))
    planes, stacks = choose_z(planes, plate, images, channels)
    if wells is not None and not pages:
        planes, note = _with_headers(mark_unknown(planes, wells), paged)
        notes = (*notes, note) if note else notes
    planes = _with_pixel_size(planes.assign(plate=plate), images.get("pixel_size_um"))
    ignored = {f"channel {channel}": number for channel, number in ignored.items()}
    ignored |= {f"time point {time}": number for time, number in times.items()}
    note = _counted(
        f"plate {plate} ({title})",
        n_found + sum(left.values()),
        len(planes),
        left | ignored | stacks,
    )
    return Listed(planes, (note, *(f"plate {plate}: {text}" for text in notes)))


def _files_in(folder: Path | str, plate: str, has_sheet: bool) -> Listing:
    """List a folder; of a server that does not list, a sheet may tell what is there."""
    try:
        return list_files(folder)
    except FileNotFoundError as error:
        if has_sheet and is_url(folder):
            return Listing(str(folder).rstrip("/"), {}, listed=False)
        raise IndexFault(f"plate {plate}: {error}") from None


def _with_checksums(export: Export, files: Listing) -> Export:
    """Note the checksums that a server tells of its files."""
    start = f"{files.folder}/"
    for plane in export.planes if files.checksums else ():
        told = files.checksums.get(plane.path.removeprefix(start), "")
        plane.checksum = plane.checksum or told
    return export


def _counted(what: str, found: int, used: int, ignored: Mapping[str, int]) -> str:
    text = f"{what}: {found} images found, {used} used"
    parts = ", ".join(f"{reason} ({number})" for reason, number in ignored.items())
    return f"{text}, {found - used} ignored: {parts}" if ignored else text


def _with_headers(planes: pd.DataFrame, paged: bool) -> tuple[pd.DataFrame, str]:
    """Add what the headers of files say, where the format has not said it; and note copies."""
    unread = (planes["dtype"] == "") & (planes["path"] != "") & (planes["fault"] == "")
    if not unread.any():
        return planes, ""
    paths = list(planes.loc[unread, "path"].unique())
    headers = dict(zip(paths, read_headers(paths), strict=True))
    several = [path for path, header in headers.items() if header.n_pages > 1]
    if several and not paged:
        raise IndexFault(
            f"'{several[0]}' has {headers[several[0]].n_pages} pages. Say what they are with "
            "images.pages: channel, z or time."
        )
    filled = _filled(planes, unread, [headers[path] for path in planes.loc[unread, "path"]])
    return filled, copies_text(copies(headers))


def _filled(planes: pd.DataFrame, rows: pd.Series, headers: list[Header]) -> pd.DataFrame:
    """Write into some rows what the header of each says."""
    names = ("size_y", "size_x", "dtype", "bytes", "fault")
    if not headers:
        return planes
    columns = {name: [getattr(header, name) for header in headers] for name in names}
    if rows.all():
        return planes.assign(**columns)
    planes = planes.copy()
    for name, values in columns.items():
        planes.loc[rows, name] = values
    return planes


def _with_pages(export: Export, pages: str) -> Export:
    """Make a plane of every page of the files, `pages` being what they are."""
    headers = read_headers([plane.path for plane in export.planes])
    planes = []
    for plane, header in zip(export.planes, headers, strict=True):
        known: dict[str, Any] = {
            name: getattr(header, name) for name in ("size_y", "size_x", "dtype", "bytes")
        }
        known["fault"] = plane.fault or header.fault
        for page in range(max(header.n_pages, 1)):
            known[pages] = str(page + 1) if pages == "channel" else page
            planes.append(replace(plane, page=page, **known))
    channels = {channel: export.channels.get(channel, ()) for channel in _channels_of(planes)}
    return replace(export, planes=planes, channels=channels)


def _channels_of(planes: list[Any]) -> list[str]:
    return list(dict.fromkeys(plane.channel for plane in planes))


def _with_pixel_size(planes: pd.DataFrame, given: float | None) -> pd.DataFrame:
    """Fill in the width of a pixel: the config's, the export's, or that of a file's tags."""
    if given is not None:
        return planes.assign(pixel_size_um=float(given))
    if planes["pixel_size_um"].notna().any() or planes.empty:
        return planes
    return planes.assign(pixel_size_um=tiff_pixel_size_um(planes["path"].iloc[0]))
