"""A finished plate in a notebook: images and labels as lazy arrays, and the table of sites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray
from levelfield.config.results import in_plate, store_in
from levelfield.illumination import FlatField, correct
from levelfield.io.store import Channel, lazy_labels, lazy_plate, stored_channels
from levelfield.io.tables import read_csv
from levelfield.steps.fields import read_flat_fields

if TYPE_CHECKING:
    import dask.array as da


@dataclass(frozen=True)
class OpenedPlate:
    """A plate whose pixels are read where they are computed.

    Attributes
    ----------
    folder : Path
        The plate's results.
    sites : DataFrame
        ``sites.csv``: a row for every site that was not left out. Row `i` describes ``array[i]``.
    channels : tuple of str
        Names of the channels, in the order of the second axis.
    array : dask array of float32, (site, channel, Y, X)
        Corrected images: without camera offset and shading, 1 being the camera's maximum, as
        segmentation and measurement see them. A chunk is one plane.
    raw : dask array of uint8 or uint16, (site, channel, Y, X)
        What the camera wrote.
    """

    folder: Path
    sites: pd.DataFrame
    channels: tuple[str, ...]
    array: da.Array
    raw: da.Array

    def labels(self, object_set: str) -> da.Array:
        """Return the labels of an object set as a dask array of int32, (site, Y, X).

        Raises
        ------
        FileNotFoundError
            If the plate has no such object set.
        """
        return lazy_labels(store_in(self.folder), _places(self.sites), object_set)


@dataclass(frozen=True)
class _Corrector:
    """Divides a channel's raw pixels by its flat field."""

    channels: tuple[Channel, ...]
    flat_fields: dict[str, FlatField]

    def __call__(self, raw: AnyArray, channel: int) -> AnyArray:
        of = self.channels[channel]
        return correct(raw, self.flat_fields[of.name], maximum=of.maximum)


def open_plate(folder: Path | str) -> OpenedPlate:
    """Open the results of a plate as lazy arrays, corrected where they are read.

    Needs the extra `dask`.

    Parameters
    ----------
    folder : Path or str
        The plate's results, such as ``results/BBBC013-demo``.

    Returns
    -------
    OpenedPlate
        Its arrays and the table of its sites.

    Raises
    ------
    FileNotFoundError
        If the folder holds no plate whose tables are made.
    ValueError
        If all of its sites were left out.

    Examples
    --------
    >>> plate = levelfield.open_plate("results/BBBC013-demo")  # doctest: +SKIP
    >>> controls = plate.sites["Metadata_ControlType"] == "negcon"  # doctest: +SKIP
    >>> plate.array[controls, 0].mean(axis=(1, 2)).compute()  # doctest: +SKIP
    """
    folder = Path(folder).resolve()
    table = in_plate(folder, "summarise_plate", "sites")
    if not table.is_file():
        raise FileNotFoundError(
            f"'{folder}' is not the folder of a finished plate: there is no '{table}'. Name the "
            "folder of one plate below the folder of results, and run the workflow on it first."
        )
    sites = read_csv(table)
    if sites.empty:
        raise ValueError(f"'{folder}': all sites were left out; excluded_sites.csv says why.")
    store, places = store_in(folder), _places(sites)
    channels = tuple(stored_channels(store))
    flat_fields = read_flat_fields(in_plate(folder, "fit_illumination", "fields"))
    return OpenedPlate(
        folder=folder,
        sites=sites,
        channels=tuple(channel.name for channel in channels),
        array=lazy_plate(store, places, _Corrector(channels, flat_fields)),
        raw=lazy_plate(store, places),
    )


def _places(sites: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {"well": sites["Metadata_Well"], "site": sites["Metadata_Site"].astype(np.int64)}
    )
