"""ScanR: what Olympus' (Evident's) acquisition writes.

Images lie in ``data``, as ``<label>--W00014--P00001--Z00000--T00000--<channel>.tif``: the well by
its label (``B2``) where there is one, and else by the number that counts the wells along the rows
of the plate; position, z and time. ``experiment_descriptor.xml`` (a cluster of LabVIEW) tells the
plate's rows and columns and the size of a pixel. Newer versions add ``metadata.ome.xml``.
"""

import re
from collections.abc import Mapping
from math import nan
from typing import Any

from levelfield.config.wells import PLATE_SHAPES, parse_well, well_at
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing, base_name, folder_of
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import children, elements, read_text

TITLE = "ScanR"

_NAME = re.compile(
    r"^(?P<label>.*?)--W(?P<well>\d+)--P(?P<site>\d+)--Z(?P<z>\d+)--T(?P<time>\d+)"
    r"--(?P<channel>.+)\.tiff?$",
    re.IGNORECASE,
)
_DESCRIPTOR = "experiment_descriptor.xml"
_PHYSICAL = re.compile(r'PhysicalSizeX="([\d.eE+-]+)"')


def plate_folders(files: Listing) -> list[str]:
    """Return the folders above those of the images."""
    folders = {folder_of(name) for name in files.named(_DESCRIPTOR)}
    for name in files.ending(".tif", ".tiff"):
        if "--W" in name and _NAME.match(base_name(name)):
            above, _, last = folder_of(name).rpartition("/")
            folder = (above or ".") if last.lower() == "data" else folder_of(name)
            if not any(f == "." or folder == f or folder.startswith(f"{f}/") for f in folders):
                folders.add(folder)
    return sorted(folders)


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes of a plate by the names of its images.

    Raises
    ------
    IndexFault
        If no file has a name of the kind.
    """
    shape, size, name = _described(files)
    planes: list[Plane] = []
    left: dict[str, list[str]] = {}
    for file in files.ending(*SUFFIXES):
        match = _NAME.match(base_name(file))
        if match is None:
            left.setdefault("names that are not those of ScanR", []).append(file)
            continue
        well, fault = _well(match["label"], int(match["well"]), shape)
        plane = Plane(
            well=well,
            site=int(match["site"]),
            channel=match["channel"],
            path=files.path(file),
            z=int(match["z"]),
            time=int(match["time"]),
            pixel_size_um=size,
            fault=fault,
        )
        planes.append(plane)
    if not planes:
        raise IndexFault(
            f"'{files.folder}' holds no image named as ScanR does, <label>--W<well>--P<position>--"
            "Z<z>--T<time>--<channel>.tif. Correct the column 'images' of the plate sheet."
        )
    channels = dict.fromkeys(sorted({plane.channel for plane in planes}), ())
    n_wells = shape[0] * shape[1] if shape and shape in PLATE_SHAPES.values() else None
    return Export(planes, channels, left, n_wells, name)


def _described(files: Listing) -> tuple[tuple[int, int] | None, float, str]:
    """Return the rows and columns of the plate, the width of a pixel in µm, and its name."""
    facts: dict[str, str] = {}
    for file in files.named(_DESCRIPTOR)[:1]:
        for element in elements(
            files.path(file), "String", "DBL", "I32", "U32", "I16", "U16", "SGL"
        ):
            own = children(element)
            if "Name" in own and "Val" in own:
                facts.setdefault(own["Name"].strip().lower(), own["Val"])
    try:
        shape: tuple[int, int] | None = (
            int(facts["rows (well plate)"]),
            int(facts["columns (well plate)"]),
        )
    except (KeyError, ValueError):
        shape = None
    size = _number(facts.get("conversion factor um/pixel", ""))
    if size != size:
        size = _ome_size(files)
    return shape, size, facts.get("plate name", "")


def _ome_size(files: Listing) -> float:
    for file in files.ending(".ome.xml"):
        if match := _PHYSICAL.search(read_text(files.path(file))):
            return _number(match[1])
    return nan


def _number(text: str) -> float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return nan
    return number if number > 0 else nan


def _well(label: str, number: int, shape: tuple[int, int] | None) -> tuple[str, str]:
    """Return a well, and why it cannot be told."""
    try:
        return parse_well(label.strip()), ""
    except ValueError:
        pass
    if shape is None:
        return "", (
            f"its well is number {number}, and without {_DESCRIPTOR} nothing says how many columns "
            "the plate has"
        )
    row, column = divmod(number - 1, shape[1])
    if not 0 <= row < shape[0]:
        return "", f"its well is number {number} of a plate of {shape[0] * shape[1]}"
    return well_at(row + 1, column + 1), ""
