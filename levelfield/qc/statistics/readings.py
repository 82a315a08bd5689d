"""What the data say of every row, before any calibration or margin: ``qc/estimates.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.measures import MEASURES
from levelfield.qc.statistics.appearance import appearance_shift
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.density import density_matched_weights
from levelfield.qc.statistics.errors import NO_DOUBTS, Doubts
from levelfield.qc.statistics.estimates import Estimate, difference, ratio_estimate
from levelfield.qc.statistics.field_sums import OF_OBJECTS, measure_terms

RAW, MATCHED = "raw", "density_matched"
_OF_VARIANTS = ("balance", "splits", "merges")


@dataclass(frozen=True)
class Reading:
    """One estimate as the evidence reads it, in fractions of objects or px.

    Attributes
    ----------
    plate, object_set, measure, question, scope, perturbation : str
        Whose, and of what.
    adjustment : str
        raw, or density_matched: a difference at equal local density.
    value, variance, degrees_of_freedom, n_wells
        Of an `Estimate`. The scatter of a class with one well is borrowed from the class that it
        is compared with; NaN where that has one, too.
    fewest_wells : int
        Of the smaller class.
    n_sites, n_objects : int
        Behind it.
    positive_value, negative_value : float
        Of both classes of a difference, or of the class itself.
    fraction_low, fraction_high : float
        Shares of the images whose threshold is too low and too high.
    missing : tuple of str
        Classes without imaged wells.
    doubts : Doubts
        What speaks against trusting it.
    """

    plate: str
    object_set: str
    measure: str
    question: str
    scope: str
    perturbation: str
    adjustment: str
    value: float
    variance: float
    degrees_of_freedom: float
    n_wells: int
    fewest_wells: int
    n_sites: int
    n_objects: int
    positive_value: float
    negative_value: float
    fraction_low: float
    fraction_high: float
    missing: tuple[str, ...] = ()
    doubts: Doubts = field(default=NO_DOUBTS, metadata={"prefix": "doubt_"})

    @property
    def estimate(self) -> Estimate:
        """The estimate by itself."""
        return Estimate(self.value, self.variance, self.degrees_of_freedom, self.n_wells)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Which row of a plate it belongs to."""
        return self.object_set, self.measure, self.scope, self.perturbation


@dataclass(frozen=True)
class _Side:
    """One control class of one object set."""

    kind: str
    wells: tuple[str, ...]
    objects: pd.DataFrame
    sums: pd.DataFrame

    def estimate(self, measure: str) -> Estimate:
        return class_estimate(self.sums, measure)

    @property
    def outside(self) -> float:
        """Share of images outside of what the evidence was calibrated on."""
        return float((self.sums["outside_calibration"] != "").mean()) if len(self.sums) else 0.0


def plate_readings(
    plate: str,
    objects: pd.DataFrame,
    sums: pd.DataFrame,
    pairs: Sequence[Comparison],
    object_sets: Sequence[str],
) -> list[Reading]:
    """Read every measure for every object set, class and comparison of a plate.

    Parameters
    ----------
    plate : str
        Name of the plate.
    objects : pandas.DataFrame
        From `levelfield.qc.evidence.scores.score_plate`.
    sums : pandas.DataFrame
        From `levelfield.qc.statistics.field_sums.field_sums`, with ``threshold_call``
        (`levelfield.qc.statistics.summary.threshold_call`).
    pairs : sequence of Comparison
        The plate's controls.
    object_sets : sequence of str
        Object sets that the QC assesses.

    Returns
    -------
    list of Reading
        Differences come twice, raw and, where both classes share a range of densities,
        density-matched.
    """
    found = []
    for object_set in object_sets:
        own_objects = objects[objects[OBJECT_SET] == object_set]
        own_sums = sums[sums[OBJECT_SET] == object_set]
        seen: set[tuple[str, ...]] = set()
        for pair in pairs:
            positive, negative = (
                _side(kind, wells, own_objects, own_sums)
                for kind, wells in (
                    ("poscon", pair.positive_wells),
                    ("negcon", pair.negative_wells),
                )
            )
            for measure in MEASURES:
                rows = _rows_of_pair(measure, pair, positive, negative)
                known = pair.negative_wells in seen
                found += [
                    replace(row, plate=plate, object_set=object_set)
                    for row in rows
                    if not (known and row.scope == "negcon")
                ]
            seen.add(pair.negative_wells)
    order = {name: place for place, name in enumerate(MEASURES)}
    sets = {name: place for place, name in enumerate(object_sets)}
    return sorted(found, key=lambda row: (sets[row.object_set], order[row.measure]))


def class_estimate(sums: pd.DataFrame, measure: str) -> Estimate:
    """Estimate a measure for the fields of one class, with the well as the unit."""
    terms = measure_terms(sums, measure)
    return _by_well(sums["Metadata_Well"], terms["top"], terms["bottom"])


def _by_well(wells: pd.Series, top: pd.Series, bottom: pd.Series) -> Estimate:
    table = pd.DataFrame(
        {"well": wells.to_numpy(), "top": np.asarray(top), "bottom": np.asarray(bottom)}
    )
    sums = table.groupby("well", sort=True)[["top", "bottom"]].sum()
    return ratio_estimate(sums["top"], sums["bottom"])


def _side(kind: str, wells: tuple[str, ...], objects: pd.DataFrame, sums: pd.DataFrame) -> _Side:
    return _Side(
        kind,
        wells,
        objects[objects["Metadata_Well"].isin(wells)],
        sums[sums["Metadata_Well"].isin(wells)],
    )


def _rows_of_pair(
    measure: str, pair: Comparison, positive: _Side, negative: _Side
) -> list[Reading]:
    own = {side.kind: side.estimate(measure) for side in (positive, negative)}
    of_positive = borrow_scatter(own["poscon"], own["negcon"])
    of_negative = borrow_scatter(own["negcon"], own["poscon"])
    doubts = {
        scope: row_doubts(scope, measure, positive, negative)
        for scope in ("negcon", "poscon", "difference")
    }
    classes = [(positive, own["poscon"]), (negative, own["negcon"])]

    def row(scope: str, adjustment: str, estimate: Estimate) -> Reading:
        sides = [each for each in classes if scope in ("difference", each[0].kind)]
        name = pair.negative_name if scope == "negcon" else pair.perturbation
        return _reading(measure, scope, name, adjustment, estimate, sides, doubts[scope])

    rows = [
        row("negcon", RAW, of_negative),
        row("poscon", RAW, of_positive),
        row("difference", RAW, difference(of_positive, of_negative)),
    ]
    matched = _matched_difference(measure, positive, negative, of_positive, of_negative)
    if matched is not None:
        rows.append(row("difference", MATCHED, matched))
    return rows


def borrow_scatter(estimate: Estimate, other: Estimate) -> Estimate:
    """Give an estimate from one well the scatter that the wells of another class have."""
    if estimate.n_wells != 1 or other.n_wells < 2:
        return estimate
    return replace(
        estimate,
        variance=other.variance * other.n_wells,
        degrees_of_freedom=other.degrees_of_freedom,
    )


def row_doubts(scope: str, measure: str, positive: _Side, negative: _Side) -> Doubts:
    """Return what speaks against trusting the evidence of one row."""
    if scope == "negcon":
        return Doubts(
            variants=_range(_variant_means(negative.objects, measure)), outside=negative.outside
        )
    means = _variant_means(positive.objects, measure)
    outside = positive.outside
    if scope == "difference":
        means = means - _variant_means(negative.objects, measure)
        outside = max(positive.outside, negative.outside)
    shift = appearance_shift(positive.objects, negative.objects)
    return Doubts(variants=_range(means), outside=outside, **shift)


def _variant_means(objects: pd.DataFrame, measure: str) -> pd.Series:
    if measure not in _OF_VARIANTS:
        return pd.Series(dtype=float)
    own = OF_OBJECTS[measure]
    names = [name for name in objects if name.startswith(f"{measure}_") and name != own]
    return objects[names].mean()


def _range(values: pd.Series) -> float:
    values = values.dropna()
    return float(values.max() - values.min()) if len(values) else 0.0


def _matched_difference(
    measure: str, positive: _Side, negative: _Side, of_positive: Estimate, of_negative: Estimate
) -> Estimate | None:
    """Return the difference at equal local density; None where the classes share none.

    Objects are matched by their local density, bias by the density of its sites. Of missed objects
    and of agreement, which counts them, there is no density per object: fields are matched by the
    number of true objects.
    """
    units = [_matching_units(side, measure) for side in (positive, negative)]
    units = [each[each["density"].notna() & (each["bottom"] > 0)] for each in units]
    weights = density_matched_weights(*(each["density"].to_numpy(float) for each in units))
    if weights is None:
        return None
    estimates = [
        _by_well(each["Metadata_Well"], each["top"] * weight, each["bottom"] * weight)
        for each, weight in zip(units, weights, strict=True)
    ]
    if min(each.n_wells for each in estimates) == 0:
        return None
    whole = (of_positive, of_negative)
    return difference(
        *(
            _own_scatter(matched, of_class)
            for matched, of_class in zip(estimates, whole, strict=True)
        )
    )


def _own_scatter(matched: Estimate, of_class: Estimate) -> Estimate:
    """Give a matched estimate from one well the scatter that the wells of its class have."""
    if matched.n_wells != 1:
        return matched
    return replace(
        matched,
        variance=of_class.variance * of_class.n_wells,
        degrees_of_freedom=of_class.degrees_of_freedom,
    )


def _matching_units(side: _Side, measure: str) -> pd.DataFrame:
    """Return ``Metadata_Well, top, bottom, density`` of what is matched."""
    if measure in OF_OBJECTS:
        values = side.objects[OF_OBJECTS[measure]].astype(float)
        return pd.DataFrame(
            {
                "Metadata_Well": side.objects["Metadata_Well"],
                "top": values.fillna(0.0),
                "bottom": values.notna() * 1.0,
                "density": side.objects["local_density"].astype(float),
            }
        )
    density = side.sums["local_density" if measure == "bias" else "n_true"].astype(float)
    return measure_terms(side.sums, measure).assign(
        Metadata_Well=side.sums["Metadata_Well"], density=density
    )


def _reading(
    measure: str,
    scope: str,
    name: str,
    adjustment: str,
    estimate: Estimate,
    classes: Sequence[tuple[_Side, Estimate]],
    doubts: Doubts,
) -> Reading:
    values = {side.kind: each.value for side, each in classes}
    sums = pd.concat([side.sums for side, _ in classes])
    calls = sums.loc[sums["threshold_call"] != "", "threshold_call"]
    low, high = (
        float((calls == call).mean()) if len(calls) else float("nan") for call in ("low", "high")
    )
    return Reading(
        plate="",
        object_set="",
        measure=measure,
        question=MEASURES[measure].question,
        scope=scope,
        perturbation=name,
        adjustment=adjustment,
        value=estimate.value,
        variance=estimate.variance,
        degrees_of_freedom=estimate.degrees_of_freedom,
        n_wells=estimate.n_wells,
        fewest_wells=min(each.n_wells for _, each in classes),
        n_sites=len(sums),
        n_objects=int(sums["n_objects"].sum()),
        positive_value=values.get("poscon", float("nan")),
        negative_value=values.get("negcon", float("nan")),
        fraction_low=low,
        fraction_high=high,
        missing=tuple(side.kind for side, _ in classes if side.sums.empty),
        doubts=doubts,
    )
