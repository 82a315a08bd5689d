"""The plate and its wells: metadata written once, before parallel jobs write fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray
from levelfield.config.extras import needs_extra
from levelfield.config.wells import well_path
from levelfield.io.store.field import field_path, largest_level
from levelfield.io.store.groups import NEWEST, write_group
from levelfield.io.store.metadata import plate_attributes, well_attributes

if TYPE_CHECKING:
    import dask.array as da

Corrector = Callable[[AnyArray, int], AnyArray]


def create_plate(
    path: Path, name: str, n_wells: int, sites: pd.DataFrame, version: str = NEWEST
) -> None:
    """Write the metadata of a plate and of its wells; fields that are there stay.

    `path` is the store, ``<plate>.zarr``; `sites` (``well``, ``site``) are the fields that will be
    written, in plate order; `version` is that of OME-Zarr, which its fields will have too.
    """
    path = Path(path)
    wells = sites.groupby("well", sort=False)["site"].apply(list)
    n_fields = max((len(fields) for fields in wells), default=1)
    plate = plate_attributes(name, n_wells, list(wells.index), n_fields, version)
    write_group(path, plate, version)
    for row in dict.fromkeys(well_path(well).split("/")[0] for well in wells.index):
        write_group(path / row, {}, version)
    for well, fields in wells.items():
        names = [str(field) for field in fields]
        write_group(path / well_path(str(well)), well_attributes(names, version), version)


def lazy_plate(path: Path, sites: pd.DataFrame, correct: Corrector | None = None) -> da.Array:
    """Return the images of a plate as one lazy array; a plane is read when it is computed.

    Parameters
    ----------
    path, sites : Path, DataFrame
        The store, and its fields (``well`` and ``site``) in the order of the first axis.
    correct : callable, optional
        Takes the raw pixels (Y, X) of one channel and the channel's number, returns float32 of the
        same shape.

    Returns
    -------
    dask array, (site, channel, Y, X)
        Corrected float32, or raw pixels; a chunk is one plane.
    """
    fields = _field_paths(path, sites)
    first = largest_level(fields[0])

    def plane(block_id: tuple[int, ...]) -> AnyArray:
        raw = np.asarray(largest_level(fields[block_id[0]])[block_id[1]])
        return (raw if correct is None else correct(raw, block_id[1]))[None, None]

    dtype = first.dtype if correct is None else np.dtype(np.float32)
    return _blocks(plane, (len(fields), *first.shape), dtype)


def lazy_labels(path: Path, sites: pd.DataFrame, name: str) -> da.Array:
    """Return the labels of one object set of a plate as one lazy array (site, Y, X).

    Raises
    ------
    FileNotFoundError
        If the set is not in the store.
    """
    fields = [field / "labels" / name for field in _field_paths(path, sites)]
    first = largest_level(fields[0])

    def labels(block_id: tuple[int, ...]) -> AnyArray:
        return np.asarray(largest_level(fields[block_id[0]]))[None]

    return _blocks(labels, (len(fields), *first.shape), first.dtype)


def _field_paths(path: Path, sites: pd.DataFrame) -> list[Path]:
    return [field_path(path, well, int(site)) for well, site in sites[["well", "site"]].to_numpy()]


def _blocks(
    read: Callable[[tuple[int, ...]], AnyArray], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> da.Array:
    """Return an array whose chunks are whole planes."""
    # Most processes read fields one by one: they need neither the time nor the memory of dask.
    with needs_extra("a plate as one lazy array"):
        import dask.array as da

    chunks = (*((1,) * size for size in shape[:-2]), *((size,) for size in shape[-2:]))
    empty = np.empty((0,) * len(shape), dtype)
    return da.map_blocks(read, chunks=chunks, dtype=dtype, meta=empty)
