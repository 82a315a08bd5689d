"""The plate and its wells: metadata written once, before parallel jobs write fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import zarr

from levelfield.arrays import AnyArray
from levelfield.config.extras import needs_extra
from levelfield.config.wells import well_path
from levelfield.io.store.field import field_path
from levelfield.io.store.groups import NEWEST, write_group
from levelfield.io.store.metadata import plate_attributes, well_attributes

if TYPE_CHECKING:
    import dask.array as da

Corrector = Callable[[AnyArray], AnyArray]


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


def lazy_plate(path: Path, sites: pd.DataFrame, correct: Corrector) -> da.Array:
    """Return a plate as one lazy array, corrected when it is read.

    Parameters
    ----------
    path, sites : Path, DataFrame
        The store, and its fields (``well`` and ``site``) in the order of the first axis.
    correct : callable
        Takes raw pixels (C, Y, X), returns corrected float32 of the same shape.

    Returns
    -------
    dask array of float32, (site, channel, Y, X)
    """
    # Most processes read fields one by one: they need neither the time nor the memory of dask.
    with needs_extra("a plate as one lazy array"):
        import dask
        import dask.array as da

    paths = [field_path(path, well, site) for well, site in sites[["well", "site"]].to_numpy()]
    shape = zarr.open_array(paths[0] / "0", mode="r").shape

    @dask.delayed(pure=True)
    def read(field: Path) -> AnyArray:
        return correct(np.asarray(zarr.open_array(field / "0", mode="r")))

    fields = [da.from_delayed(read(field), shape=shape, dtype=np.float32) for field in paths]
    return da.stack(fields)
