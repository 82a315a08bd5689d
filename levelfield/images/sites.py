"""The raw images of one site: read, judged fit for use or not."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray
from levelfield.images.focus import project
from levelfield.images.planes import PlaneError, pixel_fault, read_plane, saturated_fraction
from levelfield.remote.files import exists
from levelfield.remote.urls import is_url


@dataclass(frozen=True)
class Site:
    """A site and the files of its planes: its rows of the index."""

    well: str
    number: int
    planes: pd.DataFrame


@dataclass(frozen=True)
class SiteFault(Exception):
    """Why a site cannot be used, and the file that shows it."""

    reason: str
    path: str


def plate_dtype(index: pd.DataFrame) -> np.dtype[Any]:
    """Return the type of a plate's raw pixels (uint8 or uint16)."""
    return np.dtype(index.loc[index["fault"] == "", "dtype"].iloc[0])


def pixel_size_um(index: pd.DataFrame) -> float | None:
    """Return the width of a plate's pixels in µm; None where nothing tells it."""
    told = index.loc[index["fault"] == "", "pixel_size_um"].dropna()
    return float(told.iloc[0]) if len(told) else None


def intensity_maximum(bit_depth: int | None, dtype: np.dtype[Any]) -> int:
    """Return the largest value that the camera can write, by which intensities are divided."""
    return 2**bit_depth - 1 if bit_depth else int(np.iinfo(dtype).max)


class ImageGone(ValueError):
    """An image that the index lists is not there any more; the text says which."""


def _gone(path: str) -> str:
    cause, remedy = (
        ("a server that has moved its files", "See to the server")
        if is_url(path)
        else ("a disk that is not mounted", "Mount it on this node")
    )
    return (
        f"{path} was there when the plate was listed, and is gone. The job ends here, because "
        f"{cause} would cost the plate all of its sites. {remedy}, or put the image back. If it "
        "was taken away on purpose, delete the plate's index.csv and run again."
    )


def sites_of(index: pd.DataFrame, wells: Sequence[str]) -> list[Site]:
    """Return the sites of some wells whose planes have no fault in the index."""
    planes = index[index["well"].isin(wells)]
    groups: Any = planes.groupby(["well", "site"], sort=False)
    return [
        Site(well, int(number), rows)
        for (well, number), rows in groups
        if (rows["fault"] == "").all()
    ]


def read_channel(site: Site, channel: str, projection: str | None) -> AnyArray:
    """Read one channel (Y, X) of a site; a z-stack is projected.

    `SiteFault` if a file cannot be decoded, or is not the size that its header promised;
    `ImageGone` if it is not there.
    """
    stack = []
    rows: Any = site.planes[site.planes["channel"] == channel].itertuples()
    for row in rows:
        try:
            plane = read_plane(row.path, row.page, row.bytes, row.checksum)
        except PlaneError as error:
            if not exists(row.path):
                raise ImageGone(_gone(row.path)) from None
            raise SiteFault(f"{channel}: {error}", row.path) from None
        if plane.shape != (row.size_y, row.size_x):
            raise SiteFault(f"{channel}: is {plane.shape} px, not what its header says", row.path)
        stack.append(plane)
    return project(stack, projection)


def read_site(
    site: Site, channels: Sequence[str], projections: Mapping[str, str | None]
) -> AnyArray:
    """Read the raw pixels (C, Y, X) of a site, whose stacks are projected channel by channel.

    `SiteFault` if a plane cannot be read.
    """
    if not is_url(site.planes["path"].iloc[0]):
        planes = [read_channel(site, channel, projections.get(channel)) for channel in channels]
        return np.stack(planes)
    with ThreadPoolExecutor(len(channels)) as pool:  # a server is waited for once, not for each
        return np.stack(
            list(pool.map(lambda name: read_channel(site, name, projections.get(name)), channels))
        )


def check_pixels(
    site: Site, image: AnyArray, channels: Sequence[str], maximum: int, saturated_percent: float
) -> None:
    """Judge the raw pixels of a site.

    `SiteFault` if a plane is empty or not filled, two channels hold the same pixels, or too many
    pixels are saturated, or brighter than the bit depth allows.
    """
    for i, channel in enumerate(channels):
        path = _first_path(site, channel)
        if fault := pixel_fault(image[i]):
            raise SiteFault(f"{channel}: {fault}", path)
        if (brightest := int(image[i].max())) > maximum:
            raise SiteFault(
                f"{channel}: its brightest pixel is {brightest}, and a camera of the bits that "
                f"images.bit_depth names cannot write more than {maximum}; correct the key",
                path,
            )
        saturated = 100 * saturated_fraction(image[i], maximum)
        if saturated > saturated_percent:
            raise SiteFault(f"{channel}: {saturated:.0f} % of its pixels are saturated", path)
        for j in range(i):
            if np.array_equal(image[i], image[j]):
                raise SiteFault(f"{channel}: holds the same image as channel {channels[j]}", path)


def _first_path(site: Site, channel: str) -> str:
    return site.planes.loc[site.planes["channel"] == channel, "path"].iloc[0]
