"""Assay readouts: a ratio per object, a median per well, and Z-prime between the controls."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray

_OBJECT = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_ObjectNumber"]


def object_set_of(feature: str) -> str:
    """Return the object set that a feature column belongs to."""
    return feature.split("_", 1)[0]


def well_readouts(
    objects: Mapping[str, pd.DataFrame], readouts: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """Return each readout's median over the objects of every well, as ``Readout_<name>``.

    A readout has a ``numerator`` and a ``denominator`` feature of the object tables; objects of two
    sets are paired by their number within the site. ValueError if a feature was not measured.
    """
    wells = None
    for name, rule in readouts.items():
        above, below = (_feature(objects, rule[key], name) for key in ("numerator", "denominator"))
        pairs = above.merge(below, on=_OBJECT, suffixes=("_above", "_below"))
        ratio = pairs["value_above"] / pairs["value_below"].where(pairs["value_below"] != 0)
        values = pairs.assign(**{f"Readout_{name}": ratio})
        median = values.groupby(_OBJECT[:2], sort=False)[f"Readout_{name}"].median().reset_index()
        wells = median if wells is None else wells.merge(median, on=_OBJECT[:2], how="outer")
    return wells if wells is not None else pd.DataFrame(columns=_OBJECT[:2])


def _feature(objects: Mapping[str, pd.DataFrame], feature: str, readout: str) -> pd.DataFrame:
    table = objects.get(object_set_of(feature))
    if table is None or feature not in table:
        raise ValueError(
            f"readouts.{readout}: the feature '{feature}' was not measured. Correct its name, or "
            "add its family and channel to the config's measurement."
        )
    return table[[*_OBJECT, feature]].rename(columns={feature: "value"})


def z_prime(positive: AnyArray, negative: AnyArray) -> float:
    """Return Z′ = 1 − 3 (s₊ + s₋) / |m₊ − m₋| of two groups of wells.

    Zhang, Chung and Oldenburg, J. Biomol. Screen. 4, 67 (1999), with sample standard deviations.
    NaN with fewer than two wells in a group, or equal means.
    """
    positive, negative = (values[np.isfinite(values)] for values in (positive, negative))
    if len(positive) < 2 or len(negative) < 2:
        return float("nan")
    distance = abs(positive.mean() - negative.mean())
    spread = positive.std(ddof=1) + negative.std(ddof=1)
    return float(1 - 3 * spread / distance) if distance > 0 else float("nan")


def assay_quality(wells: pd.DataFrame) -> pd.DataFrame:
    """Return Z′ of each readout between each positive control and its negative wells.

    A row of `wells` has the layout's ``Metadata_`` columns and ``Readout_`` columns. Gives
    ``Metadata_Plate, readout, perturbation, control_group, n_negative, n_positive, median_negative,
    median_positive, z_prime``.
    """
    rows = []
    positives = wells[wells["Metadata_ControlType"] == "poscon"]
    keys = ["Metadata_Plate", "Metadata_Perturbation", "Metadata_ControlGroup"]
    groups: Any = positives.groupby(keys, sort=True)
    for readout in wells.columns[wells.columns.str.startswith("Readout_")]:
        for (plate, perturbation, group), treated in groups:
            negative = negative_wells(wells, plate, group)[readout].to_numpy(float)
            positive = treated[readout].to_numpy(float)
            rows.append(
                {
                    "Metadata_Plate": plate,
                    "readout": readout.removeprefix("Readout_"),
                    "perturbation": perturbation,
                    "control_group": group,
                    "n_negative": len(negative),
                    "n_positive": len(positive),
                    "median_negative": float(np.nanmedian(negative)) if len(negative) else np.nan,
                    "median_positive": float(np.nanmedian(positive)),
                    "z_prime": z_prime(positive, negative),
                }
            )
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else _QUALITY_COLUMNS)


_QUALITY_COLUMNS = [
    *("Metadata_Plate", "readout", "perturbation", "control_group", "n_negative", "n_positive"),
    *("median_negative", "median_positive", "z_prime"),
]


def negative_wells(wells: pd.DataFrame, plate: str, control_group: str) -> pd.DataFrame:
    """Return the negative wells that a positive control of a control group is compared with."""
    negative = wells[
        (wells["Metadata_Plate"] == plate) & (wells["Metadata_ControlType"] == "negcon")
    ]
    if control_group == "":
        return negative
    return negative[negative["Metadata_ControlGroup"] == control_group]
