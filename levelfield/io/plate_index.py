"""The index of a plate: one row per plane, checked against the layout and against itself."""

from collections.abc import Sequence

import pandas as pd

from levelfield.config.wells import row_column

INDEX_COLUMNS = (
    *("plate", "well", "site", "channel", "z", "time", "path", "page", "size_y", "size_x"),
    *("dtype", "bytes", "pixel_size_um", "x_um", "y_um", "checksum", "fault"),
)
"""Of these ``path`` is a file, a URL or the array of an OME-Zarr image, ``page`` its plane
there; sizes are in px and bytes, ``pixel_size_um``, ``x_um`` and ``y_um`` in µm, and empty where
nothing is known of them. ``checksum`` is that of a file behind a URL, where its server or a sheet
tells it."""
NO_SITE = -1
"""Number in place of a site's in rows that stand for a whole well; some exports count from 0."""

_SAME_PIXEL_SIZE = 0.01  # relative; calibrations of channels differ by less
_PLANE = ["well", "site", "channel", "z", "time"]


class IndexFault(ValueError):
    """The raw images cannot be indexed; the text says which, why and what to do."""


def check_index(
    planes: pd.DataFrame, plate: str, layout: pd.DataFrame, channels: Sequence[str]
) -> pd.DataFrame:
    """Complete the index: find repeats, gaps and odd images.

    `planes` are those that are used, with the columns of the index, and `channels` are those that
    every site must have.

    Returns
    -------
    DataFrame
        `INDEX_COLUMNS` in plate order. Planes of wells that the layout does not hold, and
        layout wells without images, are rows with a ``fault``.

    Raises
    ------
    IndexFault
        If controls have no images.
    """
    check_controls(planes, plate, layout)
    planes = _mark_odd(planes)
    planes = planes.sort_values([*_PLANE, "path", "page"], kind="stable").reset_index(drop=True)
    planes = _mark_repeats(planes)
    planes = _mark_short_stacks(planes)
    planes = mark_unknown(planes, set(layout["Metadata_Well"]))
    planes = _add_missing(planes, plate, layout, channels)
    return _in_plate_order(planes, channels)[list(INDEX_COLUMNS)]


def check_controls(planes: pd.DataFrame, plate: str, layout: pd.DataFrame) -> None:
    """Raise `IndexFault` if wells that the layout declares as controls have no images.

    `planes` may be the finished index: since it was made, the layout may have come to call other
    wells controls.
    """
    controls = layout[layout["Metadata_ControlType"].isin(["negcon", "poscon"])]
    with_images = planes.loc[planes["path"] != "", "well"]
    missing = controls[~controls["Metadata_Well"].isin(with_images)]
    if len(missing):
        wells = ", ".join(missing["Metadata_Well"] + " (" + missing["Metadata_ControlType"] + ")")
        raise IndexFault(
            f"plate {plate}: the layout declares controls that have no images: {wells}. The "
            "verdict would rest on fewer controls than you planned. Add the images, correct how "
            "their names are read (images.pattern), or take these wells out of the layout."
        )


def mark_unknown(planes: pd.DataFrame, wells: set[str]) -> pd.DataFrame:
    """Mark planes of wells that the layout does not hold: nothing more need be known of them."""
    return _mark(planes, ~planes["well"].isin(wells), "the layout has no row for this well")


def _mark(planes: pd.DataFrame, rows: pd.Series, text: str | pd.Series) -> pd.DataFrame:
    """Write a fault into rows that have none yet."""
    free = rows & (planes["fault"] == "")
    return planes.assign(fault=planes["fault"].mask(free, text))


def _mark_repeats(planes: pd.DataFrame) -> pd.DataFrame:
    """Mark planes that several files claim to be; each names the other."""
    repeats = planes.duplicated(_PLANE, keep=False) & (planes["well"] != "")
    if not repeats.any():
        return planes
    claimed = planes[repeats]
    groups = claimed.groupby(_PLANE, sort=False)["path"]
    others = groups.shift(-1).fillna(groups.transform("first"))
    text = (
        "another file claims the same well, site and channel: '"
        + others
        + "'. If one of them is a thumbnail, a z plane, a time point or a projection, say so: by "
        "images.format, or by a pattern that tells them apart"
    )
    return _mark(planes, repeats, text.reindex(planes.index).fillna(""))


def _mark_short_stacks(planes: pd.DataFrame) -> pd.DataFrame:
    """Mark stacks that lack planes which most stacks of the channel have."""
    if planes.duplicated([name for name in _PLANE if name != "z"]).sum() == 0:
        return planes
    of = [planes[name] for name in ("well", "site", "channel", "time")]
    sizes = planes["z"].groupby(of).transform("nunique")
    usual = sizes.groupby(planes["channel"]).transform(lambda found: found.mode().max())
    text = "its stack has " + sizes.astype(str) + " z planes where others have " + usual.astype(str)
    return _mark(planes, sizes < usual, text)


def _mark_odd(planes: pd.DataFrame) -> pd.DataFrame:
    """Mark planes whose size or type differs from most of the plate's."""
    sound = planes[planes["fault"] == ""]
    if sound.empty:
        return planes
    kinds = sound.groupby(["size_y", "size_x", "dtype"]).size()
    size_y, size_x, dtype = kinds.sort_values(kind="stable").index[-1]
    size = planes["size_y"].astype(str) + " × " + planes["size_x"].astype(str)
    wrong_size = (planes["size_y"] != size_y) | (planes["size_x"] != size_x)
    fault = "is " + size + f" px where the plate's images are {size_y} × {size_x}"
    planes = _mark(planes, wrong_size, fault)
    fault = "holds " + planes["dtype"] + f" pixels where the plate holds {dtype}"
    planes = _mark(planes, planes["dtype"] != dtype, fault)
    told = planes["pixel_size_um"].dropna()
    if told.empty:
        return planes
    usual = float(told.mode().iloc[0])
    other = (planes["pixel_size_um"] / usual - 1).abs() > _SAME_PIXEL_SIZE
    fault = "has pixels of " + planes["pixel_size_um"].map("{:g}".format) + " µm where the plate's "
    return _mark(planes, other, fault + f"are of {usual:g} µm")


def _add_missing(
    planes: pd.DataFrame, plate: str, layout: pd.DataFrame, channels: Sequence[str]
) -> pd.DataFrame:
    """Append a row for every channel that a site lacks, and for every well without images."""
    sites = planes.loc[planes["well"] != "", ["well", "site", "time"]].drop_duplicates()
    wanted = sites.merge(pd.DataFrame({"channel": list(channels)}), how="cross").assign(z=0)
    at = ["well", "site", "channel", "time"]
    lacking = wanted[~wanted.set_index(at).index.isin(planes.set_index(at).index)]
    wells = layout.loc[~layout["Metadata_Well"].isin(planes["well"]), "Metadata_Well"]
    without = pd.DataFrame({"well": wells, "site": NO_SITE, "channel": "", "z": 0, "time": 0})
    blank = {"path": "", "page": 0, "size_y": 0, "size_x": 0, "dtype": "", "bytes": 0}
    blank["checksum"] = ""
    blank |= dict.fromkeys(("pixel_size_um", "x_um", "y_um"), float("nan"))
    for rows, fault in (
        (lacking, "there is no image of this channel"),
        (without, "the layout has this well, but no image is of it"),
    ):
        if len(rows):
            rows = rows.assign(plate=plate, fault=fault, **blank)
            planes = pd.concat([planes, rows], ignore_index=True)
    return planes


def _in_plate_order(planes: pd.DataFrame, channels: Sequence[str]) -> pd.DataFrame:
    rank = {channel: i for i, channel in enumerate(channels)}
    keys = planes.assign(
        # Files of no well come before all others.
        _well=planes["well"].map(lambda well: row_column(well) if well else (0, 0)),
        _channel=planes["channel"].map(rank).fillna(-1),
    )
    by = ["_well", "site", "_channel", "z", "time", "path", "page"]
    return planes.loc[keys.sort_values(by, kind="stable").index].reset_index(drop=True)


def usable_sites(index: pd.DataFrame) -> pd.DataFrame:
    """Return the sites (well, site) of which no plane has a fault, in plate order."""
    faulty = index.groupby(["well", "site"], sort=False)["fault"].agg(lambda f: (f != "").any())
    return faulty[~faulty].reset_index()[["well", "site"]]
