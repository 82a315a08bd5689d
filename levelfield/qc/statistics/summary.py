"""Rates per site and per well, from the evidence per object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from levelfield.qc.evidence.features import NUMBER
from levelfield.qc.evidence.scores import FIELD, OBJECT_SET

DEAD_ZONE_PX = 0.5
MISBOUNDED_SHARE = 0.2
DOUBTFUL = 0.5
SITE = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
WELL = ["Metadata_Plate", "Metadata_Well"]


def flag_objects(scored: pd.DataFrame) -> pd.DataFrame:
    """Add what rates are made of, and booleans that pycytominer can drop rows by.

    Parameters
    ----------
    scored : pandas.DataFrame
        From `levelfield.qc.evidence.scores.score_objects`.

    Returns
    -------
    pandas.DataFrame
        With ``right_evidence`` (0 to 1: neither merged, nor a fragment, nor mis-bounded) and
        ``Metadata_cqc_merged``, ``Metadata_cqc_fragment``, ``Metadata_cqc_misbounded``,
        ``Metadata_cqc_any``. Mis-bounded is an edge off by more than a fifth of the object's
        radius, an overlap (IoU) of about 0.7; an unmeasured edge counts as right.
    """
    radius = np.sqrt(scored["area_px"] / np.pi)
    misbounded = scored["threshold_bias_px"].abs() > np.maximum(
        MISBOUNDED_SHARE * radius, DEAD_ZONE_PX
    )
    right = (1 - scored["merge_evidence"]) * (1 - scored["fragment_evidence"]) * ~misbounded
    merged = scored["merge_evidence"] > DOUBTFUL
    fragment = scored["fragment_evidence"] > DOUBTFUL
    return scored.assign(
        right_evidence=right,
        Metadata_cqc_merged=merged,
        Metadata_cqc_fragment=fragment,
        Metadata_cqc_misbounded=misbounded,
        Metadata_cqc_any=merged | fragment | misbounded,
    )


def site_table(
    objects: pd.DataFrame,
    fields: pd.DataFrame,
    layout: pd.DataFrame,
    object_sets: Sequence[str],
    outside: pd.Series,
) -> pd.DataFrame:
    """One row per site and object set: ``qc/sites.csv``.

    Parameters
    ----------
    objects : pandas.DataFrame
        From `flag_objects`, all fields and object sets of a plate.
    fields : pandas.DataFrame
        ``Metadata_Plate, Metadata_Well, Metadata_Site`` of every field that was segmented and is
        not excluded: a field without objects gets a row too.
    layout : pandas.DataFrame
        One row per well with ``Metadata_Well`` and further ``Metadata_`` columns.
    object_sets : sequence of str
        Object sets that the QC assesses.
    outside : pandas.Series
        By field, how it is unlike those of the calibration, empty where it is not
        (`levelfield.qc.evidence.calibration.Calibration.outside`).

    Returns
    -------
    pandas.DataFrame
        The ``Metadata_`` columns, ``object_set, n_objects, split_rate, merge_rate, balance``
        (fractions of objects), ``threshold_bias_px`` (median of objects), ``threshold_call`` (low
        when the threshold is too low and masks are more than 0.5 px too large, high for the
        opposite, ok, or empty when unmeasured), ``local_density`` and ``mean_intensity`` (medians)
        ``within_calibration``, and ``outside_calibration``: why not.
    """
    rows = (
        fields[SITE]
        .drop_duplicates()
        .merge(pd.DataFrame({OBJECT_SET: list(object_sets)}), how="cross")
    )
    grouped = objects.groupby(FIELD, sort=True)
    sums = grouped.agg(
        n_objects=(NUMBER, "size"),
        split_rate=("split_evidence", "mean"),
        merge_rate=("merge_evidence", "mean"),
        balance=("balance_contribution", "mean"),
        threshold_bias_px=("threshold_bias_px", "median"),
        local_density=("local_density", "median"),
        mean_intensity=("mean_intensity", "median"),
    )
    table = rows.merge(sums.reset_index(), on=FIELD, how="left")
    table["n_objects"] = table["n_objects"].fillna(0).astype(np.int64)
    table["threshold_call"] = threshold_call(table["threshold_bias_px"])
    found = outside.rename("outside_calibration").reset_index()
    # A field without objects says nothing, so it does not speak against the plate.
    table = table.merge(found, on=FIELD, how="left").fillna({"outside_calibration": ""})
    table["within_calibration"] = table["outside_calibration"] == ""
    table = _with_layout(table, layout, SITE)
    order = [*_metadata(table), OBJECT_SET, "n_objects", "split_rate", "merge_rate", "balance"]
    order += ["threshold_bias_px", "threshold_call", "within_calibration", "outside_calibration"]
    order += ["local_density", "mean_intensity"]
    return table[order].sort_values([*SITE, OBJECT_SET], kind="stable", ignore_index=True)


def threshold_call(bias_px: pd.Series) -> pd.Series:
    """Call each image low (masks too large), ok or high (too small); empty when unmeasured."""
    calls = np.select(
        [bias_px.isna(), bias_px > DEAD_ZONE_PX, bias_px < -DEAD_ZONE_PX], ["", "low", "high"], "ok"
    )
    return pd.Series(calls, bias_px.index, dtype=object)


def well_table(sites: pd.DataFrame) -> pd.DataFrame:
    """One row per well and object set: ``qc/wells.csv``.

    Parameters
    ----------
    sites : pandas.DataFrame
        From `site_table`.

    Returns
    -------
    pandas.DataFrame
        As for sites, with ``n_sites``; rates are over all objects of the well,
        ``threshold_bias_px`` is the mean of the sites' medians, and ``fraction_low`` and
        ``fraction_high`` are shares of the sites whose edge could be measured.
    """
    weighted = sites.assign(
        **{
            name: sites[name].fillna(0) * sites["n_objects"]
            for name in ("split_rate", "merge_rate", "balance")
        },
        measured=sites["threshold_bias_px"].notna(),
        low=sites["threshold_call"] == "low",
        high=sites["threshold_call"] == "high",
    )
    keys = [*[name for name in _metadata(sites) if name != "Metadata_Site"], OBJECT_SET]
    table = weighted.groupby(keys, sort=False, dropna=False).agg(
        n_sites=("Metadata_Site", "size"),
        n_objects=("n_objects", "sum"),
        split_rate=("split_rate", "sum"),
        merge_rate=("merge_rate", "sum"),
        balance=("balance", "sum"),
        threshold_bias_px=("threshold_bias_px", "mean"),
        fraction_low=("low", "sum"),
        fraction_high=("high", "sum"),
        measured=("measured", "sum"),
        within_calibration=("within_calibration", "all"),
        local_density=("local_density", "mean"),
        mean_intensity=("mean_intensity", "mean"),
    )
    objects = table["n_objects"].where(table["n_objects"] > 0)
    for name in ("split_rate", "merge_rate", "balance"):
        table[name] = table[name] / objects
    measured = table.pop("measured")
    for name in ("fraction_low", "fraction_high"):
        table[name] = table[name] / measured.where(measured > 0)
    return table.reset_index()


def _metadata(table: pd.DataFrame) -> list[str]:
    return [name for name in table if str(name).startswith("Metadata_")]


def _with_layout(table: pd.DataFrame, layout: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    columns = [name for name in _metadata(layout) if name not in keys]
    known = layout[["Metadata_Well", *columns]].drop_duplicates("Metadata_Well")
    merged = table.merge(known, on="Metadata_Well", how="left")
    rest = [name for name in merged if name not in (*keys, *columns)]
    return merged[[*keys, *columns, *rest]]
