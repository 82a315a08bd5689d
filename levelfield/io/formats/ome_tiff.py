"""OME-TIFF, and what names its files in a companion ``.ome.xml``: CQ1 and others.

Wells are those of the OME-XML's plate. Where it has none, they are read from the names of images or
files (``B02``, ``W0014F0001`` of CQ1).
"""

import re
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from levelfield.config.wells import PLATE_SHAPES, parse_well, well_at
from levelfield.images.planes import READ_ERRORS
from levelfield.io.export import STORED_PROJECTION, Export, Plane
from levelfield.io.listing import Listing, base_name, folder_of
from levelfield.io.ome_xml import OmeImage, OmeScreen, read_screen
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import read_text
from levelfield.remote.files import open_ranges

TITLE = "OME-TIFF"

_FILES = (".ome.tif", ".ome.tiff", ".ome.tf2", ".ome.tf8", ".ome.btf")
_COMPANIONS = (".companion.ome", ".ome.xml")
_WELL = re.compile(r"(?<![A-Za-z0-9])([A-P]|A[A-F])[-_]?(\d{1,2})(?![0-9])")
_CQ1_WELL = re.compile(r"(?<![A-Za-z])W(\d{4})F(\d{4})", re.IGNORECASE)
_SITE = re.compile(r"(?:site|field|fov|pos|_s|_f|F)[ _-]?(\d+)", re.IGNORECASE)
_PROJECTED = "projection"


def plate_folders(files: Listing) -> list[str]:
    """Return the folders of companions, or else the one of all OME-TIFF files."""
    companions = [name for name in files.ending(*_COMPANIONS) if not _is_scanr(files, name)]
    if companions:
        return sorted({folder_of(name) for name in companions})
    folders = {folder_of(name) for name in files.ending(*_FILES)}
    if not folders:
        return []
    common = set.intersection(*({*_above(folder)} for folder in folders))
    return [max(common, key=len) if common - {"."} else "."]


def _above(folder: str) -> list[str]:
    parts = folder.split("/")
    return [".", *("/".join(parts[:n]) for n in range(1, len(parts) + 1) if parts != ["."])]


def _is_scanr(files: Listing, companion: str) -> bool:
    start = "" if folder_of(companion) == "." else folder_of(companion) + "/"
    return any(name.startswith(start) and "--W" in name for name in files.files)


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes of a plate by its OME-XML.

    Raises
    ------
    IndexFault
        If there is none, or no well can be told.
    """
    companions = files.ending(*_COMPANIONS)
    sources = companions or files.ending(*_FILES)
    if not sources:
        raise IndexFault(
            f"'{files.folder}' holds neither OME-TIFF ({', '.join(_FILES)}) nor a companion "
            f"({', '.join(_COMPANIONS)}). Correct the column 'images' of the plate sheet."
        )
    names = files.by_base_name()
    planes: dict[tuple[str, int], Plane] = {}
    channels: dict[str, tuple[str, ...]] = {}
    shape, plate, faulty = None, "", []
    for source in sources:
        if any((files.path(source), page) in planes for page in (0, 1)):
            continue  # every file of a set may hold the XML of all
        screen = _screen(files, source)
        if screen is None:
            faulty.append(_unreadable(files, source))
            continue
        shape, plate = shape or screen.shape, plate or screen.plate
        for key, image in screen.images.items():
            for plane in _planes(files, source, names, screen, key, image):
                planes.setdefault((plane.path or plane.fault, plane.page), plane)
            for number, name in enumerate(image.channels or ("",) * image.shape[0]):
                channels.setdefault(str(number), (name,) if name else ())
    found = [*planes.values(), *faulty]
    if not planes:
        raise IndexFault(f"no OME-XML in '{files.folder}' names an image. Export it once more.")
    n_wells = shape[0] * shape[1] if shape in PLATE_SHAPES.values() and shape else None
    return Export(found, channels, {}, n_wells, plate, paged=True)


def _screen(files: Listing, source: str) -> OmeScreen | None:
    path = files.path(source)
    try:
        if source.lower().endswith(_COMPANIONS):
            text = read_text(path)
        else:
            with open_ranges(path) as file, tifffile.TiffFile(file) as tiff:
                text = tiff.ome_metadata or ""
        text = re.sub(r"^\ufeff?\s*<\?xml[^>]*\?>", "", text)
        return read_screen(ElementTree.fromstring(text))
    except (*READ_ERRORS, ElementTree.ParseError, StopIteration):
        return None


def _unreadable(files: Listing, source: str) -> Plane:
    return Plane(
        well="", site=1, channel="0", path=files.path(source), fault="its OME-XML cannot be read"
    )


def _planes(
    files: Listing,
    source: str,
    names: Mapping[str, str],
    screen: OmeScreen,
    key: str,
    image: OmeImage,
) -> list[Plane]:
    planes = []
    named_files = {named for other in screen.images.values() for named, _ in other.files.values()}
    alone = len(named_files) == 1 and not source.lower().endswith(_COMPANIONS)
    for (channel, z, time), (named, page) in image.files.items():
        file = files.find(named, folder_of(source), names) if named else source
        if file is None and alone:  # the file was renamed
            file = source
        well, site, fault = _place(screen, key, image, named or source)
        if file is None:
            fault = f"'{source}' names the file '{named}', which is not there"
        projected = _PROJECTED in folder_of(file or named).lower()
        planes.append(
            Plane(
                well=well,
                site=site,
                channel=str(channel),
                path=files.path(file) if file else "",
                z=STORED_PROJECTION if projected else z if image.shape[1] > 1 else 0,
                time=time,
                page=page,
                pixel_size_um=image.pixel_size_um if image.pixel_size_um > 0 else nan,
                x_um=image.position_um[0],
                y_um=image.position_um[1],
                fault=fault,
            )
        )
    return planes


def _place(screen: OmeScreen, key: str, image: OmeImage, file: str) -> tuple[str, int, str]:
    """Return the well and the site of an image, and why they cannot be told."""
    if key in screen.places:
        return (*screen.places[key], "")
    for text in (image.name, base_name(file), file):
        if match := _CQ1_WELL.search(text):
            columns = (screen.shape or PLATE_SHAPES[96])[1]
            row, column = divmod(int(match[1]) - 1, columns)
            return well_at(row + 1, column + 1), int(match[2]), ""
        if match := _WELL.search(text):
            site = _SITE.search(text[match.end() :])
            return parse_well(f"{match[1]}{match[2]}"), int(site[1]) if site else 1, ""
    return "", 1, f"neither its OME-XML nor its name tells its well: '{Path(file).name}'"
