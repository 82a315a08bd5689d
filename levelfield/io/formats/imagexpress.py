r"""ImageXpress: what MetaXpress writes, and what is copied out of its database.

Names are ``<plate>_<well>[_s<site>][_w<wavelength>][_z<plane>][_t<time>][<GUID>].TIF``; parts are
missing where there is but one, and MULTISITE exports have ``_MULTISITE`` after the well. Folders
``TimePoint_<n>`` and ``ZStep_<n>`` say the rest: step 0, and files beside the folders of steps, are
projections. ``<plate>.HTD``, copied into every folder, names wavelengths and the plate's format.
Thumbnails have ``_thumb`` in their names.
"""

import csv
import re
from collections.abc import Mapping
from typing import Any

from levelfield.config.wells import PLATE_SHAPES, parse_well
from levelfield.io.export import STORED_PROJECTION, Export, Plane
from levelfield.io.listing import Listing, base_name, folder_of
from levelfield.io.plate_index import IndexFault
from levelfield.io.text_files import read_text

TITLE = "ImageXpress"

_GUID = r"\{?[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}\}?"
_NAME = re.compile(
    r"^(?P<plate>.*?)_?(?P<well>(?<![A-Z0-9])[A-P]\d{2}|(?<![A-Z0-9])A[A-F]\d{2})"
    r"(?P<multi>_?multisite)?(?:_s(?P<site>\d+?))?(?:_w(?P<channel>\d+?))?(?:_z(?P<z>\d+?))?(?:_t(?P<time>\d+?))?"
    rf"(?P<thumb>_thumb)?_?(?P<guid>{_GUID})?\.tiff?$",
    re.IGNORECASE,
)
_FOLDER = re.compile(r"(?:^|/)(timepoint|zstep)[_ ]?(\d+)(?=/)", re.IGNORECASE)
_MIXED = ("stitched", "montage")
_HALF = 0.5


def plate_folders(files: Listing) -> list[str]:
    """Return the folders of plates: the topmost ones that hold a ``.HTD`` file."""
    found = sorted({folder_of(name) for name in files.ending(".htd")}, key=lambda f: f.count("/"))
    top = [
        folder
        for folder in found
        if not any(
            other == "." or folder.startswith(f"{other}/") for other in found if other != folder
        )
    ]
    if top:
        return [_above_steps(folder) for folder in top]
    return _folders_by_name(files)


def _above_steps(folder: str) -> str:
    """Return the folder of a plate, where its .HTD file lies in one of a time point only."""
    parts = folder.split("/")
    while parts and _FOLDER.search(f"/{parts[-1]}/"):
        parts.pop()
    return "/".join(parts) or "."


def _folders_by_name(files: Listing) -> list[str]:
    """Return the folder of images that were copied without their ``.HTD`` file."""
    tiffs = files.ending(".tif", ".tiff")
    told: dict[str, int] = {}
    for name in tiffs:
        match = _NAME.match(base_name(name))
        if match and (match["guid"] or _FOLDER.search(name)):
            folder = _above_steps(folder_of(name))
            told[folder] = told.get(folder, 0) + 1
    return sorted(told) if sum(told.values()) > _HALF * len(tiffs) else []


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes of a plate.

    Raises
    ------
    IndexFault
        If no file has a name of the kind.
    """
    planes: list[Plane] = []
    joined: list[Plane] = []  # that hold all sites of a well (MULTISITE exports)
    left: dict[str, list[str]] = {}
    tiffs = files.ending(".tif", ".tiff")
    facts = _htd(files)
    stepped = {folder_of(name).rpartition("/")[0] for name in tiffs if _steps(name).get("zstep")}
    if facts.get("ZProjection", "").upper() == "FALSE":
        stepped = set()
    for name in tiffs:
        match = _NAME.match(base_name(name))
        if match is None or match["thumb"]:
            reason = "thumbnails" if match else _no_plane(name)
            left.setdefault(reason, []).append(name)
            continue
        (joined if match["multi"] else planes).append(_plane(files, name, match, stepped))
    if joined and planes:
        left["images that are made of several sites"] = [plane.path for plane in joined]
    planes = planes or joined
    if not planes:
        shown = ", ".join(f"'{name}'" for name in tiffs[:3]) or "no TIFF at all"
        raise IndexFault(
            f"'{files.folder}' holds no image named as MetaXpress does, <plate>_<well>_s<site>_"
            f"w<wavelength>.TIF, but {shown}. Correct the column 'images' of the plate sheet, or "
            "describe the names with images.pattern."
        )
    ids = sorted({plane.channel for plane in planes}, key=int)
    channels = {number: (facts.get(f"WaveName{number}", ""), f"w{number}") for number in ids}
    notes = _notes(facts, planes)
    return Export(planes, channels, left, _n_wells(facts), _plate_name(tiffs), notes)


def _notes(facts: Mapping[str, str], planes: list[Plane]) -> tuple[str, ...]:
    """Say which wavelengths and time points the ``.HTD`` file announces, and no image is of."""
    seen = {plane.channel for plane in planes}
    named = {key[8:]: text for key, text in facts.items() if re.fullmatch(r"WaveName\d+", key)}
    waves = [f"w{number} ({text})" for number, text in named.items() if number not in seen]
    notes = [f"the .HTD file names {', '.join(waves)}, of which there is no image"] if waves else []
    announced, times = facts.get("TimePoints", ""), len({plane.time for plane in planes})
    if announced.isdigit() and int(announced) > times:
        notes.append(f"the .HTD file announces {announced} time points, and there are {times}")
    return tuple(notes)


def _plate_name(tiffs: list[str]) -> str:
    names = (_NAME.match(base_name(name)) for name in tiffs)
    return next((match["plate"] for match in names if match and match["plate"]), "")


def _steps(name: str) -> dict[str, int]:
    return {kind.lower(): int(number) for kind, number in _FOLDER.findall(name)}


def _no_plane(name: str) -> str:
    if any(word in name.lower() for word in _MIXED):
        return "images that are made of several sites"
    return "names that are not those of MetaXpress"


def _plane(files: Listing, name: str, match: re.Match[str], stepped: set[str]) -> Plane:
    steps = _steps(name)
    z = steps.get("zstep", int(match["z"] or 0))
    within = folder_of(name).rpartition("/")[0]
    if (z == 0 and within in stepped) or ("zstep" not in steps and folder_of(name) in stepped):
        z = STORED_PROJECTION
    well = fault = ""
    try:
        well = parse_well(match["well"])
    except ValueError as error:
        fault = str(error)
    return Plane(
        well=well,
        site=int(match["site"] or 1),
        channel=str(int(match["channel"] or 1)),
        path=files.path(name),
        z=z,
        time=steps.get("timepoint", int(match["time"] or 0)),
        fault=fault,
    )


def _htd(files: Listing) -> dict[str, str]:
    """Return the first value of every line of the plate's ``.HTD`` file, by its key."""
    found = sorted(files.ending(".htd"), key=lambda name: (name.count("/"), name))
    facts: dict[str, str] = {}
    if found:
        text = read_text(files.path(found[0]))
        for row in csv.reader(text.splitlines(), skipinitialspace=True):
            if len(row) > 1:
                facts.setdefault(row[0].strip(), row[1].strip())
    return facts


def _n_wells(facts: Mapping[str, str]) -> int | None:
    try:
        shape = int(facts["YWells"]), int(facts["XWells"])
    except (KeyError, ValueError):
        return None
    number = shape[0] * shape[1]
    return number if PLATE_SHAPES.get(number) == shape else None
