"""Operetta and Opera Phenix: what Harmony and Columbus export.

An XML index (``Index.idx.xml``, ``Index.xml`` or ``ImageIndex.ColumbusIDX.xml``, in the folder
``Images``) has an element ``Image`` for every plane. Up to Harmony 4.9 (namespace ``HarmonyV5``) it
holds all that is known; later versions tell what is the same for a whole channel in an ``Entry`` of
the ``Maps``. Lengths carry their units. ``ImageResolution`` is of the pixels as they were stored:
binning is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from sys import intern
from typing import Any
from xml.etree import ElementTree

from levelfield.config.wells import PLATE_SHAPES, well_at
from levelfield.images.pixel_size import UM_PER_UNIT
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing, folder_of
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import children, decoded, elements, local_name
from levelfield.remote.files import open_ranges

TITLE = "Operetta / Opera Phenix"

_INDEXES = ("index.idx.xml", "index.xml", "imageindex.columbusidx.xml", "index.ref.xml")
_HEAD = 4096  # bytes in which the root element is
_OF_IMAGE = {
    *("State", "URL", "Row", "Col", "FieldID", "PlaneID", "TimepointID", "ChannelID"),
    *("PositionX", "PositionY", "AbsPositionX", "AbsPositionY"),
}
_OF_CHANNEL = ("ChannelName", "ImageResolutionX")
_SOUND = ("ok", "")


@dataclass
class _Index:
    """What an index says: of the plate, of channels by their number, and of images."""

    plate: dict[str, str] = field(default_factory=dict)
    channels: dict[str, dict[str, str]] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)


def plate_folders(files: Listing) -> list[str]:
    """Return the folders of plates: those of an index, or above its folder ``Images``."""
    folders = set()
    for name in files.named(*_INDEXES):
        with open_ranges(files.path(name)) as file:
            head = decoded(file.read(_HEAD))
        if "EvaluationInputData" in head or "PEHH/" in head:
            folders.add(_without_images(folder_of(name)))
    return sorted(folders)


def _without_images(folder: str) -> str:
    above, _, last = folder.rpartition("/")
    return (above or ".") if last.lower() in ("images", "image") else folder


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes that the index of a plate names, whether they are there or not.

    Raises
    ------
    IndexFault
        If there is no index, or it names no image.
    """
    found = files.named(*_INDEXES)
    if not found:
        raise IndexFault(
            f"'{files.folder}' holds no index of Harmony ({', '.join(_INDEXES)}). Export the plate "
            "with its index, or correct the column 'images' of the plate sheet."
        )
    source = min(found, key=lambda name: _INDEXES.index(name.rpartition("/")[2].lower()))
    index = _read_index(files.path(source))
    if not index.images:
        raise IndexFault(f"'{files.path(source)}' names no image. Export the plate once more.")
    planes = _planes(files, source, index)
    used = {plane.path for plane in planes}
    others = [name for name in files.ending(*SUFFIXES) if files.path(name) not in used]
    names = {
        number: (index.channels[number].get("ChannelName", ""), f"ch{number}")
        for number in sorted(index.channels, key=lambda text: (len(text), text))
        if any(plane.channel == number for plane in planes)
    }
    return Export(
        planes,
        names,
        {"files that the index does not name": others} if others else {},
        _n_wells(index.plate),
        index.plate.get("Name") or index.plate.get("PlateID", ""),
    )


def _read_index(path: str) -> _Index:
    index = _Index()
    for element in elements(path, "Plate", "Entry", "Image"):
        kind = local_name(element.tag)
        if kind == "Plate":
            index.plate = index.plate or children(element)
        elif kind == "Entry":
            own = index.channels.setdefault(element.get("ChannelID", ""), {})
            own |= {key: text for key, text in _facts(element).items() if key in _OF_CHANNEL}
        elif len(element):
            facts = _facts(element)
            channel = index.channels.setdefault(facts.get("ChannelID", ""), {})
            channel |= {key: facts.pop(key) for key in _OF_CHANNEL if facts.get(key)}
            index.images.append(facts)
    return index


def _facts(element: ElementTree.Element) -> dict[str, str]:
    """Return the texts within an element; lengths in µm, and the page of a file as ``page``."""
    facts = {}
    for child in element:
        name, text = local_name(child.tag), (child.text or "").strip()
        if name not in _OF_IMAGE and name not in _OF_CHANNEL:
            continue
        unit = child.get("Unit")
        if unit and name.startswith(("Position", "AbsPosition", "ImageResolution")):
            text = _in_um(text, unit)
        if name == "URL":
            facts["page"] = child.get("BufferNo") or "0"
        facts[name] = intern(text)  # most are the same for many images
    return facts


def _in_um(text: str, unit: str) -> str:
    try:
        return str(float(text) * UM_PER_UNIT[unit.lower()])
    except (ValueError, KeyError):
        return ""


def _planes(files: Listing, source: str, index: _Index) -> list[Plane]:
    folder, names = folder_of(source), files.by_base_name()
    planes = []
    for facts in index.images:
        channel = facts.get("ChannelID", "")
        file = files.find(facts.get("URL", ""), folder, names)
        state = facts.get("State", "")
        fault = "" if state.lower() in _SOUND else f"the microscope notes its state as '{state}'"
        if file is None:
            fault = f"'{source}' names the file '{facts.get('URL', '')}', which is not there"
        planes.append(
            Plane(
                well=well_at(int(facts["Row"]), int(facts["Col"])),
                site=int(facts.get("FieldID") or 1),
                channel=channel,
                path=files.path(file) if file else "",
                z=int(facts.get("PlaneID") or 0),
                time=int(facts.get("TimepointID") or 0),
                page=int(facts["page"]) if facts.get("page", "").isdigit() else 0,
                pixel_size_um=_number(index.channels[channel].get("ImageResolutionX")),
                x_um=_number(facts.get("AbsPositionX") or facts.get("PositionX")),
                y_um=_number(facts.get("AbsPositionY") or facts.get("PositionY")),
                fault=fault,
            )
        )
    return planes


def _number(text: str | None) -> float:
    return float(text) if text else nan


def _n_wells(plate: Mapping[str, str]) -> int | None:
    try:
        shape = int(plate["PlateRows"]), int(plate["PlateColumns"])
    except (KeyError, ValueError):
        return None
    return shape[0] * shape[1] if shape in PLATE_SHAPES.values() else None
