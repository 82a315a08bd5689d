"""Labels that a person drew, beside those of the segmentation: ``<set>_edited``."""

import shutil
import uuid
from pathlib import Path

import numpy as np
import zarr

from levelfield.arrays import AnyLabels
from levelfield.io.store.field import EDITED_SUFFIX, field_path, read_labels, write_label
from levelfield.io.store.groups import NEWEST, group_version, ome_attributes, write_group
from levelfield.io.store.metadata import labels_attributes


def write_edited(
    plate: Path,
    well: str,
    site: int,
    name: str,
    labels: AnyLabels,
    pixel_size_um: float | None = None,
) -> Path:
    """Write what a person drew, in place of what was drawn before; return where it lies.

    Parameters
    ----------
    plate, well, site : Path, str, int
        The plate store, and the field in it.
    name : str
        The object set that was corrected.
    labels : (Y, X) ndarray of integers
        All objects of the field, at its full size.
    pixel_size_um : float, optional
        Width of a pixel, µm.

    Raises
    ------
    FileNotFoundError
        If the object set is not in the store.
    ValueError
        If the size is not that of the field.
    """
    shape = read_labels(plate, well, site, name).shape
    if labels.shape != shape:
        raise ValueError(
            f"labels of {labels.shape} px were drawn for {well}, site {site}, which is {shape} px. "
            "Draw on the labels at their full size."
        )
    folder = field_path(plate, well, site) / "labels"
    version = group_version(folder) or NEWEST
    place = folder / f"{name}{EDITED_SUFFIX}"
    draft = folder / f".{place.name}.{uuid.uuid4().hex}"
    drawn = np.ascontiguousarray(labels, np.int32)
    try:
        write_label(draft, drawn, place.name, {}, pixel_size_um, version)
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    names = [known for known in label_names(plate, well, site) if known != place.name]
    write_group(folder, labels_attributes([*names, place.name], version), version)
    return place


def label_names(plate: Path, well: str, site: int) -> list[str]:
    """Return the names of a field's label images, those that people drew among them."""
    folder = field_path(plate, well, site) / "labels"
    if group_version(folder) is None:
        return []
    return list(ome_attributes(zarr.open_group(folder, mode="r").attrs)["labels"])
