"""Which wells are compared with which, and the estimates that the verdict rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.qc.evidence.looks import different_looks
from levelfield.qc.evidence.scores import OBJECT_SET, VARIANT_COLUMNS
from levelfield.qc.statistics.estimates import Estimate, difference, ratio_estimate

QUESTIONS = ("agreement", "threshold", "split_merge")
RAW, MATCHED = "raw", "density_matched"
SMALLEST_OVERLAP = 0.1
ESTIMATE_COLUMNS = (
    "plate",
    "question",
    "object_set",
    "scope",
    "perturbation",
    "adjustment",
    "value",
    "variance",
    "degrees_of_freedom",
    "n_wells",
    "fewest_wells",
    "n_sites",
    "n_objects",
    "fraction_low",
    "fraction_high",
    "positive_value",
    "negative_value",
    "missing",
    "variants_low",
    "variants_high",
    "looks",
    "outside_share",
)


@dataclass(frozen=True)
class Comparison:
    """One positive control and the negative wells that it is held against.

    Attributes
    ----------
    perturbation : str
        Name of the positive control; empty when the layout declares none.
    negative_name : str
        What the negative wells are called, unique per set of negative wells.
    positive_wells, negative_wells : tuple of str
        Well names; empty where the layout has none.
    """

    perturbation: str
    negative_name: str
    positive_wells: tuple[str, ...]
    negative_wells: tuple[str, ...]


def comparisons(layout: pd.DataFrame) -> list[Comparison]:
    """List the positive controls of a plate with their negative wells.

    A positive control is a perturbation within a control group; its concentrations count together.
    It is held against the negative wells of its ``Metadata_ControlGroup``, and against all negative
    wells of the plate when it has none. Without any positive control there is one comparison
    without positive wells, so that the negative wells are still judged.

    Parameters
    ----------
    layout : pandas.DataFrame
        One row per well: ``Metadata_Well``, ``Metadata_ControlType`` and, if there are any,
        ``Metadata_Perturbation`` and ``Metadata_ControlGroup``.

    Raises
    ------
    ValueError
        When the layout has no column of wells or control types.
    """
    for column in ("Metadata_Well", "Metadata_ControlType"):
        if column not in layout:
            raise ValueError(
                f"The layout has no column {column}: without it no well is known to be a control. "
                f"It has: {', '.join(map(str, layout.columns))}."
            )
    wells = layout.assign(
        perturbation=_text(layout, "Metadata_Perturbation"),
        group=_text(layout, "Metadata_ControlGroup"),
    )
    negatives = wells[wells["Metadata_ControlType"] == "negcon"]
    positives = wells[wells["Metadata_ControlType"] == "poscon"]
    if positives.empty:
        return [_comparison("", positives, negatives, "")]
    groups = positives.groupby(["perturbation", "group"], sort=True)
    repeated = positives.groupby("perturbation")["group"].nunique()
    found = []
    for (name, group), rows in groups:
        matching = negatives if group == "" else negatives[negatives["group"] == group]
        title = f"{name} [{group}]" if repeated[name] > 1 and group else name
        found.append(_comparison(title or "positive control", rows, matching, group))
    return found


def _comparison(
    name: str, positives: pd.DataFrame, negatives: pd.DataFrame, group: str
) -> Comparison:
    names = sorted(set(negatives["perturbation"]) - {""})
    negative_name = "+".join(names) or "negcon"
    return Comparison(
        name,
        f"{negative_name} [{group}]" if group not in ("", negative_name) else negative_name,
        tuple(positives["Metadata_Well"]),
        tuple(negatives["Metadata_Well"]),
    )


def _text(layout: pd.DataFrame, column: str) -> pd.Series:
    if column not in layout:
        return pd.Series("", index=layout.index)
    return layout[column].fillna("").astype(str)


def question_units(objects: pd.DataFrame, sites: pd.DataFrame, question: str) -> pd.DataFrame:
    """List the units whose mean answers a question: ``Metadata_Well, value, density``.

    Objects for agreement (1 for an object that is right) and split_merge (excess fragments minus
    lacking objects); sites for the threshold (median bias in px, unmeasured sites left out).
    """
    if question == "threshold":
        units = sites.loc[
            sites["threshold_bias_px"].notna(),
            ["Metadata_Well", "threshold_bias_px", "local_density"],
        ]
    else:
        value = {"agreement": "right_evidence", "split_merge": "balance_contribution"}[question]
        units = objects[["Metadata_Well", value, "local_density"]]
    return units.set_axis(["Metadata_Well", "value", "density"], axis=1)


def class_estimate(units: pd.DataFrame, weights: NDArray[np.float64] | None = None) -> Estimate:
    """Mean of the units of one class, with the well as the unit of the variance."""
    if units.empty:
        return ratio_estimate([], [])
    weights = np.ones(len(units)) if weights is None else weights
    sums = (
        pd.DataFrame(
            {
                "well": units["Metadata_Well"].to_numpy(),
                "top": weights * units["value"].to_numpy(float),
                "bottom": weights,
            }
        )
        .groupby("well", sort=True)
        .sum()
    )
    return ratio_estimate(sums["top"], sums["bottom"])


def density_matched_weights(
    positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Weights that give both classes the same distribution of local density.

    The range that both classes cover is cut into strata at common quantiles, and a stratum counts
    by the harmonic mean of its sizes in both; densities seen in one class only do not count.

    Returns
    -------
    (n_positive,), (n_negative,) float64, or None
        None when less than a tenth of a class lies in the range of the other.

    Notes
    -----
    Direct standardisation with overlap weights (Li, Morgan & Zaslavsky 2018).
    """
    if min(len(positive), len(negative)) == 0:
        return None
    low, high = max(positive.min(), negative.min()), min(positive.max(), negative.max())
    inside = [(values >= low) & (values <= high) for values in (positive, negative)]
    if min(each.mean() for each in inside) < SMALLEST_OVERLAP:
        return None
    fewest = min(int(each.sum()) for each in inside)
    n_strata = 2 if fewest < 12 else 3 if fewest < 30 else 5
    common = np.concatenate([positive[inside[0]], negative[inside[1]]])
    cuts = np.quantile(common, np.arange(1, n_strata) / n_strata)
    strata = [np.searchsorted(cuts, values) for values in (positive, negative)]
    sizes = [
        np.bincount(stratum[each], minlength=n_strata).astype(float)
        for stratum, each in zip(strata, inside, strict=True)
    ]
    shared = sizes[0] * sizes[1] / np.maximum(sizes[0] + sizes[1], 1)
    if shared.sum() == 0:
        return None
    one, other = (
        each * (shared / np.maximum(size, 1))[stratum]
        for each, size, stratum in zip(inside, sizes, strata, strict=True)
    )
    return one, other


def plate_estimates(
    plate: str,
    objects: pd.DataFrame,
    sites: pd.DataFrame,
    layout: pd.DataFrame,
    object_sets: Sequence[str],
) -> pd.DataFrame:
    """Estimate every question for every object set, class and comparison: ``qc/estimates.csv``.

    Parameters
    ----------
    plate : str
        Name of the plate.
    objects, sites : pandas.DataFrame
        From `levelfield.qc.statistics.summary.flag_objects` and `site_table`.
    layout : pandas.DataFrame
        See `comparisons`.
    object_sets : sequence of str
        Object sets that the QC assesses.

    Returns
    -------
    pandas.DataFrame
        `ESTIMATE_COLUMNS`: what the data say, before any calibration or margin. Values are
        fractions of objects, or px. Differences come twice, raw and density-matched.
        ``missing`` names a class without data. ``variants_low`` and ``variants_high`` are the
        lowest and highest balance by any variant of the evidence, ``looks`` says how the classes
        look different, and ``outside_share`` is the share of images outside of what the evidence
        was calibrated on, in the class that has more of them.
    """
    rows = []
    pairs = comparisons(layout)
    for object_set in object_sets:
        own_objects = objects[objects[OBJECT_SET] == object_set]
        own_sites = sites[sites[OBJECT_SET] == object_set]
        for question in QUESTIONS:
            units = question_units(own_objects, own_sites, question)
            head = {"plate": plate, "question": question, "object_set": object_set}
            for row in _comparison_rows(units, own_sites, pairs):
                rows.append(head | row)
        _add_doubts(rows, object_set, own_objects, own_sites, pairs)
    return pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))


def _add_doubts(
    rows: list[dict],
    object_set: str,
    objects: pd.DataFrame,
    sites: pd.DataFrame,
    pairs: Sequence[Comparison],
) -> None:
    """Add to an object set's rows what speaks against trusting the evidence."""
    known = {pair.perturbation: _doubts_of(objects, sites, pair) for pair in pairs}
    negative = {pair.negative_name: pair.perturbation for pair in reversed(pairs)}
    for row in rows:
        if row["object_set"] != object_set:
            continue
        name = row["perturbation"]
        of_pair = known[negative[name] if row["scope"] == "negcon" else name]
        row.update(of_pair[row["scope"]])
        if row["question"] != "split_merge":
            row["variants_low"] = row["variants_high"] = float("nan")


def _doubts_of(
    objects: pd.DataFrame, sites: pd.DataFrame, pair: Comparison
) -> dict[str, dict[str, float | str]]:
    classes = {"poscon": pair.positive_wells, "negcon": pair.negative_wells}
    own = {name: objects[objects["Metadata_Well"].isin(wells)] for name, wells in classes.items()}
    outside = {
        name: float(1 - sites.loc[sites["Metadata_Well"].isin(wells), "within_calibration"].mean())
        for name, wells in classes.items()
    }
    means = {name: rows[list(VARIANT_COLUMNS)].mean() for name, rows in own.items()}
    means["difference"] = means["poscon"] - means["negcon"]
    outside["difference"] = max(outside.values(), key=lambda share: (share == share, share))
    looks = different_looks(own["poscon"], own["negcon"])
    return {
        scope: {
            "variants_low": float(means[scope].min()),
            "variants_high": float(means[scope].max()),
            "looks": "; ".join(map(str, looks)) if scope == "difference" else "",
            "outside_share": outside[scope],
        }
        for scope in ("negcon", "poscon", "difference")
    }


def _comparison_rows(
    units: pd.DataFrame, sites: pd.DataFrame, pairs: Sequence[Comparison]
) -> list[dict]:
    rows, seen = [], set()
    for pair in pairs:
        positive = units[units["Metadata_Well"].isin(pair.positive_wells)]
        negative = units[units["Metadata_Well"].isin(pair.negative_wells)]
        of_positive, of_negative = class_estimate(positive), class_estimate(negative)
        if pair.negative_wells not in seen:
            seen.add(pair.negative_wells)
            rows.append(
                _row("negcon", pair.negative_name, RAW, of_negative, [("negcon", of_negative)])
                | _counts(sites, pair.negative_wells)
            )
        rows.append(
            _row("poscon", pair.perturbation, RAW, of_positive, [("poscon", of_positive)])
            | _counts(sites, pair.positive_wells)
        )
        classes = [("poscon", of_positive), ("negcon", of_negative)]
        counts = _counts(sites, (*pair.positive_wells, *pair.negative_wells))
        for adjustment, estimate in (
            (RAW, difference(of_positive, of_negative)),
            (MATCHED, _matched_difference(positive, negative)),
        ):
            row = _row("difference", pair.perturbation, adjustment, estimate, classes)
            rows.append(row | counts)
    return rows


def _matched_difference(positive: pd.DataFrame, negative: pd.DataFrame) -> Estimate:
    positive, negative = (units[units["density"].notna()] for units in (positive, negative))
    weights = density_matched_weights(
        positive["density"].to_numpy(float), negative["density"].to_numpy(float)
    )
    if weights is None:
        return difference(ratio_estimate([], []), ratio_estimate([], []))
    return difference(
        *(
            _single_well(class_estimate(units, weight), class_estimate(units))
            for units, weight in zip((positive, negative), weights, strict=True)
        )
    )


def _single_well(matched: Estimate, of_class: Estimate) -> Estimate:
    """Give an estimate from one well the scatter that the wells of its class have."""
    if matched.n_wells != 1:
        return matched
    return replace(
        matched,
        variance=of_class.variance * of_class.n_wells,
        degrees_of_freedom=of_class.degrees_of_freedom,
    )


def _row(
    scope: str,
    name: str,
    adjustment: str,
    estimate: Estimate,
    classes: Sequence[tuple[str, Estimate]],
) -> dict:
    """Return one row, with the values of the classes that it is of."""
    values = {kind: each.value for kind, each in classes}
    return {
        "scope": scope,
        "perturbation": name,
        "adjustment": adjustment,
        "value": estimate.value,
        "variance": estimate.variance,
        "degrees_of_freedom": estimate.degrees_of_freedom,
        "n_wells": estimate.n_wells,
        "fewest_wells": min(each.n_wells for _, each in classes),
        "positive_value": values.get("poscon", float("nan")),
        "negative_value": values.get("negcon", float("nan")),
        "missing": "+".join(kind for kind, each in classes if each.n_wells == 0),
    }


def _counts(sites: pd.DataFrame, wells: Sequence[str]) -> dict:
    chosen = sites[sites["Metadata_Well"].isin(wells)]
    measured = chosen[chosen["threshold_bias_px"].notna()]
    share = {
        f"fraction_{call}": float((measured["threshold_call"] == call).mean())
        if len(measured)
        else float("nan")
        for call in ("low", "high")
    }
    return {"n_sites": len(chosen), "n_objects": int(chosen["n_objects"].sum()), **share}
