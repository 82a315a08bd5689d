"""What the data say of every row, before any calibration or margin: ``qc/estimates.csv``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import pandas as pd

from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.statistics.appearance import appearance_shift
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.control_class import ControlClass, with_scatter_of
from levelfield.qc.statistics.density import matched_difference
from levelfield.qc.statistics.errors import NO_DOUBTS, Doubts
from levelfield.qc.statistics.estimates import Estimate, difference
from levelfield.qc.statistics.field_sums import OF_OBJECTS
from levelfield.qc.statistics.records import shared_fields
from levelfield.qc.statistics.summary import call_shares
from levelfield.questions import MEASURES, SCOPES, Scope

RAW, MATCHED = "raw", "density_matched"
_OF_VARIANTS = ("balance", "splits", "merges")


@dataclass(frozen=True)
class Reading:
    """One estimate as the evidence reads it, in fractions of objects or px.

    Attributes
    ----------
    plate, object_set, measure, question, scope, perturbation, adjustment : str
        Whose, and of what; raw, or density_matched: a difference at equal local density.
    value, variance, degrees_of_freedom : float
        As in `Estimate`. The scatter of a class with one well is borrowed from the class that it is
        compared with; NaN where that has one, too.
    n_wells, fewest_wells, n_sites, n_objects : int
        Behind it; fewest: of the smaller class.
    positive_value, negative_value, fraction_low, fraction_high : float
        Values of both classes of a difference, or of the class itself; and shares of the images
        whose threshold is too low and too high.
    missing, undeclared : tuple of str
        Classes without imaged wells, and without wells in the layout.
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

    Differences come twice, raw and, where both classes share a range of densities, density-matched.

    Parameters
    ----------
    plate, pairs, object_sets : str, sequence of Comparison, sequence of str
        Name, controls and object sets of the plate.
    objects : DataFrame
        From `levelfield.qc.evidence.scores.score_plate`.
    sums : DataFrame
        From `levelfield.qc.statistics.field_sums.field_sums`, with ``threshold_call``
        (`levelfield.qc.statistics.summary.with_calls`).
    """
    found = []
    for object_set in object_sets:
        own = [table[table[OBJECT_SET] == object_set] for table in (objects, sums)]
        sides = [_Sides.of(plate, object_set, pair, own) for pair in pairs]
        for measure in MEASURES:
            seen: set[tuple[str, ...]] = set()
            for each in sides:
                known = each.pair.negative_wells in seen
                rows = each.rows(measure)
                found += [row for row in rows if not (known and row.scope == "negcon")]
                seen.add(each.pair.negative_wells)
    return found


@dataclass(frozen=True)
class _Sides:
    """Both classes of one comparison and object set."""

    plate: str
    object_set: str
    pair: Comparison
    positive: ControlClass
    negative: ControlClass
    shift: Mapping[str, float]

    @classmethod
    def of(
        cls, plate: str, object_set: str, pair: Comparison, tables: Sequence[pd.DataFrame]
    ) -> Self:
        positive, negative = (
            ControlClass(kind, wells, *(own[own["Metadata_Well"].isin(wells)] for own in tables))
            for (kind, _), wells in pair.classes().items()
        )
        shift = appearance_shift(positive.objects, negative.objects)
        return cls(plate, object_set, pair, positive, negative, shift)

    def rows(self, measure: str) -> Iterator[Reading]:
        own = {side.kind: side.estimate(measure) for side in (self.positive, self.negative)}
        of_positive = with_scatter_of(own["poscon"], own["negcon"])
        of_negative = with_scatter_of(own["negcon"], own["poscon"])
        both = difference(of_positive, of_negative)
        for scope, estimate in zip(SCOPES, (of_negative, of_positive, both), strict=True):
            yield self._reading(measure, scope, RAW, estimate, own)
        matched = matched_difference(
            measure, self.positive, self.negative, of_positive, of_negative
        )
        if matched is not None:
            yield self._reading(measure, "difference", MATCHED, matched, own)

    def _reading(
        self,
        measure: str,
        scope: Scope,
        adjustment: str,
        estimate: Estimate,
        of_classes: Mapping[str, Estimate],
    ) -> Reading:
        both = (self.positive, self.negative)
        sides = [side for side in both if scope in ("difference", side.kind)]
        known = {side.kind: of_classes[side.kind] for side in sides}
        values = {kind: each.value for kind, each in known.items()}
        sums = pd.concat([side.sums for side in sides])
        low, high = call_shares(sums["threshold_call"])
        return Reading(
            **shared_fields(estimate, Reading),
            plate=self.plate,
            object_set=self.object_set,
            measure=measure,
            question=MEASURES[measure].question,
            scope=scope,
            perturbation=self.pair.name(scope),
            adjustment=adjustment,
            fewest_wells=min(each.n_wells for each in known.values()),
            n_sites=len(sums),
            n_objects=int(sums["n_objects"].sum()),
            positive_value=values.get("poscon", float("nan")),
            negative_value=values.get("negcon", float("nan")),
            fraction_low=low,
            fraction_high=high,
            missing=tuple(side.kind for side in sides if side.sums.empty),
            undeclared=tuple(side.kind for side in sides if not side.wells),
            doubts=self._doubts(measure, sides),
        )

    def _doubts(self, measure: str, sides: Sequence[ControlClass]) -> Doubts:
        """Return what speaks against trusting the evidence of one row."""
        means = [_variant_means(side.objects, measure) for side in sides]
        variants = (means[0] - means[1] if len(sides) == 2 else means[0]).dropna()
        return Doubts(
            variants=float(variants.max() - variants.min()) if len(variants) else 0.0,
            outside=max(side.out_of_distribution for side in sides),
            **(self.shift if sides[0] is self.positive else {}),
        )


def _variant_means(objects: pd.DataFrame, measure: str) -> pd.Series:
    if measure not in _OF_VARIANTS:
        return pd.Series(dtype=float)
    own = OF_OBJECTS[measure]
    names = [name for name in objects if name.startswith(f"{measure}_") and name != own]
    return objects[names].mean()
