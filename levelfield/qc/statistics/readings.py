"""What the data say of every row, before any calibration or margin: ``qc/estimates.csv``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.measures import MEASURES, SCOPES, Scope
from levelfield.qc.statistics.appearance import appearance_shift
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.control_class import ControlClass, borrow_scatter
from levelfield.qc.statistics.density import matched_difference
from levelfield.qc.statistics.errors import NO_DOUBTS, Doubts
from levelfield.qc.statistics.estimates import Estimate, difference
from levelfield.qc.statistics.field_sums import OF_OBJECTS
from levelfield.qc.statistics.summary import call_shares

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
    undeclared : tuple of str
        Those of them that have no wells in the layout either.
    doubts : Doubts
        What speaks against trusting it.
    """

    plate: str
    object_set: str
    measure: str
    question: str
    scope: Scope
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
    undeclared: tuple[str, ...] = ()
    doubts: Doubts = field(default=NO_DOUBTS, metadata={"prefix": "doubt_"})

    @property
    def estimate(self) -> Estimate:
        """The estimate by itself."""
        return Estimate(self.value, self.variance, self.degrees_of_freedom, self.n_wells)

    @property
    def key(self) -> tuple[str, str, Scope, str]:
        """Which row of a plate it belongs to."""
        return self.object_set, self.measure, self.scope, self.perturbation


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
                ControlClass.of_wells(kind, wells, own_objects, own_sums)
                for kind, wells in (
                    ("poscon", pair.positive_wells),
                    ("negcon", pair.negative_wells),
                )
            )
            shift = appearance_shift(positive.objects, negative.objects)
            for measure in MEASURES:
                rows = _rows_of_pair(measure, pair, positive, negative, shift)
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


def _rows_of_pair(
    measure: str,
    pair: Comparison,
    positive: ControlClass,
    negative: ControlClass,
    shift: Mapping[str, float],
) -> list[Reading]:
    own = {side.kind: side.estimate(measure) for side in (positive, negative)}
    of_positive = borrow_scatter(own["poscon"], own["negcon"])
    of_negative = borrow_scatter(own["negcon"], own["poscon"])
    doubts = {scope: _row_doubts(scope, measure, positive, negative, shift) for scope in SCOPES}
    classes = [(positive, own["poscon"]), (negative, own["negcon"])]

    def row(scope: Scope, adjustment: str, estimate: Estimate) -> Reading:
        sides = [each for each in classes if scope in ("difference", each[0].kind)]
        name = pair.negative_name if scope == "negcon" else pair.perturbation
        return _reading(measure, scope, name, adjustment, estimate, sides, doubts[scope])

    rows = [
        row("negcon", RAW, of_negative),
        row("poscon", RAW, of_positive),
        row("difference", RAW, difference(of_positive, of_negative)),
    ]
    matched = matched_difference(measure, positive, negative, of_positive, of_negative)
    if matched is not None:
        rows.append(row("difference", MATCHED, matched))
    return rows


def _row_doubts(
    scope: str,
    measure: str,
    positive: ControlClass,
    negative: ControlClass,
    shift: Mapping[str, float],
) -> Doubts:
    """Return what speaks against trusting the evidence of one row."""
    if scope == "negcon":
        return Doubts(
            variants=_range(_variant_means(negative.objects, measure)),
            outside=negative.out_of_distribution,
        )
    means = _variant_means(positive.objects, measure)
    outside = positive.out_of_distribution
    if scope == "difference":
        means = means - _variant_means(negative.objects, measure)
        outside = max(outside, negative.out_of_distribution)
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


def _reading(
    measure: str,
    scope: Scope,
    name: str,
    adjustment: str,
    estimate: Estimate,
    classes: Sequence[tuple[ControlClass, Estimate]],
    doubts: Doubts,
) -> Reading:
    values = {side.kind: each.value for side, each in classes}
    sums = pd.concat([side.sums for side, _ in classes])
    low, high = call_shares(sums["threshold_call"])
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
        undeclared=tuple(side.kind for side, _ in classes if not side.wells),
        doubts=doubts,
    )
