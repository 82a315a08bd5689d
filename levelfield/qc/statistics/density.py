"""Differences at equal local density, by weights that give two classes the same."""

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.statistics.control_class import ControlClass, estimate_by_well, with_scatter_of
from levelfield.qc.statistics.estimates import Estimate, difference
from levelfield.qc.statistics.field_sums import OF_OBJECTS, measure_terms
from levelfield.questions import MEASURES

SMALLEST_OVERLAP = 0.1
"""Share of each class that must lie in the other's range of densities."""


def density_matched_weights(positive: Floats, negative: Floats) -> tuple[Floats, Floats] | None:
    """Weights that give both classes (n,) the same distribution of local density.

    The range that both classes cover is cut into strata at common quantiles, and a stratum counts
    by the harmonic mean of its sizes in both; densities seen in one class only do not count. None
    when less than a tenth of a class lies in the range of the other.

    Notes
    -----
    Direct standardisation with overlap weights (Li, Morgan & Zaslavsky 2018).
    """
    if min(len(positive), len(negative)) == 0:
        return None
    low, high = max(positive.min(), negative.min()), min(positive.max(), negative.max())
    both = [(values >= low) & (values <= high) for values in (positive, negative)]
    if min(own.mean() for own in both) < SMALLEST_OVERLAP:
        return None
    fewest = min(int(own.sum()) for own in both)
    n_strata = 2 if fewest < 12 else 3 if fewest < 30 else 5
    common = np.concatenate([positive[both[0]], negative[both[1]]])
    cuts = np.quantile(common, np.arange(1, n_strata) / n_strata)
    strata = [np.searchsorted(cuts, values) for values in (positive, negative)]
    there, here = (
        np.bincount(stratum[own], minlength=n_strata).astype(float)
        for stratum, own in zip(strata, both, strict=True)
    )
    shared = there * here / np.maximum(there + here, 1)
    if shared.sum() == 0:
        return None
    weights = [shared / np.maximum(size, 1) for size in (there, here)]
    return both[0] * weights[0][strata[0]], both[1] * weights[1][strata[1]]


def matched_difference(
    measure: str,
    positive: ControlClass,
    negative: ControlClass,
    of_positive: Estimate,
    of_negative: Estimate,
) -> Estimate | None:
    """Return the difference at equal local density; None where the classes share none.

    Objects are matched by their local density, bias by the density of its sites. Of missed objects
    and of agreement, which counts them, there is no density per object: fields are matched by the
    number of true objects.
    """
    units = [_matching_units(side, measure) for side in (positive, negative)]
    weights = density_matched_weights(*(own["density"].to_numpy(float) for own in units))
    if weights is None:
        return None
    there, here = (
        estimate_by_well(own["Metadata_Well"], own["top"] * weight, own["bottom"] * weight)
        for own, weight in zip(units, weights, strict=True)
    )
    if not there.n_wells or not here.n_wells:
        return None
    # A matched estimate from one well takes over the scatter that the wells of its class have.
    return difference(with_scatter_of(there, of_positive), with_scatter_of(here, of_negative))


def _matching_units(side: ControlClass, measure: str) -> pd.DataFrame:
    """Return ``top, bottom, Metadata_Well, density`` of what is matched, where density is known."""
    if measure in OF_OBJECTS:
        units = side.objects
        values = units[OF_OBJECTS[measure]].astype(float)
        terms = pd.DataFrame({"top": values.fillna(0.0), "bottom": values.notna() * 1.0})
    else:
        units, terms = side.sums, measure_terms(side.sums, measure)
    name = "n_true" if MEASURES[measure].counts_missed else "local_density"
    density = units[name].astype(float)
    known = density.notna() & (terms["bottom"] > 0)
    return terms.assign(Metadata_Well=units["Metadata_Well"], density=density)[known]
