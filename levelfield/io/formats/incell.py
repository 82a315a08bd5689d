"""IN Cell Analyzer: what it and MetaXpress' IN Carta export write.

An ``.xdce`` file (XML, often in Latin-1) has an ``Image`` for every plane, with its file, ``Well``,
``Identifier`` (field, wave, z and time, each counted from 0) and offset from the well's centre; the
``ObjectiveCalibration`` has the size of a pixel, before binning.
"""

import re
from collections.abc import Mapping
from math import nan
from typing import Any
from xml.etree import ElementTree

from levelfield.config.wells import PLATE_SHAPES, well_at
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing, folder_of
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import attributes, elements, local_name

TITLE = "IN Cell Analyzer"

_NOT_PLANES = re.compile(r"thumb|_lores", re.IGNORECASE)
_BINNING = re.compile(r"(\d+)\s*[xX]\s*\d+")


def plate_folders(files: Listing) -> list[str]:
    """Return the folders that hold an ``.xdce`` file."""
    return sorted({folder_of(name) for name in files.ending(".xdce")})


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes that the ``.xdce`` file names, whether they are there or not.

    Raises
    ------
    IndexFault
        If there is no such file, or it names no image.
    """
    found = files.ending(".xdce")
    if not found:
        raise IndexFault(
            f"'{files.folder}' holds no .xdce file. Copy it from the microscope too, or correct "
            "the column 'images' of the plate sheet."
        )
    source, names = found[0], files.by_base_name()
    planes: list[Plane] = []
    channels: dict[str, tuple[str, ...]] = {}
    facts: dict[str, str] = {}
    for element in elements(files.path(source), "Image", "ObjectiveCalibration", "Plate", "Camera"):
        kind = local_name(element.tag)
        if kind != "Image":
            facts |= _facts(element, kind)
        elif "filename" in element.attrib:
            plane, called = _plane(files, source, element, names)
            planes.append(plane)
            channels.setdefault(plane.channel, called)
    if not planes:
        raise IndexFault(f"'{files.path(source)}' names no image. Export the plate once more.")
    size = float(facts.get("um", nan))
    for plane in planes:
        plane.pixel_size_um = size
    used = {plane.path for plane in planes}
    left: dict[str, list[str]] = {}
    for name in files.ending(*SUFFIXES):
        if files.path(name) not in used:
            thumb = _NOT_PLANES.search(name)
            reason = "thumbnails" if thumb else "files that the .xdce file does not name"
            left.setdefault(reason, []).append(name)
    ordered = {channel: channels[channel] for channel in sorted(channels, key=int)}
    return Export(
        planes, ordered, left, _n_wells(facts), facts.get("plate", ""), _notes(facts, size)
    )


def _notes(facts: Mapping[str, str], size: float) -> tuple[str, ...]:
    if facts.get("binning", "1") == "1" or size != size:
        return ()
    return (
        f"the camera joined {facts['binning']} × {facts['binning']} pixels; the size of a pixel is "
        f"taken from the .xdce file as it stands, {size:g} µm. If that is before binning, give "
        "images.pixel_size_um",
    )


def _facts(element: ElementTree.Element, kind: str) -> dict[str, str]:
    """Return what is said of the plate, of the objective and of the camera."""
    own = attributes(element)
    if kind == "Plate":
        return {"plate": own.get("name", "")} | {
            key: own[key] for key in ("rows", "columns") if key in own
        }
    if kind == "ObjectiveCalibration":
        return {"um": own["pixel_width"]} if own.get("pixel_width") else {}
    for child in element:
        match = _BINNING.search(attributes(child).get("value", ""))
        if local_name(child.tag) == "Binning" and match:
            return {"binning": match[1]}
    return {}


def _plane(
    files: Listing, source: str, element: ElementTree.Element, names: Mapping[str, str]
) -> tuple[Plane, tuple[str, ...]]:
    """Return a plane, and the names of its channel."""
    own = {local_name(part.tag): attributes(part) for part in element.iter()}
    identifier, offset = own.get("Identifier", {}), own.get("OffsetFromCenter", {})
    named = element.get("filename", "")
    file = files.find(named, folder_of(source), names)
    fault = "" if file else f"'{source}' names the file '{named}', which is not there"
    wave = identifier.get("wave_index", "0")
    filters = (own.get(key, {}).get("name", "") for key in ("EmissionFilter", "ExcitationFilter"))
    plane = Plane(
        well=well_at(int(own["Row"]["number"]), int(own["Column"]["number"])),
        site=int(identifier.get("field_index", 0)) + 1,
        channel=wave,
        path=files.path(file) if file else "",
        z=int(identifier.get("z_index", 0)),
        time=int(identifier.get("time_index", 0)),
        x_um=float(offset.get("x") or nan),
        y_um=float(offset.get("y") or nan),
        fault=fault,
    )
    return plane, tuple(dict.fromkeys(name for name in filters if name))


def _n_wells(facts: Mapping[str, str]) -> int | None:
    try:
        shape = int(facts["rows"]), int(facts["columns"])
    except (KeyError, ValueError):
        return None
    return shape[0] * shape[1] if shape in PLATE_SHAPES.values() else None
