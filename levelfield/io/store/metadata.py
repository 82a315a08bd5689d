"""OME-Zarr 0.5 metadata of plates, wells, images and labels, built and checked by its models.

The models are imported where metadata are built: what only reads a store does without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from levelfield.config.wells import PLATE_SHAPES, row_column, row_letters, well_path

if TYPE_CHECKING:
    from ome_zarr_models.v05.multiscales import Multiscale
    from pydantic import BaseModel

VERSION = "0.5"


@dataclass(frozen=True)
class Channel:
    """How a channel is named in tables, and shown in viewers."""

    name: str
    color: str  # six hexadecimal digits
    maximum: int  # largest value that the camera's bit depth can hold


def plate_attributes(
    name: str, n_wells: int, wells: Sequence[str], n_fields: int
) -> dict[str, Any]:
    """Return the ``ome`` attributes of a plate group."""
    from ome_zarr_models.v05.hcs import HCSAttrs

    rows, columns = PLATE_SHAPES[n_wells]
    places = {well: row_column(well) for well in wells}
    plate = {
        "version": VERSION,
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
    return _checked(HCSAttrs, plate=plate)


def well_attributes(fields: Sequence[str]) -> dict[str, Any]:
    """Return the ``ome`` attributes of a well group."""
    from ome_zarr_models.v05.well import WellAttrs

    images = [{"path": field, "acquisition": 0} for field in fields]
    return _checked(WellAttrs, well={"images": images, "version": VERSION})


def _multiscale(name: str, axes: str, n_levels: int, pixel_size_um: float | None) -> Multiscale:
    from ome_zarr_models.v05.axes import Axis
    from ome_zarr_models.v05.multiscales import Dataset, Multiscale

    unit = "micrometer" if pixel_size_um else None
    kinds = [
        Axis(name="c", type="channel") if axis == "c" else Axis(name=axis, type="space", unit=unit)
        for axis in axes
    ]
    size = pixel_size_um or 1.0
    datasets = [
        Dataset.build(
            path=str(level),
            scale=[1.0 if axis == "c" else size * 2**level for axis in axes],
            translation=[0.0 if axis == "c" else size * (2**level - 1) / 2 for axis in axes],
        )
        for level in range(n_levels)
    ]
    return Multiscale(name=name, axes=kinds, datasets=tuple(datasets))


def image_attributes(
    name: str, channels: Sequence[Channel], n_levels: int, pixel_size_um: float | None
) -> dict[str, Any]:
    """Return the ``ome`` attributes of a field's image group."""
    from ome_zarr_models.v05.image import ImageAttrs

    multiscale = _multiscale(name, "cyx", n_levels, pixel_size_um)
    attributes = _checked(ImageAttrs, multiscales=[multiscale])
    attributes["omero"] = {
        "channels": [
            {
                "label": channel.name,
                "wavelength_id": channel.name,
                "color": channel.color,
                "active": True,
                "window": {"min": 0, "max": channel.maximum, "start": 0, "end": channel.maximum},
            }
            for channel in channels
        ]
    }
    return attributes


def labels_attributes(names: Sequence[str]) -> dict[str, Any]:
    """Return the ``ome`` attributes of a field's ``labels`` group."""
    from ome_zarr_models.v05.labels import LabelsAttrs

    return _checked(LabelsAttrs, labels=list(names))


def label_attributes(name: str, n_levels: int, pixel_size_um: float | None) -> dict[str, Any]:
    """Return the ``ome`` attributes of one label image."""
    from ome_zarr_models.v05.image_label import ImageLabelAttrs

    multiscale = _multiscale(name, "yx", n_levels, pixel_size_um)
    label = {"version": VERSION, "source": {"image": "../../"}}
    return _checked(ImageLabelAttrs, multiscales=[multiscale], **{"image-label": label})


def _checked(model: type[BaseModel], **attributes: Any) -> dict[str, Any]:
    checked = model.model_validate({"version": VERSION} | attributes)
    return checked.model_dump(mode="json", by_alias=True, exclude_none=True)
