"""OME-Zarr metadata of plates, wells, images and labels, built and checked by its models.

Version 0.5, and 0.4 for viewers that cannot read it yet. The models are imported where metadata
are built: what only reads a store does without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from levelfield.config.wells import PLATE_SHAPES, row_column, row_letters, well_path


@dataclass(frozen=True)
class Channel:
    """How a channel is named in tables, and shown in viewers."""

    name: str
    color: str  # six hexadecimal digits
    maximum: int  # largest value that the camera's bit depth can hold


def plate_attributes(
    name: str, n_wells: int, wells: Sequence[str], n_fields: int, version: str
) -> dict[str, Any]:
    """Return the attributes of a plate group."""
    rows, columns = PLATE_SHAPES[n_wells]
    places = {well: row_column(well) for well in wells}
    plate = {
        "version": version,
        "name": name,
        "rows": [{"name": row_letters(row)} for row in range(1, rows + 1)],
        "columns": [{"name": f"{column:02d}"} for column in range(1, columns + 1)],
        "wells": [
            {"path": well_path(well), "rowIndex": row - 1, "columnIndex": column - 1}
            for well, (row, column) in places.items()
        ],
        "field_count": max(n_fields, 1),
        "acquisitions": [{"id": 0}],
    }
    return _wrapped(_checked(version, "hcs", "HCSAttrs", {"plate": plate}), version)


def well_attributes(fields: Sequence[str], version: str) -> dict[str, Any]:
    """Return the attributes of a well group."""
    images = [{"path": field, "acquisition": 0} for field in fields]
    well = {"images": images, "version": version}
    return _wrapped(_checked(version, "well", "WellAttrs", {"well": well}), version)


def image_attributes(
    name: str, channels: Sequence[Channel], n_levels: int, pixel_size_um: float | None, version: str
) -> dict[str, Any]:
    """Return the attributes of a field's image group."""
    attributes = _named(_image(version, n_levels, pixel_size_um), name)
    shown = [
        {
            "label": channel.name,
            "wavelength_id": channel.name,
            "color": channel.color,
            "active": True,
            "window": {"min": 0, "max": channel.maximum, "start": 0, "end": channel.maximum},
        }
        for channel in channels
    ]
    return _wrapped(attributes | {"omero": {"channels": shown}}, version)


def labels_attributes(names: Sequence[str], version: str) -> dict[str, Any]:
    """Return the attributes of a field's ``labels`` group."""
    return _wrapped(_checked(version, "labels", "LabelsAttrs", {"labels": list(names)}), version)


def label_attributes(
    name: str, n_levels: int, pixel_size_um: float | None, version: str
) -> dict[str, Any]:
    """Return the attributes of one label image."""
    return _wrapped(_named(_label(version, n_levels, pixel_size_um), name), version)


# Checking takes longer than compressing a small image does, and all fields of a plate but for their
# names are the same.
@cache
def _image(version: str, n_levels: int, pixel_size_um: float | None) -> dict[str, Any]:
    multiscales = [_multiscale(version, "cyx", n_levels, pixel_size_um)]
    return _checked(version, "image", "ImageAttrs", {"multiscales": multiscales})


@cache
def _label(version: str, n_levels: int, pixel_size_um: float | None) -> dict[str, Any]:
    multiscales = [_multiscale(version, "yx", n_levels, pixel_size_um)]
    label = {"version": version, "source": {"image": "../../"}}
    attributes = {"multiscales": multiscales, "image-label": label}
    return _checked(version, "image_label", "ImageLabelAttrs", attributes)


def _multiscale(
    version: str, axes: str, n_levels: int, pixel_size_um: float | None
) -> dict[str, Any]:
    unit = {"unit": "micrometer"} if pixel_size_um else {}
    kinds = [
        {"name": "c", "type": "channel"} if axis == "c" else {"name": axis, "type": "space"} | unit
        for axis in axes
    ]
    size = pixel_size_um or 1.0
    datasets = []
    for level in range(n_levels):
        scale = [1.0 if axis == "c" else size * 2**level for axis in axes]
        shift = [0.0 if axis == "c" else size * (2**level - 1) / 2 for axis in axes]
        transforms = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": shift},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    multiscale = {"name": "", "axes": kinds, "datasets": datasets}
    return multiscale | ({"version": version} if version == "0.4" else {})


def _named(attributes: dict[str, Any], name: str) -> dict[str, Any]:
    [multiscale] = attributes["multiscales"]
    return attributes | {"multiscales": [multiscale | {"name": name}]}


def _checked(version: str, module: str, model: str, attributes: dict[str, Any]) -> dict[str, Any]:
    models = import_module(f"ome_zarr_models.v{version.replace('.', '')}.{module}")
    own = {"version": version} if version == "0.5" else {}
    checked = getattr(models, model).model_validate(own | attributes)
    return checked.model_dump(mode="json", by_alias=True, exclude_none=True)


def _wrapped(attributes: dict[str, Any], version: str) -> dict[str, Any]:
    return {"ome": attributes} if version == "0.5" else attributes
