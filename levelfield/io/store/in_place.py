"""Labels in the plate that the images lie in, where its owner asks for it, and nothing else."""

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import zarr

from levelfield.arrays import Labels
from levelfield.images.zarr_planes import group_attributes
from levelfield.io.store.field import OWN, checksum, write_label
from levelfield.io.store.groups import group_version, write_group
from levelfield.io.store.metadata import labels_attributes
from levelfield.io.store.replace import put_in_place, recover


class NotInPlace(ValueError):
    """Labels cannot be written beside an image; the text says which, why and what to do."""


def check_in_place(array: Path, names: Iterable[str]) -> None:
    """Check that labels of these names may be written beside an image, before they are made.

    `array` is the largest level of the image.

    Raises
    ------
    NotInPlace
        If the image is no OME-Zarr, or has labels of that name that others wrote.
    """
    labels = _image_of(array) / "labels"
    for name in names:
        if (labels / name).exists() and not _own(labels / name):
            raise NotInPlace(
                f"'{labels / name}' holds labels that Levelfield did not write, and "
                "images.in_place would replace them. Rename the object set in the config, or leave "
                "images.in_place out: labels then lie in the results only."
            )


def write_in_place(
    array: Path, labels: Mapping[str, Labels], pixel_size_um: float | None = None
) -> None:
    """Write labels (Y, X) by object set beside the image that an array is the largest level of.

    Labels of other names stay, and so does every byte outside of ``labels/``. What is there already
    is not written again.

    Raises
    ------
    NotInPlace
        As in `check_in_place`.
    """
    check_in_place(array, labels)
    image = _image_of(array)
    version = str(group_version(image))
    folder = image / "labels"
    folder.mkdir(exist_ok=True)
    for name, pixels in labels.items():
        place, mark = folder / name, checksum(pixels)
        recover(place)
        if _own(place).get("checksum") == mark:
            continue
        draft = folder / f".{name}.{uuid.uuid4().hex}"
        write_label(draft, pixels, name, {OWN: {"checksum": mark}}, pixel_size_um, version)
        put_in_place(draft, place)
    known = [str(name) for name in group_attributes(folder).get("labels", [])]
    names = list(dict.fromkeys([*known, *labels]))
    if names != known:
        # What others noted in the group stays.
        noted = dict(zarr.open_group(folder, mode="r").attrs) if group_version(folder) else {}
        wanted = labels_attributes(names, version)
        if version == "0.5":
            wanted = {"ome": {**_mapping(noted.get("ome")), **wanted["ome"]}}
        write_group(folder, {**noted, **wanted}, version)


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _image_of(array: Path) -> Path:
    """Return the image group that an array belongs to."""
    for group in list(array.parents)[:3] if array.is_dir() else []:
        if "multiscales" in group_attributes(group):
            return group
    raise NotInPlace(
        f"images.in_place: '{array}' is no image of an OME-Zarr plate, so that labels cannot be "
        "written beside it. Leave images.in_place out: labels lie in the results."
    )


def _own(labels: Path) -> dict[str, Any]:
    """Return what Levelfield noted in labels that it wrote; nothing in those of others."""
    if group_version(labels) is None:
        return {}
    return _mapping(dict(zarr.open_group(labels, mode="r").attrs).get(OWN))
