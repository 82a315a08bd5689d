"""Planes of images that are Zarr arrays, as OME-Zarr holds them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.arrays import AnyArray


@dataclass(frozen=True)
class ArrayFacts:
    """Shape of a Zarr array, and its type as numpy names it."""

    shape: tuple[int, ...]
    dtype: str


def array_facts(path: Path) -> ArrayFacts:
    """Read what the metadata of a Zarr array (v2 or v3) say of it.

    Raises
    ------
    OSError, ValueError, KeyError
        If there is no such array, or its metadata are damaged.
    """
    newer = path / "zarr.json"
    if newer.is_file():
        document = json.loads(newer.read_text())
        return ArrayFacts(tuple(document["shape"]), str(document["data_type"]))
    document = json.loads((path / ".zarray").read_text())
    return ArrayFacts(tuple(document["shape"]), np.dtype(document["dtype"]).name)


def group_attributes(path: Path) -> dict[str, Any]:
    """Read what an OME-Zarr group (0.4 or 0.5) says of itself; nothing where there is no group.

    Raises
    ------
    ValueError
        If the file is not JSON.
    """
    newer, older = path / "zarr.json", path / ".zattrs"
    if newer.is_file():
        attributes = dict(json.loads(newer.read_text()).get("attributes", {}))
        return dict(attributes.get("ome", attributes))
    return dict(json.loads(older.read_text())) if older.is_file() else {}


def read_zarr_plane(path: Path, page: int) -> AnyArray:
    """Read one plane (Y, X) of an array; `page` counts the planes of its leading axes.

    Raises
    ------
    IndexError
        If the array has fewer planes.
    OSError, ValueError, KeyError, RuntimeError
        If it cannot be read.
    """
    import zarr  # plates of TIFF do without

    array: Any = zarr.open_array(path, mode="r")
    leading = array.shape[:-2]
    if page >= math.prod(leading):
        raise IndexError(f"there are {math.prod(leading)} planes, and number {page} is wanted")
    return np.asarray(array[tuple(int(i) for i in np.unravel_index(page, leading))])
