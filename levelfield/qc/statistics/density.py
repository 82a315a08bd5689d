"""Weights that give two classes the same local density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALLEST_OVERLAP = 0.1
"""Share of each class that must lie in the other's range of densities."""


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
