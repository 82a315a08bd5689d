"""What a microscope has written for one plate, whatever the format: planes and channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import nan
from typing import Any

import pandas as pd

STORED_PROJECTION = -1
"""In place of the number of a z plane: a projection that the microscope stored beside the stack."""


@dataclass(slots=True)
class Plane:
    """One grey image of an export.

    Attributes
    ----------
    well : str
        As ``A01``; empty where it cannot be told, for which ``fault`` says why.
    site, z, time : int
        As the export counts them; z and time are 0 where it knows none, and z is
        `STORED_PROJECTION` for a projection.
    channel : str
        What the export tells its channels by.
    path : str
        The file; for OME-Zarr the array.
    page : int
        Number of the plane in its file, from 0: the page of a TIFF; elsewhere the planes of all
        series, positions or leading axes of the file counted through.
    pixel_size_um, x_um, y_um : float
        Width of a pixel, and where on the stage or in the well the image lies; NaN where unknown.
    size_y, size_x, bytes : int
        In px, and of the file; they are read from its header where a format leaves out ``dtype``.
    dtype : str
        Of the pixels, as numpy names it.
    fault : str
        Why it cannot be used.
    plate : str
        What the export calls the plate, where it says so for each plane.
    checksum : str
        Of the file, as `levelfield.remote.files.fetched` compares it, where a server or sheet tells
        it.
    """

    well: str
    site: int
    channel: str
    path: str
    z: int = 0
    time: int = 0
    page: int = 0
    pixel_size_um: float = nan
    x_um: float = nan
    y_um: float = nan
    size_y: int = 0
    size_x: int = 0
    dtype: str = ""
    bytes: int = 0
    fault: str = ""
    plate: str = ""
    checksum: str = ""


def plate_name(text: str) -> str:
    """Return a name for a plate's results that is made of what its images call it."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)
    return kept.strip("_") or "plate"


@dataclass(frozen=True)
class Export:
    """A plate as a microscope wrote it.

    Attributes
    ----------
    planes : sequence of Plane
        Every plane, of all channels, z planes and time points.
    channels : mapping of str to tuple of str
        The channels by what `Plane.channel` holds: the names under which people know them, the
        first being the best.
    left_out : mapping of str to list of str
        Files that are no planes of the plate, by the reason.
    n_wells : int or None
        Wells of the plate's format, where the export says so.
    name : str
        What the export calls the plate, or nothing.
    notes : tuple of str
        What a person should know of it, such as channels without images.
    paged : bool
        Whether it tells the pages of its files apart; a file of several pages is a fault where not.
    """

    planes: Sequence[Plane]
    channels: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, list[str]] = field(default_factory=dict)
    n_wells: int | None = None
    name: str = ""
    notes: tuple[str, ...] = ()
    paged: bool = False

    def table(self) -> pd.DataFrame:
        """Return the planes as a table with a column per field of `Plane`."""
        names = [part.name for part in fields(Plane)]
        columns: dict[str, list[Any]] = {
            name: [getattr(plane, name) for plane in self.planes] for name in names
        }
        return pd.DataFrame(columns)
