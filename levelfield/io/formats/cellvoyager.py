"""CellVoyager CV7000, CV8000 and CQ3000: what their software writes for a measurement.

``MeasurementData.mlf`` has a record for every plane, ``MeasurementDetail.mrf`` the size of the
pixels and of the plate, and the ``.mes`` file the filters and fluorophores of the channels; all are
XML, whose attributes carry the prefix ``bts``. A record of type ``ERR`` stands for an image that
could not be taken.
"""

from collections.abc import Mapping
from math import nan
from typing import Any
from xml.etree import ElementTree

from levelfield.config.wells import PLATE_SHAPES, well_at
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import STORED_PROJECTION, Export, Plane
from levelfield.io.listing import Listing, folder_of
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import attributes, elements, local_name

TITLE = "CellVoyager"

_PROJECTED = ("mip", "projection", "maximum")
_NOT_PLANES = ("sc_", "dc_")  # shading and dark images of the cameras


def plate_folders(files: Listing) -> list[str]:
    """Return the folders that hold a ``.mlf`` file."""
    return sorted({folder_of(name) for name in files.ending(".mlf")})


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes that the records of a measurement name, whether they are there or not.

    Raises
    ------
    IndexFault
        If there are no records.
    """
    sources = files.ending(".mlf")
    if not sources:
        raise IndexFault(
            f"'{files.folder}' holds no MeasurementData.mlf. Copy it from the microscope too, or "
            "correct the column 'images' of the plate sheet."
        )
    channels, facts = _channels(files)
    planes = _planes(files, sources[0], channels)
    if not planes:
        raise IndexFault(f"'{files.path(sources[0])}' has no record of an image.")
    used = {plane.path for plane in planes}
    left: dict[str, list[str]] = {}
    for name in files.ending(*SUFFIXES):
        if files.path(name) not in used:
            correction = name.rpartition("/")[2].lower().startswith(_NOT_PLANES)
            reason = "images that correct the cameras" if correction else "files without a record"
            left.setdefault(reason, []).append(name)
    names = {
        number: tuple(channels.get(number, {}).get("names", ()))
        for number in sorted(
            {plane.channel for plane in planes}, key=lambda text: (len(text), text)
        )
    }
    return Export(planes, names, left, _n_wells(facts), facts.get("Title", ""))


def _channels(files: Listing) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the names and the pixel size of each channel, and what is said of the measurement."""
    channels: dict[str, dict[str, Any]] = {}
    facts: dict[str, str] = {}
    for name in (*files.ending(".mes"), *files.ending(".mrf")):
        kinds = ("Channel", "MeasurementChannel", "MeasurementDetail")
        for element in elements(files.path(name), *kinds):
            own, kind = attributes(element), local_name(element.tag)
            if kind == "MeasurementDetail":
                facts = own
                continue
            channel = channels.setdefault(own.get("Ch", ""), {})
            if kind == "Channel":
                told = (own.get(key, "") for key in ("Fluorophore", "Acquisition", "Target"))
                channel["names"] = [text for text in told if text]
            else:
                channel["um"] = float(own.get("HorizontalPixelDimension") or nan)
    return channels, facts


def _planes(files: Listing, source: str, channels: Mapping[str, Mapping[str, Any]]) -> list[Plane]:
    names = files.by_base_name()
    planes: dict[tuple[Any, ...], Plane] = {}
    others = []
    for element in elements(files.path(source), "MeasurementRecord"):
        own = attributes(element)
        plane = _plane(files, source, element, names)
        plane.pixel_size_um = channels.get(plane.channel, {}).get("um", nan)
        key = (plane.well, plane.site, plane.channel, plane.z, plane.time)
        failed = own.get("Type", "IMG").upper() != "IMG"
        if key not in planes or planes[key].path == "":  # an error, and then an image
            planes[key] = plane
        elif not failed:
            others.append(plane)
    return [*planes.values(), *others]


def _plane(
    files: Listing, source: str, element: ElementTree.Element, names: Mapping[str, str]
) -> Plane:
    own, text = attributes(element), (element.text or "").strip()
    fault, file = "", None
    if own.get("Type", "IMG").upper() != "IMG":
        fault = f"the microscope noted an error in place of an image: {text or 'without a word'}"
    else:
        file = files.find(text, folder_of(source), names)
        if file is None:
            fault = f"'{source}' names the file '{text}', which is not there"
    kind = f"{own.get('Action', '')} {folder_of(text)}".lower()
    projected = any(word in kind for word in _PROJECTED)
    return Plane(
        well=well_at(int(own["Row"]), int(own["Column"])),
        site=int(own.get("FieldIndex") or 1),
        channel=own.get("Ch", "1"),
        path=files.path(file) if file else "",
        z=STORED_PROJECTION if projected else int(own.get("ZIndex") or 0),
        time=int(own.get("TimePoint") or 0),
        x_um=float(own.get("X") or nan),
        y_um=float(own.get("Y") or nan),
        fault=fault,
    )


def _n_wells(facts: Mapping[str, str]) -> int | None:
    try:
        shape = int(facts["RowCount"]), int(facts["ColumnCount"])
    except (KeyError, ValueError):
        return None
    return shape[0] * shape[1] if shape in PLATE_SHAPES.values() else None
