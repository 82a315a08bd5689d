"""Differences at equal local density, by weights that give two classes the same."""

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.statistics.control_class import ControlClass, estimate_by_well, with_scatter_of
from levelfield.qc.statistics.estimates import Estimate, difference
from levelfield.qc.statistics.field_sums import OF_OBJECTS, measure_terms

SMALLEST_OVERLAP = 0.1
"""Share of each class that must lie in the other's range of densities."""


def density_matched_weights(positive: Floats, negative: Floats) -> tuple[Floats, Floats] | None:
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
    of_positive, of_negative = (
        each * (shared / np.maximum(size, 1))[stratum]
        for each, size, stratum in zip(inside, sizes, strata, strict=True)
    )
    return of_positive, of_negative


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
    units = [each[each["density"].notna() & (each["bottom"] > 0)] for each in units]
    weights = density_matched_weights(*(each["density"].to_numpy(float) for each in units))
    if weights is None:
        return None
    estimates = [
        estimate_by_well(each["Metadata_Well"], each["top"] * weight, each["bottom"] * weight)
        for each, weight in zip(units, weights, strict=True)
    ]
    if min(each.n_wells for each in estimates) == 0:
        return None
    # A matched estimate from one well takes over the scatter that the wells of its class have.
    return difference(
        with_scatter_of(estimates[0], of_positive), with_scatter_of(estimates[1], of_negative)
    )


def _matching_units(side: ControlClass, measure: str) -> pd.DataFrame:
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
