"""CZI files of Zeiss' ZEN, read by the package pylibCZIrw.

A plate is one file whose scenes know their wells (``ArrayName``, or row and column of ``Shape``, in
the metadata), or a file for each well or site that its name tells. A scene is a site; where it was
taken in tiles it is read as the one image that they make.
"""

from collections.abc import Mapping
from math import nan
from typing import Any
from xml.etree import ElementTree

from levelfield.config.wells import well_at
from levelfield.images.containers import CZI, czi_sizes, open_czi
from levelfield.io.container_plates import Container, Position, read_containers, well_in
from levelfield.io.export import Export
from levelfield.io.listing import Listing, folder_of
from levelfield.io.text_files import local_name

TITLE = "CZI (ZEN)"

_DTYPES = {"Gray8": "uint8", "Gray16": "uint16"}
_UM_PER_M = 1e6


def plate_folders(files: Listing) -> list[str]:
    """Return the folders that hold CZI files."""
    return sorted({folder_of(name) for name in files.ending(CZI)})


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes of all CZI files of a plate; errors are those of `read_containers`."""
    return read_containers(files, CZI, "CZI", _read)


def _read(path: str) -> Container:
    with open_czi(path) as document:
        sizes = czi_sizes(document)
        root = ElementTree.fromstring(document.raw_metadata)
        kinds = {_DTYPES.get(kind, kind) for kind in document.pixel_types.values()}
        rectangles = document.scenes_bounding_rectangle or {0: document.total_bounding_rectangle}
    scenes = {int(scene.get("Index", -1)): scene for scene in _all(root, "Scene")}
    positions = [
        _position(scenes.get(number), rectangles[number].h, rectangles[number].w)
        for number in sorted(rectangles)
    ]
    n_t, n_z, n_c = sizes["T"], sizes["Z"], sizes["C"]
    return Container(
        positions=tuple(positions),
        channels=_channels(root, n_c),
        n_times=n_t,
        n_z=n_z,
        dtype=kinds.pop() if len(kinds) == 1 else " and ".join(sorted(kinds)),
        pixel_size_um=_pixel_size(root),
        page=lambda s, t, z, c: ((s * n_t + t) * n_z + z) * n_c + c,
    )


def _all(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if local_name(element.tag) == name]


def _text(element: ElementTree.Element | None, name: str) -> str:
    """Return what an element says under a name, as an attribute or in an element within."""
    if element is None:
        return ""
    if name in element.attrib:
        return element.attrib[name].strip()
    return next(
        ((child.text or "").strip() for child in element if local_name(child.tag) == name), ""
    )


def _position(scene: ElementTree.Element | None, height: int, width: int) -> Position:
    if scene is None:
        return Position("", "", height, width)
    shape = next((child for child in scene if local_name(child.tag) == "Shape"), None)
    name = _text(scene, "Name")
    well = well_in(_text(scene, "ArrayName"), _text(shape, "Name"))
    row, column = _text(shape, "RowIndex"), _text(shape, "ColumnIndex")
    if not well and row.isdigit() and column.isdigit() and int(row) and int(column):
        well = well_at(int(row), int(column))
    x, _, y = _text(scene, "CenterPosition").partition(",")
    return Position(name, well, height, width, float(x or nan), float(y or nan))


def _channels(root: ElementTree.Element, number: int) -> tuple[str, ...]:
    """Return the channels' names; the image's channels come before those of the display."""
    found = next((part for part in _all(root, "Channels") if len(part) >= number), None)
    names = [_text(channel, "Name") for channel in found] if found is not None else []
    return tuple((names + [""] * number)[:number])


def _pixel_size(root: ElementTree.Element) -> float:
    for distance in _all(root, "Distance"):
        if distance.get("Id") == "X":
            size = float(_text(distance, "Value") or 0) * _UM_PER_M
            return size if size > 0 else nan
    return nan
