"""Time points and z planes: which of them are used."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from levelfield.io.export import STORED_PROJECTION
from levelfield.io.plate_index import IndexFault

_PROJECTIONS = "maximum, mean, best_focus (its sharpest plane)"


def choose_times(
    planes: pd.DataFrame, plate: str, time_point: int | str
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep one time point; or, with ``"all"``, make a site of every time point of a site.

    Site 2 at the 13th of 100 time points then is site 2013: the place of the time point among the
    plate's takes as many digits as there are of them.

    Returns
    -------
    DataFrame, dict
        The planes, and the number of planes of each time point that is not used.

    Raises
    ------
    IndexFault
        If there are several, and the one of the config is none of them.
    """
    found = sorted(planes["time"].unique())
    if time_point == "all":
        rank = {time: place for place, time in enumerate(found, start=1)}
        step = 10 ** len(str(len(found)))
        sites = planes["site"] * step + planes["time"].map(rank)
        return (planes.assign(site=sites) if len(found) > 1 else planes), {}
    if len(found) == 1:  # names that count from 1, and one time point: there is nothing to choose
        return planes, {}
    if time_point not in found:
        raise IndexFault(
            f"plate {plate}: images.time_point is {time_point}, but the images are of time points "
            f"{', '.join(map(str, found))}. Choose one of them, or 'all', which makes a site of "
            "every time point."
        )
    counts = planes["time"].value_counts()
    ignored = {str(time): int(counts[time]) for time in found if time != time_point}
    return planes[planes["time"] == time_point], ignored


def choose_z(
    planes: pd.DataFrame, plate: str, images: Mapping[str, Any], channels: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep, of every channel, the z planes that its image is made of.

    A channel's own ``projection`` and ``z_plane`` come before those of ``images``.

    Returns
    -------
    DataFrame, dict
        The planes, and the number of planes that are not used, by what they are.

    Raises
    ------
    IndexFault
        If a stack has no projection, or the plane or projection that the config names is not
        there.
    """
    kept = []
    ignored: dict[str, int] = {}
    for name, rule in channels.items():
        own = planes[planes["channel"] == name]
        given = stack_rule(images, rule)
        part = _of_channel(own, f"plate {plate}, channel {name}", given)
        kept.append(part)
        stored = (own["z"] == STORED_PROJECTION).sum() - (part["z"] == STORED_PROJECTION).sum()
        others = len(own) - len(part) - stored
        for what, number in (("stored projections", stored), ("z planes", others)):
            if number:
                ignored[f"{what} of {name}"] = int(number)
    return pd.concat(kept).sort_index(), ignored


def stack_rule(images: Mapping[str, Any], channel: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the projection ("" for none) and the z plane (None for any) of a channel."""
    for section in (channel, images):
        if section.get("projection") or section.get("z_plane") is not None:
            return section.get("projection") or "", section.get("z_plane")
    return "", None


def _of_channel(own: pd.DataFrame, where: str, given: tuple[str, int | None]) -> pd.DataFrame:
    projection, z_plane = given
    is_stored = own["z"] == STORED_PROJECTION
    stack, stored = own[~is_stored], own[is_stored]
    size = stack.groupby(["well", "site", "time"])["z"].nunique().max() if len(stack) else 0
    if z_plane is not None:
        if size <= 1:
            return stack if len(stack) else stored
        if not (stack["z"] == z_plane).any():
            found = ", ".join(map(str, sorted(stack["z"].unique())))
            raise IndexFault(
                f"{where}: z_plane is {z_plane}, but the planes of its stacks are {found}. "
                "Choose one of them."
            )
        return stack[stack["z"] == z_plane]
    if projection == "stored":
        if len(stored) or size <= 1:
            return stored if len(stored) else stack
        raise IndexFault(
            f"{where}: projection is 'stored', but the microscope stored none. Choose "
            f"{_PROJECTIONS}, or one plane with z_plane."
        )
    if projection:
        return stack if len(stack) else stored
    if size > 1 or (len(stack) and len(stored)):
        also = " and a projection that the microscope stored" if len(stored) else ""
        more = ", or 'stored'" if len(stored) else ""
        raise IndexFault(
            f"{where}: the images are stacks of {size} z planes{also}. Say how a stack becomes one "
            f"plane with images.projection: {_PROJECTIONS}{more}; or choose a plane with "
            "images.z_plane. Channels that differ have keys of their own, channels.<name>."
            "projection and z_plane."
        )
    return stack if len(stack) else stored
