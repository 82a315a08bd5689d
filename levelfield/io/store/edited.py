"""Labels that a person drew, beside those of the segmentation: ``<set>_edited``."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from levelfield.arrays import AnyLabels
from levelfield.io.store.field import EDITED_SUFFIX, field_path, read_labels
from levelfield.io.store.metadata import label_attributes, labels_attributes
from levelfield.io.store.pyramids import label_pyramid, write_levels


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
    place = folder / f"{name}{EDITED_SUFFIX}"
    draft = folder / f".{place.name}.{uuid.uuid4().hex}"
    levels = label_pyramid(np.ascontiguousarray(labels, np.int32))
    attributes = {"ome": label_attributes(place.name, len(levels), pixel_size_um)}
    try:
        group = zarr.open_group(draft, mode="w", zarr_format=3, attributes=attributes)
        write_levels(group, levels, "yx")
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    every = zarr.open_group(folder, mode="r+")
    ome: Any = every.attrs["ome"]
    names = [known for known in ome["labels"] if known != place.name]
    every.attrs.update({"ome": labels_attributes([*names, place.name])})
    return place
