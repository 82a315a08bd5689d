"""The tables of a whole plate, from those of its packs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from levelfield.config.wells import row_column
from levelfield.execution.field_cache import FINGERPRINT
from levelfield.io.plate_index import check_controls
from levelfield.io.tables import stack
from levelfield.measurement.readouts import assay_quality, well_readouts
from levelfield.measurement.tables import well_profiles
from levelfield.qc.columns import SITE, WELL
from levelfield.qc.image_quality import image_quality_findings
from levelfield.steps.measure import IMAGE

EXCLUDED_COLUMNS = [*SITE, "reason", "rule", "file"]
_INDEX_SITE = ["plate", "well", "site"]
_NAMES = dict(zip(_INDEX_SITE, SITE, strict=True))
"""What the columns of the index are called in tables for users."""


@dataclass(frozen=True)
class SummarySettings:
    """What config and plate sheet say of the tables of a plate.

    The limit is the percentage of sites that may be excluded; of every feature the table of wells
    holds the statistics (median, mad, mean, count); the date is empty where nobody said when the
    plate was imaged.
    """

    readouts: Mapping[str, Mapping[str, str]]
    excluded_limit: float
    statistics: Sequence[str] = ("median",)
    date: str = ""


@dataclass(frozen=True)
class PlateSummary:
    """The tables of a plate, and what the user should be told of it."""

    objects: dict[str, pd.DataFrame]
    sites: pd.DataFrame
    wells: pd.DataFrame
    excluded: pd.DataFrame
    plate: pd.DataFrame
    readouts: pd.DataFrame
    image_quality: pd.DataFrame
    messages: list[str]


def summarise_plate(
    plate: str,
    index: pd.DataFrame,
    layout: pd.DataFrame,
    segmented: Sequence[pd.DataFrame],
    measured: Mapping[str, Sequence[pd.DataFrame]],
    settings: SummarySettings,
) -> PlateSummary:
    """Make the tables of a plate from those of its packs.

    `segmented` are their tables of fields, `measured` those of objects, by object set, and of
    whole images.

    Raises
    ------
    IndexFault
        If a well that the layout declares as a control has no images.
    """
    check_controls(index, plate, layout)
    fields = stack(segmented)
    tables = {name: stack(packs).drop(columns=FINGERPRINT) for name, packs in measured.items()}
    images = tables.pop(IMAGE)
    objects = {name: with_layout(in_plate_order(own), layout) for name, own in tables.items()}
    excluded = excluded_sites(index, fields)
    facts = plate_facts(plate, index, excluded, layout, settings.excluded_limit, settings.date)
    sites = _site_table(fields, images, _file_names(index), layout)
    wells = _well_table(plate, sites, objects, layout, settings)
    quality = assay_quality(wells)
    off = image_quality_findings(plate, sites)
    messages = _messages(facts.iloc[0], quality, off)
    return PlateSummary(objects, sites, wells, excluded, facts, quality, off, messages)


def _messages(facts: pd.Series, quality: pd.DataFrame, off: pd.DataFrame) -> list[str]:
    plate = facts["Metadata_Plate"]
    lines = [
        f"plate {plate}: {facts['n_excluded']} of {facts['n_sites']} sites are left out "
        f"({facts['excluded_percent']:.1f} %, at most {facts['excluded_limit_percent']:g} % may be)"
    ]
    if not facts["within_limit"]:
        lines.append(f"plate {plate} gets no verdict: too many of its sites are left out")
    for row in quality.itertuples():
        lines.append(f"plate {plate}, {row.readout}, {row.perturbation}: Z' = {row.z_prime:.2f}")
    lines += [f"plate {plate}: {said}" for said in off.loc[off["scope"] == "class", "finding"]]
    return lines


def in_plate_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by well (row, then column), site and object number."""
    keys = [name for name in ("Metadata_Site", "Metadata_ObjectNumber") if name in table]
    places = table["Metadata_Well"].map(lambda well: row_column(well) if well else (0, 0))
    order = table.assign(_well=places)
    order = order.sort_values(["_well", *keys], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def with_layout(table: pd.DataFrame, layout: pd.DataFrame) -> pd.DataFrame:
    """Put the layout's columns behind the identity columns of a table."""
    identity = [name for name in [*SITE, "Metadata_ObjectNumber"] if name in table]
    facts = table[identity].merge(layout, on="Metadata_Well", how="left", validate="many_to_one")
    rest = table.drop(columns=identity).reset_index(drop=True)
    return pd.concat([facts, rest], axis=1)


def excluded_sites(index: pd.DataFrame, segmented: pd.DataFrame) -> pd.DataFrame:
    """List every site that is left out: why, who found it, and the file that shows it.

    Returns
    -------
    DataFrame
        `EXCLUDED_COLUMNS`, one row per site, in plate order. Site -1 stands for a well of the
        layout that has no image at all.
    """
    faulty = index[index["fault"] != ""]
    first = faulty.groupby(_INDEX_SITE, sort=False).first().reset_index()
    channel = np.where(first["channel"] != "", first["channel"] + ": ", "")
    from_index = first.assign(reason=channel + first["fault"], rule="index_plate")
    from_index = from_index.rename(columns=_NAMES | {"path": "file"})[EXCLUDED_COLUMNS]
    failed = segmented[segmented["fault"] != ""]
    from_pixels = failed[SITE].assign(reason=failed["fault"], rule="segment", file=failed["path"])
    both = [table for table in (from_index, from_pixels) if len(table)]
    if not both:
        return pd.DataFrame(columns=EXCLUDED_COLUMNS)
    return in_plate_order(pd.concat(both, ignore_index=True))[EXCLUDED_COLUMNS]


def plate_facts(
    plate: str,
    index: pd.DataFrame,
    excluded: pd.DataFrame,
    layout: pd.DataFrame,
    limit: float,
    date: str = "",
) -> pd.DataFrame:
    """Return one row on how much of a plate could be used.

    Images of wells that the layout does not hold are listed as excluded, but do not count: they
    are no part of the experiment.

    Returns
    -------
    DataFrame
        ``Metadata_Plate, Metadata_Date, n_wells, n_sites, n_excluded, excluded_percent,
        excluded_limit_percent, within_limit``.
    """
    wells = layout["Metadata_Well"]
    n_sites = len(index.loc[index["well"].isin(wells), ["well", "site"]].drop_duplicates())
    n_excluded = int(excluded["Metadata_Well"].isin(wells).sum())
    percent = 100 * n_excluded / n_sites if n_sites else 100.0
    facts = {
        "Metadata_Plate": plate,
        "Metadata_Date": date,
        "n_wells": len(wells),
        "n_sites": n_sites,
        "n_excluded": n_excluded,
        "excluded_percent": percent,
        "excluded_limit_percent": float(limit),
        "within_limit": percent <= limit,
    }
    return pd.DataFrame([facts])


def _site_table(
    segmented: pd.DataFrame, images: pd.DataFrame, files: pd.DataFrame, layout: pd.DataFrame
) -> pd.DataFrame:
    """Return a row per sound site: layout, files, counts, facts of the segmentation, features."""
    sound = segmented[segmented["fault"] == ""]
    work = ("fault", "path", FINGERPRINT)
    drop = [name for name in sound if name in work or name.startswith("checksum_")]
    counted_twice = [name for name in images if name.startswith("Image_Count_")]
    sites = sound.drop(columns=drop).merge(images.drop(columns=counted_twice), on=SITE, how="left")
    named = sites[SITE].merge(files, on=SITE, how="left")
    facts = sites.drop(columns=SITE).reset_index(drop=True)
    return with_layout(in_plate_order(pd.concat([named, facts], axis=1)), layout)


def _file_names(index: pd.DataFrame) -> pd.DataFrame:
    """Return the raw file of each channel of every site, as CellProfiler names the columns.

    That is ``Image_FileName_<channel>``; of a z-stack the first file.
    """
    planes = index[index["channel"] != ""]
    planes = planes.assign(file=planes["path"].map(lambda path: Path(path).name))
    names = planes.pivot_table("file", _INDEX_SITE, "channel", aggfunc="first", sort=False)
    names = names[list(planes["channel"].unique())].add_prefix("Image_FileName_").reset_index()
    names.columns.name = None
    return names.rename(columns=_NAMES)


def _well_table(
    plate: str,
    sites: pd.DataFrame,
    objects: Mapping[str, pd.DataFrame],
    layout: pd.DataFrame,
    settings: SummarySettings,
) -> pd.DataFrame:
    """Return a row per well of the layout: counts, statistics of every feature, readouts.

    A well without a sound site has ``Metadata_SiteCount`` 0 and no values.
    """
    counts = [name for name in sites if name.startswith("Count_")]
    per_well = sites.groupby("Metadata_Well")
    wells = layout.copy()
    wells.insert(0, "Metadata_Plate", plate)
    n_sites = per_well.size().rename("Metadata_SiteCount")
    wells = wells.merge(n_sites, on="Metadata_Well", how="left")
    wells["Metadata_SiteCount"] = wells["Metadata_SiteCount"].fillna(0).astype(int)
    parts = [per_well[counts].sum()] if counts else []
    for table in objects.values():
        if len(table):
            profiles = well_profiles(table, settings.statistics).set_index("Metadata_Well")
            features = [name for name in profiles if not name.startswith("Metadata_")]
            parts.append(profiles[features])
    for part in parts:
        wells = wells.merge(part, on="Metadata_Well", how="left")
    if settings.readouts:
        wells = wells.merge(well_readouts(objects, settings.readouts), on=WELL, how="left")
    return wells
