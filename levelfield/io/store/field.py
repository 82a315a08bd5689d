"""One field of the plate store: raw pixels, their pyramid, and the labels of every object set.

A field is written beside its place and renamed into it, and carries a fingerprint of all it was
made from. So a torn field is never mistaken for a finished one, two writers of one field do no
harm, and a restarted job can skip what is done.
"""

import hashlib
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from levelfield.arrays import AnyArray, Labels
from levelfield.config.planted import PLANTED
from levelfield.config.wells import well_path
from levelfield.io.store.arrays import write_array
from levelfield.io.store.groups import NEWEST, group_version, ome_attributes, write_group
from levelfield.io.store.metadata import (
    Channel,
    image_attributes,
    label_attributes,
    labels_attributes,
)
from levelfield.io.store.pyramids import image_pyramid, label_pyramid
from levelfield.io.store.replace import put_in_place, recover

EDITED_SUFFIX = "_edited"
"""Labels that a person drew are named ``<set>_edited``; writing a field never loses them."""

OWN = "levelfield"
"""Key of Levelfield's own facts among the attributes of a group."""

_ABANDONED_AFTER = 3600  # s; a field is written in seconds, so an older part is of a killed job


@dataclass(frozen=True)
class Field:
    """What the store holds of a field, or is given."""

    image: AnyArray  # (C, Y, X), raw pixels, uint8 or uint16
    labels: Mapping[str, Labels]  # by object set
    # What was planted into the labels of an object set: viewers show its name with the word
    # PLANTED, and its attributes hold the text. Not read back.
    planted: Mapping[str, str] = dataclass_field(default_factory=dict)
    # Checksums, by name, that its maker knows already.
    checksums: Mapping[str, str] = dataclass_field(default_factory=dict)


def field_path(plate: Path, well: str, site: int) -> Path:
    """Return where a field lies in the plate store."""
    return Path(plate) / well_path(well) / str(site)


def checksum(array: AnyArray) -> str:
    """Return the sha256 of an array's shape, type and pixels."""
    digest = hashlib.sha256(f"{array.shape}{array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_field(
    plate: Path,
    well: str,
    site: int,
    field: Field,
    channels: Sequence[Channel],
    fingerprint: str,
    record: Mapping[str, Any] | None = None,
    pixel_size_um: float | None = None,
) -> dict[str, str]:
    """Write a field whole, and then put it in its place.

    Parameters
    ----------
    plate, well, site : Path, str, int
        The plate store, and the field in it.
    field, channels : Field, sequence of Channel
        Its pixels and labels, and its channels in the order of the image.
    fingerprint, record : str, mapping
        What the labels were made from, and facts of the segmentation, kept so that a restarted job
        need not find them again.
    pixel_size_um : float, optional
        Width of a pixel, µm.

    Returns
    -------
    dict of str to str
        Checksum of the ``image`` and of each object set's labels.
    """
    place = field_path(plate, well, site)
    place.parent.mkdir(parents=True, exist_ok=True)
    recover(place)
    _remove_abandoned(place)
    draft = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    checksums = _checksums(field)
    own: Any = {"fingerprint": fingerprint, "checksums": checksums, "record": dict(record or {})}
    version = group_version(plate) or NEWEST
    try:
        levels = image_pyramid(field.image)
        _write_levels(draft, levels, "cyx", version)
        ome = image_attributes(f"{well} {site}", channels, len(levels), pixel_size_um, version)
        _write_labels(field, place, draft, pixel_size_um, version)
        write_group(draft, {**ome, OWN: own}, version)
        put_in_place(draft, place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # on a full disk, a part would take the last room
        raise
    return checksums


def _checksums(field: Field) -> dict[str, str]:
    arrays = {"image": field.image, **field.labels}
    return {name: field.checksums.get(name) or checksum(array) for name, array in arrays.items()}


def _write_levels(path: Path, levels: Sequence[AnyArray], axes: str, version: str) -> None:
    for level, pixels in enumerate(levels):
        write_array(path / str(level), pixels, axes, version)


def _write_labels(
    field: Field, place: Path, draft: Path, pixel_size_um: float | None, version: str
) -> None:
    edited = [path for path in sorted(place.glob(f"labels/*{EDITED_SUFFIX}")) if path.is_dir()]
    names = [*field.labels, *(path.name for path in edited)]
    for name, array in field.labels.items():
        title = f"{name} {PLANTED}" if name in field.planted else name
        own = {OWN: {"planted": field.planted[name]}} if name in field.planted else {}
        write_label(draft / "labels" / name, array, title, own, pixel_size_um, version)
    for path in edited:
        if group_version(path) == version:
            shutil.copytree(path, draft / "labels" / path.name)
        else:
            pixels = _read_pixels(path)
            write_label(draft / "labels" / path.name, pixels, path.name, {}, pixel_size_um, version)
    write_group(draft / "labels", labels_attributes(names, version), version)


def write_label(
    path: Path,
    labels: AnyArray,
    title: str,
    own: Mapping[str, Any],
    pixel_size_um: float | None,
    version: str,
) -> None:
    """Write one label image and its halvings; `own` are attributes beside those of OME-Zarr."""
    levels = label_pyramid(labels)
    _write_levels(path, levels, "yx", version)
    ome = label_attributes(title, len(levels), pixel_size_um, version)
    write_group(path, {**ome, **own}, version)


def _remove_abandoned(place: Path) -> None:
    for path in place.parent.glob(f".{place.name}.*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue  # its writer has just put it in place


def stored_field(plate: Path, well: str, site: int) -> dict[str, Any]:
    """Return what a field carries of its making; empty where there is no whole field.

    Returns
    -------
    dict
        ``fingerprint`` (str), ``checksums`` (of the image and each object set) and ``record``
        (facts of its segmentation).
    """
    path = field_path(plate, well, site)
    recover(path)
    if group_version(path) != (group_version(plate) or NEWEST):
        return {}  # none, or one of the version that the plate had before
    attributes: Any = zarr.open_group(path, mode="r").attrs
    return dict(attributes.get(OWN, {}))


def find_damage(plate: Path, well: str, site: int, checksums: Mapping[str, str]) -> dict[str, str]:
    """Compare the ``image`` and the labels in the store with checksums of when they were written.

    Returns
    -------
    dict of str to str
        ``missing`` or ``altered`` by name of what is damaged; empty where all is whole.
    """
    path, damage = field_path(plate, well, site), {}
    for name, expected in checksums.items():
        try:
            pixels = _read_pixels(path if name == "image" else path / "labels" / name)
        except (OSError, KeyError, ValueError, RuntimeError):  # all that a torn store can raise
            damage[name] = "missing"
            continue
        if checksum(pixels) != expected:
            damage[name] = "altered"
    return damage


def invalidate_field(plate: Path, well: str, site: int) -> None:
    """Take away a field's fingerprint, so that the next run makes the field again."""
    if own := stored_field(plate, well, site):
        path = field_path(plate, well, site)
        attributes = dict(zarr.open_group(path, mode="r").attrs)
        attributes |= {OWN: own | {"fingerprint": ""}}
        write_group(path, attributes, group_version(path) or NEWEST)


def read_field(plate: Path, well: str, site: int, sets: Sequence[str]) -> Field:
    """Read a field's raw pixels and the labels of some object sets.

    Raises
    ------
    FileNotFoundError
        If the field, or one of the sets, is not in the store.
    """
    image = _read_pixels(field_path(plate, well, site))
    return Field(image, {name: read_labels(plate, well, site, name) for name in sets})


def read_labels(plate: Path, well: str, site: int, name: str) -> AnyArray:
    """Read the labels (Y, X) of one object set.

    Raises
    ------
    FileNotFoundError
        If the set is not in the store.
    """
    return _read_pixels(field_path(plate, well, site) / "labels" / name)


def _read_pixels(path: Path) -> AnyArray:
    """Read the largest level of an image or of labels."""
    return np.asarray(largest_level(path))


def largest_level(path: Path) -> zarr.Array[Any]:
    """Return the largest level of an image or of labels, unread.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    group = zarr.open_group(path, mode="r")
    level: Any = group[ome_attributes(group.attrs)["multiscales"][0]["datasets"][0]["path"]]
    return level


def stored_channels(plate: Path) -> list[Channel]:
    """Return the channels of a plate, in the order of its images, from the first field there."""
    ome = ome_attributes(zarr.open_group(_first_field(plate), mode="r").attrs)
    return [
        Channel(shown["label"], shown["color"], int(shown["window"]["max"]))
        for shown in ome["omero"]["channels"]
    ]


def stored_dtype(plate: Path) -> np.dtype[Any]:
    """Return the type of the raw pixels of a plate, from the first field that is there."""
    return zarr.open_array(_first_field(plate) / "0", mode="r").dtype


def stored_pixel_size_um(plate: Path) -> float | None:
    """Return the width of a plate's pixels in µm, from the first field that is there.

    None where it was not known when the field was written.
    """
    ome = ome_attributes(zarr.open_group(_first_field(plate), mode="r").attrs)
    multiscale = ome["multiscales"][0]
    if multiscale["axes"][-1].get("unit") != "micrometer":
        return None
    return float(multiscale["datasets"][0]["coordinateTransformations"][0]["scale"][-1])


def _first_field(plate: Path) -> Path:
    first = next(Path(plate).glob("*/*/[0-9]*/0"), None)
    if first is None:
        raise FileNotFoundError(f"'{plate}' holds no field yet; segment the plate first.")
    return first.parent
