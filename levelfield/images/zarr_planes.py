"""Planes of images that are Zarr arrays, as OME-Zarr holds them."""

import errno
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.remote.files import open_binary
from levelfield.remote.urls import below, is_url


@dataclass(frozen=True)
class ArrayFacts:
    """Shape of a Zarr array, and its type as numpy names it."""

    shape: tuple[int, ...]
    dtype: str


def array_facts(path: Path | str) -> ArrayFacts:
    """Read what the metadata of a Zarr array (v2 or v3) say of it.

    Raises
    ------
    OSError, ValueError, KeyError
        If there is no such array, or its metadata are damaged.
    """
    document = _document(below(path, "zarr.json"))
    if document is not None:
        return ArrayFacts(tuple(document["shape"]), str(document["data_type"]))
    older = _document(below(path, ".zarray"))
    if older is None:
        raise FileNotFoundError(errno.ENOENT, "there is no Zarr array", str(path))
    return ArrayFacts(tuple(older["shape"]), np.dtype(older["dtype"]).name)


def _document(path: Path | str) -> dict[str, Any] | None:
    """Return what a file of JSON holds; None where there is no such file."""
    try:
        with open_binary(path) as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None


def group_attributes(path: Path | str) -> dict[str, Any]:
    """Read what an OME-Zarr group (0.4 or 0.5) says of itself; nothing where there is no group.

    Raises
    ------
    ValueError
        If the file is not JSON.
    """
    newer = _document(below(path, "zarr.json"))
    if newer is not None:
        attributes = dict(newer.get("attributes", {}))
        return dict(attributes.get("ome", attributes))
    return _document(below(path, ".zattrs")) or {}


def read_zarr_plane(path: Path | str, page: int) -> AnyArray:
    """Read one plane (Y, X) of an array; `page` counts the planes of its leading axes.

    Raises
    ------
    IndexError
        If the array has fewer planes.
    OSError, ValueError, KeyError, RuntimeError
        If it cannot be read.
    """
    import zarr  # plates of TIFF do without

    store: Any = path
    if is_url(path):
        from levelfield.images.zarr_store import RemoteStore

        store = RemoteStore(str(path))
    array: Any = zarr.open_array(store, mode="r")
    leading = array.shape[:-2]
    if page >= math.prod(leading):
        raise IndexError(f"there are {math.prod(leading)} planes, and number {page} is wanted")
    return np.asarray(array[tuple(int(i) for i in np.unravel_index(page, leading))])
