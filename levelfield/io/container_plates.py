"""Plates in files of many images: what a file holds, and the planes of all files of a plate."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import nan
from pathlib import PurePath

from levelfield.config.extras import MissingLibraryError
from levelfield.config.wells import parse_well
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing, base_name
from levelfield.io.plate_index import IndexFault
from levelfield.remote.urls import is_url

_WELL = re.compile(r"(?<![A-Za-z0-9])(?:Well)?([A-P]|A[A-F])0*(\d{1,2})(?![0-9])")
_GREY = ("uint8", "uint16")
NO_PAGE = -1


@dataclass(frozen=True)
class Position:
    """Where images of a file were taken: its name and well, sizes in px, place in µm."""

    name: str
    well: str
    size_y: int
    size_x: int
    x_um: float = nan
    y_um: float = nan


@dataclass(frozen=True)
class Container:
    """What a file holds.

    Attributes
    ----------
    positions : sequence of Position
        In the order of the file.
    channels : sequence of str
        Their names.
    n_times, n_z : int
        Numbers of time points and of planes in a stack.
    dtype : str
        Of the pixels, as numpy names it; something else for colours.
    pixel_size_um : float
        Width of a pixel, NaN where unknown.
    page : function
        The number of a plane in the file, by position, time, z and channel; `NO_PAGE` where the
        file says that there should be one, and has none.
    """

    positions: tuple[Position, ...]
    channels: tuple[str, ...]
    n_times: int
    n_z: int
    dtype: str
    pixel_size_um: float
    page: Callable[[int, int, int, int], int]


def well_in(*texts: str) -> str:
    """Return the first well that one of some names tells, empty where none does."""
    for text in texts:
        if match := _WELL.search(text):
            try:
                return parse_well(f"{match[1]}{match[2]}")
            except ValueError:
                continue
    return ""


def read_containers(
    files: Listing, ending: str, title: str, read: Callable[[str], Container]
) -> Export:
    """List the planes of all files of one ending; `read` says what is in a file.

    A file that cannot be read is a fault by its name. Sites are counted through within a well.

    Raises
    ------
    IndexFault
        If there is no file, none can be read, or they lie behind a URL.
    """
    names = files.ending(ending)
    if not names:
        raise IndexFault(f"'{files.folder}' holds no {title} file (*{ending}).")
    if is_url(files.folder):
        raise IndexFault(
            f"'{files.path(names[0])}': {title} files behind a URL are not read. Copy them to a "
            "disk, or convert them to OME-Zarr or OME-TIFF."
        )
    planes: list[Plane] = []
    channels: dict[str, tuple[str, ...]] = {}
    faults = []
    sites: dict[str, int] = {}
    for name in names:
        try:
            found = read(files.path(name))
        except MissingLibraryError:
            raise
        except Exception as error:  # of libraries that parse what is damaged
            faults.append(f"{files.path(name)}: cannot be read ({type(error).__name__}: {error})")
            well = well_in(base_name(name))
            planes.append(Plane(well, _next(sites, well), "0", files.path(name), fault=faults[-1]))
            continue
        planes += _planes(files, name, found, sites)
        for number, channel in enumerate(found.channels):
            channels.setdefault(str(number), (channel,) if channel else ())
    if len(faults) == len(names):
        raise IndexFault(f"none of the {len(names)} {title} files can be read: {faults[0]}.")
    return Export(planes, channels, paged=True)


def _next(sites: dict[str, int], well: str) -> int:
    sites[well] = sites.get(well, 0) + 1
    return sites[well]


def _planes(files: Listing, name: str, found: Container, sites: dict[str, int]) -> Iterable[Plane]:
    """Yield the planes of a file."""
    path = files.path(name)
    for place, position in enumerate(found.positions):
        well = position.well or well_in(position.name, PurePath(base_name(name)).stem)
        fault = _fault(position, well, found.dtype)
        site = _next(sites, well)
        facts: Mapping[str, float | int | str] = {
            "size_y": position.size_y,
            "size_x": position.size_x,
            "x_um": position.x_um,
            "y_um": position.y_um,
        }
        for time, z, channel in product(
            range(found.n_times), range(found.n_z), range(len(found.channels))
        ):
            page = found.page(place, time, z, channel)
            yield Plane(
                well=well,
                site=site,
                channel=str(channel),
                path=path,
                z=z + 1 if found.n_z > 1 else 0,
                time=time,
                page=max(page, 0),
                pixel_size_um=found.pixel_size_um,
                dtype=found.dtype,
                bytes=files.files[name],
                fault=fault or ("its file ends before this plane" if page == NO_PAGE else ""),
                **facts,  # type: ignore[arg-type]
            )


def _fault(position: Position, well: str, dtype: str) -> str:
    if not well:
        return (
            f"neither its position ('{position.name}') nor its file's name tells its well: name "
            "the wells in a sheet of the images (images.format: sheet), or rename the file"
        )
    if dtype not in _GREY:
        return f"holds {dtype} pixels; 8- or 16-bit unsigned integers are needed"
    return ""
