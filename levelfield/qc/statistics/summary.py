"""Rates per site, well and class, corrected by the same constants as the verdict."""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.qc.columns import OBJECT_SET, SITE, WELL
from levelfield.qc.statistics.errors import Constants
from levelfield.qc.statistics.field_sums import measure_terms
from levelfield.questions import MEASURES

DEAD_ZONE_PX = 0.5
MISBOUNDED_SHARE = 0.2
DOUBTFUL = 0.5
RATES = {name: measure.column for name, measure in MEASURES.items()}
"""Columns of sites and wells, by the measures that they are of."""
_OF_SITES = (
    *("n_objects", "n_second_opinion", *RATES.values(), "threshold_call", "within_calibration"),
    *("outside_calibration", "not_covered", "local_density", "mean_intensity"),
)
_OF_WELLS = (
    *("n_sites", "n_objects", "n_second_opinion", *RATES.values(), "fraction_low"),
    *("fraction_high", "within_calibration", "local_density", "mean_intensity", "not_covered"),
)
ConstantsOf = Callable[[str, str], Constants]
"""Gives the constants of a measure and an object set."""


def is_misbounded(scored: pd.DataFrame) -> pd.Series:
    """Whether the edge is off by more than a fifth of an object's radius, an IoU of about 0.7.

    An edge that could not be measured counts as right.
    """
    radius = np.sqrt(scored["area_px"] / np.pi)
    most = np.maximum(MISBOUNDED_SHARE * radius, DEAD_ZONE_PX)
    return scored["threshold_bias_px"].abs() > most


def flag_objects(scored: pd.DataFrame) -> pd.DataFrame:
    """Add booleans to scored objects that pycytominer can drop rows by: ``Metadata_cqc_...``."""
    flags = {
        "merged": scored["merge_evidence"] > DOUBTFUL,
        "fragment": scored["fragment_evidence"] > DOUBTFUL,
        "misbounded": is_misbounded(scored),
        "invented": scored["invented_evidence"] > DOUBTFUL,
    }
    flags["any"] = pd.DataFrame(flags, index=scored.index).any(axis=1)
    return scored.assign(**{f"Metadata_cqc_{name}": flag for name, flag in flags.items()})


def threshold_call(bias_px: pd.Series) -> pd.Series:
    """Call each image low (masks too large), ok or high (too small); empty when unmeasured."""
    calls = np.select(
        [bias_px.isna(), bias_px > DEAD_ZONE_PX, bias_px < -DEAD_ZONE_PX], ["", "low", "high"], "ok"
    )
    return pd.Series(calls, bias_px.index, dtype=object)


def call_shares(calls: pd.Series) -> tuple[float, float]:
    """Return the shares of images called low and high among those that could be measured."""
    known = calls[calls != ""]
    low, high = (float((known == call).mean()) for call in ("low", "high"))
    return low, high


def with_calls(sums: pd.DataFrame, constants_of: ConstantsOf) -> pd.DataFrame:
    """Add ``threshold_call`` of the corrected bias to sums of fields."""
    bias = corrected(measure_terms(sums, "bias"), sums[OBJECT_SET], "bias", constants_of)
    return sums.assign(threshold_call=threshold_call(bias))


class RateTables(NamedTuple):
    """Rates of a plate: ``qc/sites.csv`` and ``qc/wells.csv``.

    Attributes
    ----------
    sites : DataFrame
        One row per site and object set: the ``Metadata_`` columns, ``object_set, n_objects,
        n_second_opinion``, corrected ``split_rate, merge_rate, balance, missed_rate,
        invented_rate, agreement`` (fractions) and ``threshold_bias_px`` (median of objects),
        ``threshold_call`` (low when the threshold is too low and masks are more than 0.5 px too
        large, high for the opposite, ok, or empty when unmeasured), ``within_calibration`` and
        ``outside_calibration``: why not, ``not_covered``, ``local_density`` and ``mean_intensity``
        (medians). Corrected rates of few objects may lie below 0.
    wells : DataFrame
        The same by well, with ``n_sites``; rates are over all objects of the well,
        ``threshold_bias_px`` is the mean of the sites' medians, and ``fraction_low`` and
        ``fraction_high`` are shares of the sites whose edge could be measured.
    """

    sites: pd.DataFrame
    wells: pd.DataFrame


def rate_tables(
    sums: pd.DataFrame,
    layout: pd.DataFrame,
    constants_of: ConstantsOf,
    not_covered: Collection[tuple[str, str]] = (),
) -> RateTables:
    """Return the rates of every site and well.

    Parameters
    ----------
    sums : DataFrame
        From `levelfield.qc.statistics.field_sums.field_sums`, with calls (`with_calls`).
    layout : DataFrame
        One row per well with ``Metadata_Well`` and further ``Metadata_`` columns.
    constants_of, not_covered : callable, collection of (str, str)
        Constants of the verdict by measure and object set; and object sets and wells that look like
        neither control class.
    """
    tables = []
    for keys, columns in ((SITE, _OF_SITES), (WELL, _OF_WELLS)):
        rates = _rates(sums, [*keys, OBJECT_SET], constants_of)
        places = zip(rates[OBJECT_SET], rates["Metadata_Well"], strict=True)
        rates["not_covered"] = np.array([place in not_covered for place in places], bool)
        tables.append(_with_layout(rates[[*keys, OBJECT_SET, *columns]], layout, keys))
    return RateTables(*tables)


def _rates(sums: pd.DataFrame, keys: list[str], constants_of: ConstantsOf) -> pd.DataFrame:
    calls = sums["threshold_call"]
    marked = sums.assign(
        low=(calls == "low").where(calls != ""),
        high=(calls == "high").where(calls != ""),
        within=sums["outside_calibration"] == "",
    )
    grouped = marked.astype({"low": float, "high": float}).groupby(keys, sort=True)
    table = grouped.agg(
        n_sites=("Metadata_Site", "size"),
        n_objects=("n_objects", "sum"),
        fraction_low=("low", "mean"),
        fraction_high=("high", "mean"),
        within_calibration=("within", "all"),
        **{name: (name, "first") for name in ("threshold_call", "outside_calibration")},
        **{name: (name, "mean") for name in ("local_density", "mean_intensity")},
    ).astype({"n_objects": np.int64})
    table["n_second_opinion"] = grouped["n_second_opinion"].sum(min_count=1)
    sets = table.index.get_level_values(OBJECT_SET)
    for measure, column in RATES.items():
        terms = measure_terms(sums, measure).groupby([sums[key] for key in keys], sort=True).sum()
        table[column] = corrected(terms, sets, measure, constants_of)
    return table.reset_index()


def corrected(
    terms: pd.DataFrame, object_sets: Iterable[str], measure: str, constants_of: ConstantsOf
) -> pd.Series:
    """Return corrected ratios of terms, each by the constants of its object set."""
    ratios = terms["top"] / terms["bottom"].where(terms["bottom"] > 0)
    found = [
        constants_of(measure, name).value(ratio, "class")
        for name, ratio in zip(object_sets, ratios, strict=True)
    ]
    return pd.Series(found, terms.index, dtype=float)


def _with_layout(table: pd.DataFrame, layout: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Put the layout's columns of each well behind the keys."""
    columns = [name for name in layout if name.startswith("Metadata_") and name not in keys]
    known = layout[["Metadata_Well", *columns]].drop_duplicates("Metadata_Well")
    merged = table.merge(known, on="Metadata_Well", how="left")
    return merged[[*keys, *columns, *(name for name in table if name not in keys)]]
