"""Profiles of wells from tables of measured objects."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray

WELL = ["Metadata_Plate", "Metadata_Well"]
STATISTICS = ("median", "mad", "mean", "count")


def feature_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that are measurements: numbers whose name does not begin `Metadata_`."""
    numbers = table.select_dtypes("number").columns
    return [column for column in numbers if not column.startswith("Metadata_")]


def well_profiles(objects: pd.DataFrame, statistics: Sequence[str] = ("median",)) -> pd.DataFrame:
    """Summarise the objects of every well.

    Parameters
    ----------
    objects : DataFrame
        A row per object with `Metadata_Plate` and `Metadata_Well`.
    statistics : sequence of str
        Some of `STATISTICS`: median, MAD (median absolute deviation from the median, not scaled),
        mean, and count of the objects for which the feature has a value.

    Returns
    -------
    DataFrame
        A row per plate and well in that order: the `Metadata_` columns that are the same for all
        objects of every well, `Metadata_Object_Count`, then the features. The median keeps the
        feature's own name, so that pycytominer reads the table; the others add `_mad`, `_mean`
        or `_count`. Values that are not finite (a form factor of a single pixel) are left out.

    Raises
    ------
    ValueError
        If a statistic is unknown or the well columns are missing.
    """
    _check(objects, statistics)
    features = feature_columns(objects)
    metadata = _constant_metadata(objects)
    rows = []
    for _, places in sorted(objects.groupby(WELL, sort=True).indices.items()):
        values = objects[features].to_numpy()[places].astype(float)
        row = {column: objects[column].iloc[places[0]] for column in metadata}
        row["Metadata_Object_Count"] = len(places)
        for statistic in statistics:
            suffix = "" if statistic == "median" else f"_{statistic}"
            summary = _summary(values, statistic)
            row |= {f"{f}{suffix}": v for f, v in zip(features, summary, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def _check(objects: pd.DataFrame, statistics: Sequence[str]) -> None:
    unknown = [statistic for statistic in statistics if statistic not in STATISTICS]
    if unknown:
        raise ValueError(
            f"There is no well statistic {unknown[0]!r}. Choose from: {', '.join(STATISTICS)}."
        )
    missing = [column for column in WELL if column not in objects]
    if missing:
        raise ValueError(
            f"The table of objects has no column {missing[0]}, so its objects cannot be assigned "
            f"to wells. Add the plate and the well of every object."
        )


def _constant_metadata(objects: pd.DataFrame) -> list[str]:
    others = [str(c) for c in objects if str(c).startswith("Metadata_") and c not in WELL]
    varied: Any = objects.groupby(WELL)[others].nunique(dropna=False).max() if others else {}
    return WELL + [column for column in others if varied[column] <= 1]


def _summary(values: AnyArray, statistic: str) -> AnyArray:
    """Return one number per column; NaN (0 for count) where no value is finite."""
    finite = np.where(np.isfinite(values), values, np.nan)
    count = np.isfinite(values).sum(axis=0)
    if statistic == "count":
        return count
    result = np.full(values.shape[1], np.nan)
    known = finite[:, count > 0]
    if statistic == "mean":
        result[count > 0] = np.nanmean(known, axis=0)
    else:
        middle = np.nanmedian(known, axis=0)
        if statistic == "mad":
            middle = np.nanmedian(np.abs(known - middle), axis=0)
        result[count > 0] = middle
    return result
