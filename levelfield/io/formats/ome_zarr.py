"""OME-Zarr plates, 0.4 and 0.5, whoever made them: read where they lie, and never written into.

The metadata of plate, wells and images are those of OME-NGFF, versions 0.4 and 0.5
(ngff.openmicroscopy.org). Of the levels of an image the first is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan, prod
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.config.wells import PLATE_SHAPES, parse_well
from levelfield.images.zarr_planes import ArrayFacts, array_facts, group_attributes
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing
from levelfield.io.plate_index import IndexFault
from levelfield.remote.urls import below

TITLE = "OME-Zarr"

_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}
_UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError)


def plate_folders(files: Listing) -> list[str]:
    """Return the folders that are OME-Zarr plates."""
    return [name for name in files.stores if "plate" in _attributes(below(files.folder, name))]


def _attributes(path: Path | str) -> dict[str, Any]:
    try:
        return group_attributes(path)
    except ValueError:
        return {}


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes of a plate by its metadata.

    Raises
    ------
    IndexFault
        If the folder is not one OME-Zarr plate.
    """
    folders = plate_folders(files)
    if len(folders) != 1:
        raise IndexFault(
            f"'{files.folder}' holds {len(folders)} OME-Zarr plates, and one is needed. Name the "
            "folder of one plate (usually <plate>.zarr) in the column 'images' of the plate sheet."
        )
    root = below(files.folder, folders[0])
    plate = group_attributes(root)["plate"]
    planes: list[Plane] = []
    channels: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, list[str]] = {}
    for well in plate["wells"]:
        for field, reason in _fields_of(below(root, well["path"])):
            if reason:
                left_out.setdefault(reason, []).append(f"{well['path']}/{field}")
                continue
            image = below(root, f"{well['path']}/{field}")
            own, names = _planes_of(image, _well_name(well["path"]), field)
            planes += own
            for channel, known in names.items():
                channels.setdefault(channel, known)
    return Export(planes, channels, left_out, _n_wells(plate), str(plate.get("name") or ""))


def _n_wells(plate: Mapping[str, Any]) -> int | None:
    shape = len(plate["rows"]), len(plate["columns"])
    return next((n for n, known in PLATE_SHAPES.items() if known == shape), None)


def _well_name(path: str) -> str:
    row, _, column = path.strip("/").partition("/")
    return parse_well(row + column)


def _fields_of(well: Path | str) -> Iterator[tuple[str, str]]:
    """Yield the fields of a well, and why one is left out: of acquisitions the first is used."""
    fields = _attributes(well).get("well", {}).get("images", [])
    first = min((field.get("acquisition") or 0 for field in fields), default=0)
    for field in fields:
        acquisition = field.get("acquisition") or 0
        reason = "" if acquisition == first else f"acquisition {acquisition}"
        yield str(field["path"]).strip("/"), reason


def _planes_of(
    image: Path | str, well: str, field: str
) -> tuple[list[Plane], dict[str, tuple[str, ...]]]:
    """Return the planes of one field, and the names of its channels."""
    digits = "".join(letter for letter in field if letter.isdigit())
    site = int(digits or 1)
    try:
        found = _read_image(image)
    except _UNREADABLE as error:
        fault = f"its OME-Zarr metadata are missing or damaged ({type(error).__name__}: {error})"
        return [Plane(well, site, "0", str(image), fault=fault)], {}
    planes = []
    leading = found.facts.shape[:-2]
    for page, place in enumerate(np.ndindex(leading)):
        at = dict(zip(found.axes, map(int, place), strict=False))
        planes.append(
            Plane(
                well=well,
                site=site,
                channel=str(at.get("c", 0)),
                path=str(below(image, found.path)),
                z=at.get("z", 0),
                time=at.get("t", 0),
                page=page,
                pixel_size_um=found.pixel_size_um,
                size_y=found.facts.shape[-2],
                size_x=found.facts.shape[-1],
                dtype=found.facts.dtype,
                bytes=prod(found.facts.shape) * np.dtype(found.facts.dtype).itemsize,
                fault=_fault(found.facts.dtype),
            )
        )
    numbers = dict.fromkeys(plane.channel for plane in planes)
    return planes, {number: (*found.labels.get(number, ()), number) for number in numbers}


def _fault(dtype: str) -> str:
    if dtype in ("uint8", "uint16"):
        return ""
    return f"holds {dtype} pixels; 8- or 16-bit unsigned integers are needed"


@dataclass(frozen=True)
class _OmeImage:
    """The largest level of an image: path below the image, axes, and names of its channels."""

    path: str
    axes: str
    facts: ArrayFacts
    pixel_size_um: float
    labels: dict[str, tuple[str, ...]]


def _read_image(image: Path | str) -> _OmeImage:
    attributes = group_attributes(image)
    multiscale = attributes["multiscales"][0]
    dataset = multiscale["datasets"][0]
    facts = array_facts(below(image, dataset["path"]))
    axes = "".join(axis["name"] for axis in multiscale["axes"])
    if axes[-2:] != "yx" or len(axes) != len(facts.shape):
        raise ValueError(f"axes '{axes}' of an array of shape {facts.shape}")
    shown = attributes.get("omero", {}).get("channels", [])
    labels = {
        str(number): tuple(
            str(made[key]) for key in ("label", "wavelength_id") if made.get(key) is not None
        )
        for number, made in enumerate(shown)
    }
    return _OmeImage(str(dataset["path"]), axes, facts, _pixel_size(multiscale, dataset), labels)


def _pixel_size(multiscale: Mapping[str, Any], dataset: Mapping[str, Any]) -> float:
    unit = _UM.get(str(multiscale["axes"][-1].get("unit")))
    if unit is None:
        return nan
    transforms = [
        *dataset.get("coordinateTransformations", ()),
        *(multiscale.get("coordinateTransformations") or ()),
    ]
    scales = [made["scale"][-1] for made in transforms if made.get("type") == "scale"]
    return float(prod(scales) * unit) if scales else nan
