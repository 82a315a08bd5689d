"""One field of the plate store: raw pixels, their pyramid, and the labels of every object set.

A field is written beside its place and renamed into it, and carries a fingerprint of all it was
made from. So a torn field is never mistaken for a finished one, two writers of one field do no
harm, and a restarted job can skip what is done.
"""

import errno
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
from levelfield.io.store.metadata import (
    Channel,
    image_attributes,
    label_attributes,
    labels_attributes,
)
from levelfield.io.store.pyramids import image_pyramid, label_pyramid, write_levels

EDITED_SUFFIX = "_edited"
"""Labels that a person drew are named ``<set>_edited``; writing a field never loses them."""

_OWN = "levelfield"
_ABANDONED_AFTER = 3600  # s; a field is written in seconds, so an older part is of a killed job


@dataclass(frozen=True)
class Field:
    """What the store holds of a field, or is given."""

    image: AnyArray  # (C, Y, X), raw pixels, uint8 or uint16
    labels: Mapping[str, Labels]  # by object set
    # What was planted into the labels of an object set: viewers show its name with the word
    # PLANTED, and its attributes hold the text. Not read back.
    planted: Mapping[str, str] = dataclass_field(default_factory=dict)


def field_path(plate: Path, well: str, site: int) -> Path:
    """Return where a field lies in the plate store."""
    return Path(plate) / well_path(well) / str(site)


def checksum(array: AnyArray) -> str:
    """Return the sha256 of an array's shape, type and pixels."""
    head = f"{array.shape}{array.dtype.str}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


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
    _remove_abandoned(place)
    draft = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    arrays = {"image": field.image, **field.labels}
    checksums = {name: checksum(array) for name, array in arrays.items()}
    own: Any = {"fingerprint": fingerprint, "checksums": checksums, "record": dict(record or {})}
    try:
        group = zarr.open_group(draft, mode="w", zarr_format=3)
        levels = image_pyramid(field.image)
        write_levels(group, levels, "cyx")
        ome = image_attributes(f"{well} {site}", channels, len(levels), pixel_size_um)
        group.attrs.update({"ome": ome, _OWN: own})
        _write_labels(group, field, place, draft, pixel_size_um)
        _put_in_place(draft, place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # on a full disk, a part would take the last room
        raise
    return checksums


def _write_labels(
    group: zarr.Group, field: Field, place: Path, draft: Path, pixel_size_um: float | None
) -> None:
    edited = [path for path in sorted(place.glob(f"labels/*{EDITED_SUFFIX}")) if path.is_dir()]
    names = [*field.labels, *(path.name for path in edited)]
    labels_group = group.create_group("labels", attributes={"ome": labels_attributes(names)})
    for name, array in field.labels.items():
        levels = label_pyramid(array)
        title = f"{name} {PLANTED}" if name in field.planted else name
        attributes: dict[str, Any] = {"ome": label_attributes(title, len(levels), pixel_size_um)}
        if name in field.planted:
            attributes[_OWN] = {"planted": field.planted[name]}
        write_levels(labels_group.create_group(name, attributes=attributes), levels, "yx")
    for path in edited:
        shutil.copytree(path, draft / "labels" / path.name)


def _remove_abandoned(place: Path) -> None:
    for path in place.parent.glob(f".{place.name}.*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue  # its writer has just put it in place


def _put_in_place(draft: Path, place: Path) -> None:
    """Replace a folder by another; where two writers meet, the last one stays."""
    old = draft.with_name(draft.name + ".old")
    while True:
        try:
            draft.rename(place)
            break
        except OSError as error:
            # The place is taken: by an earlier run, or by another writer just now.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        try:
            place.rename(old)
        except FileNotFoundError:
            continue
        shutil.rmtree(old)


def stored_field(plate: Path, well: str, site: int) -> dict[str, Any]:
    """Return what a field carries of its making; empty where there is no whole field.

    Returns
    -------
    dict
        ``fingerprint`` (str), ``checksums`` (of the image and each object set) and ``record``
        (facts of its segmentation).
    """
    try:
        attributes: Any = zarr.open_group(field_path(plate, well, site), mode="r").attrs
        return dict(attributes.get(_OWN, {}))
    except (FileNotFoundError, ValueError):
        return {}


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
        group = zarr.open_group(field_path(plate, well, site), mode="r+")
        group.attrs.update({_OWN: own | {"fingerprint": ""}})


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
    group = zarr.open_group(path, mode="r")
    ome: Any = group.attrs["ome"]
    return np.asarray(group[ome["multiscales"][0]["datasets"][0]["path"]])


def stored_dtype(plate: Path) -> np.dtype[Any]:
    """Return the type of the raw pixels of a plate, from the first field that is there."""
    return zarr.open_array(_first_field(plate) / "0", mode="r").dtype


def stored_pixel_size_um(plate: Path) -> float | None:
    """Return the width of a plate's pixels in µm, from the first field that is there.

    None where it was not known when the field was written.
    """
    ome: Any = zarr.open_group(_first_field(plate), mode="r").attrs["ome"]
    multiscale = ome["multiscales"][0]
    if multiscale["axes"][-1].get("unit") != "micrometer":
        return None
    return float(multiscale["datasets"][0]["coordinateTransformations"][0]["scale"][-1])


def _first_field(plate: Path) -> Path:
    first = next(Path(plate).glob("*/*/[0-9]*/zarr.json"), None)
    if first is None:
        raise FileNotFoundError(f"'{plate}' holds no field yet; segment the plate first.")
    return first.parent


def make_group(path: Path, attributes: Mapping[str, Any]) -> None:
    """Write a group's metadata so that a reader sees it whole or not at all."""
    path.mkdir(parents=True, exist_ok=True)
    draft = path / f".{uuid.uuid4().hex}"
    zarr.open_group(draft, mode="w", zarr_format=3, attributes=dict(attributes))
    (draft / "zarr.json").replace(path / "zarr.json")
    draft.rmdir()
