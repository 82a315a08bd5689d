"""Rates per site, well and class, corrected by the same constants as the verdict."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.qc.columns import OBJECT_SET, SITE
from levelfield.qc.measures import MEASURES
from levelfield.qc.statistics.comparison import Comparison, control_classes
from levelfield.qc.statistics.errors import Constants
from levelfield.qc.statistics.field_sums import measure_terms

DEAD_ZONE_PX = 0.5
MISBOUNDED_SHARE = 0.2
DOUBTFUL = 0.5
RATES = {
    "agreement": "agreement",
    "missed": "missed_rate",
    "invented": "invented_rate",
    "bias": "threshold_bias_px",
    "balance": "balance",
    "splits": "split_rate",
    "merges": "merge_rate",
}
"""Columns of sites and wells, by the measures that they are of."""
ConstantsOf = Callable[[str, str], Constants]
"""Gives the constants of a measure and an object set."""


def flag_objects(scored: pd.DataFrame) -> pd.DataFrame:
    """Add booleans that pycytominer can drop rows by.

    Parameters
    ----------
    scored : pandas.DataFrame
        Objects from `levelfield.qc.evidence.scores.score_plate`.

    Returns
    -------
    pandas.DataFrame
        With ``Metadata_cqc_merged``, ``Metadata_cqc_fragment``, ``Metadata_cqc_misbounded``,
        ``Metadata_cqc_invented`` and ``Metadata_cqc_any``. Mis-bounded is an edge off by more than
        a fifth of the object's radius, an overlap (IoU) of about 0.7; an unmeasured edge counts as
        right.
    """
    radius = np.sqrt(scored["area_px"] / np.pi)
    misbounded = scored["threshold_bias_px"].abs() > np.maximum(
        MISBOUNDED_SHARE * radius, DEAD_ZONE_PX
    )
    flags = {
        "merged": scored["merge_evidence"] > DOUBTFUL,
        "fragment": scored["fragment_evidence"] > DOUBTFUL,
        "misbounded": misbounded,
        "invented": scored["invented_evidence"] > DOUBTFUL,
    }
    whole = pd.DataFrame(flags, index=scored.index).any(axis=1)
    named = {f"Metadata_cqc_{name}": flag for name, flag in (flags | {"any": whole}).items()}
    return scored.assign(**named)


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
    return sums.assign(threshold_call=threshold_call(_corrected(sums, "bias", constants_of)))


def site_table(
    sums: pd.DataFrame,
    layout: pd.DataFrame,
    constants_of: ConstantsOf,
    not_covered: Iterable[tuple[str, str]] = (),
) -> pd.DataFrame:
    """One row per site and object set: ``qc/sites.csv``.

    Parameters
    ----------
    sums : pandas.DataFrame
        From `levelfield.qc.statistics.field_sums.field_sums`, with calls (`with_calls`).
    layout : pandas.DataFrame
        One row per well with ``Metadata_Well`` and further ``Metadata_`` columns.
    constants_of : callable
        Constants by measure and object set: those of the verdict.
    not_covered : iterable of (str, str)
        Object sets and wells that look like neither control class.

    Returns
    -------
    pandas.DataFrame
        The ``Metadata_`` columns, ``object_set, n_objects, n_second_opinion``, corrected
        ``split_rate, merge_rate, balance, missed_rate, invented_rate, agreement`` (fractions) and
        ``threshold_bias_px`` (median of objects), ``threshold_call`` (low when the threshold is too
        low and masks are more than 0.5 px too large, high for the opposite, ok, or empty when
        unmeasured), ``within_calibration`` and ``outside_calibration``: why not, ``not_covered``,
        ``local_density`` and ``mean_intensity`` (medians). Corrected rates of few objects may lie
        below 0.
    """
    table = sums[[*SITE, OBJECT_SET, "n_objects", "n_second_opinion"]].copy()
    table["n_objects"] = table["n_objects"].astype(np.int64)
    for measure, column in RATES.items():
        table[column] = _corrected(sums, measure, constants_of)
    table["threshold_call"] = sums["threshold_call"]
    table["within_calibration"] = sums["outside_calibration"] == ""
    table["outside_calibration"] = sums["outside_calibration"]
    table["not_covered"] = _is_in(table, not_covered)
    for name in ("local_density", "mean_intensity"):
        table[name] = sums[name]
    return _with_layout(table, layout, SITE).sort_values(
        [*SITE, OBJECT_SET], kind="stable", ignore_index=True
    )


def well_table(
    sums: pd.DataFrame,
    layout: pd.DataFrame,
    constants_of: ConstantsOf,
    not_covered: Iterable[tuple[str, str]] = (),
) -> pd.DataFrame:
    """One row per well and object set: ``qc/wells.csv``.

    Parameters
    ----------
    sums, layout, constants_of, not_covered
        As for `site_table`.

    Returns
    -------
    pandas.DataFrame
        As for sites, with ``n_sites``; rates are over all objects of the well,
        ``threshold_bias_px`` is the mean of the sites' medians, and ``fraction_low`` and
        ``fraction_high`` are shares of the sites whose edge could be measured.
    """
    keys = ["Metadata_Plate", "Metadata_Well", OBJECT_SET]
    calls = sums["threshold_call"]
    grouped = sums.assign(
        low=(calls == "low").where(calls != ""),
        high=(calls == "high").where(calls != ""),
        within=sums["outside_calibration"] == "",
    ).astype({"low": float, "high": float})
    table = grouped.groupby(keys, sort=True).agg(
        n_sites=("Metadata_Site", "size"),
        n_objects=("n_objects", "sum"),
        fraction_low=("low", "mean"),
        fraction_high=("high", "mean"),
        within_calibration=("within", "all"),
        local_density=("local_density", "mean"),
        mean_intensity=("mean_intensity", "mean"),
    )
    opinions = sums.groupby(keys, sort=True)["n_second_opinion"].sum(min_count=1)
    table.insert(2, "n_second_opinion", opinions)
    table["n_objects"] = table["n_objects"].astype(np.int64)
    for measure, column in RATES.items():
        terms = measure_terms(sums, measure).groupby([sums[key] for key in keys], sort=True).sum()
        value = terms["top"] / terms["bottom"].where(terms["bottom"] > 0)
        table[column] = _correct(value, value.index.get_level_values(2), measure, constants_of)
    table = table.reset_index()
    table["not_covered"] = _is_in(table, not_covered)
    order = [*keys, "n_sites", "n_objects", "n_second_opinion", *RATES.values()]
    rest = [name for name in table if name not in order]
    return _with_layout(table[[*order, *rest]], layout, keys[:2])


@dataclass(frozen=True)
class ClassCount:
    """How many objects the segmenter and the second opinion see in one control class.

    Attributes
    ----------
    plate, object_set, scope, perturbation : str
        Whose; scope is negcon or poscon.
    n_wells, n_fields : int
        Imaged.
    n_labels : int
        Objects by the segmenter.
    n_second_opinion : float
        Objects by the second opinion; NaN where nobody was asked.
    missed, invented : float
        Corrected shares of true and of predicted objects, in percent.
    """

    plate: str
    object_set: str
    scope: str
    perturbation: str
    n_wells: int
    n_fields: int
    n_labels: int
    n_second_opinion: float
    missed: float
    invented: float


def class_counts(
    plate: str, sums: pd.DataFrame, pairs: Sequence[Comparison], constants_of: ConstantsOf
) -> list[ClassCount]:
    """Count the objects of every control class: ``qc/counts.csv``."""
    found = []
    for object_set in dict.fromkeys(sums[OBJECT_SET]):
        for (scope, name), wells in control_classes(pairs).items():
            own = sums[(sums[OBJECT_SET] == object_set) & sums["Metadata_Well"].isin(wells)]
            shares = []
            for measure in ("missed", "invented"):
                terms = measure_terms(own, measure).sum()
                read = terms["top"] / terms["bottom"] if terms["bottom"] > 0 else float("nan")
                constants = constants_of(measure, str(object_set))
                scale = MEASURES[measure].scale
                shares.append(constants.value(read, is_difference=False) * scale)
            found.append(
                ClassCount(
                    plate,
                    str(object_set),
                    scope,
                    name,
                    own["Metadata_Well"].nunique(),
                    len(own),
                    int(own["n_objects"].sum()),
                    float(own["n_second_opinion"].sum(min_count=1)),
                    *shares,
                )
            )
    return found


def _corrected(sums: pd.DataFrame, measure: str, constants_of: ConstantsOf) -> pd.Series:
    terms = measure_terms(sums, measure)
    value = terms["top"] / terms["bottom"].where(terms["bottom"] > 0)
    return _correct(value, sums[OBJECT_SET], measure, constants_of)


def _correct(
    values: pd.Series, object_sets: Iterable[str], measure: str, constants_of: ConstantsOf
) -> pd.Series:
    sets = list(object_sets)
    known = {name: constants_of(measure, name) for name in dict.fromkeys(sets)}
    found = [
        known[name].value(value, is_difference=False)
        for name, value in zip(sets, values, strict=True)
    ]
    return pd.Series(found, values.index, dtype=float)


def _is_in(table: pd.DataFrame, chosen: Iterable[tuple[str, str]]) -> pd.Series:
    wanted = set(chosen)
    places = zip(table[OBJECT_SET], table["Metadata_Well"], strict=True)
    return pd.Series([place in wanted for place in places], table.index, dtype=bool)


def _metadata(table: pd.DataFrame) -> list[str]:
    return [name for name in table if str(name).startswith("Metadata_")]


def _with_layout(table: pd.DataFrame, layout: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    columns = [name for name in _metadata(layout) if name not in keys]
    known = layout[["Metadata_Well", *columns]].drop_duplicates("Metadata_Well")
    merged = table.merge(known, on="Metadata_Well", how="left")
    rest = [name for name in merged if name not in (*keys, *columns)]
    return merged[[*keys, *columns, *rest]]
