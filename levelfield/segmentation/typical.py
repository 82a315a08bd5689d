"""The typical object of some images: what sizes and brightnesses are relative to.

Measured once per plate. Measured per image, outlines would follow what a treatment does to the
cells, and drift between the controls.
"""

from dataclasses import dataclass

import numpy as np

from levelfield.arrays import Floats


@dataclass(frozen=True)
class TypicalObject:
    """The typical object of a plate, and how many it is the median of.

    ``diameter`` (px) is that of a circle of the same area, ``contrast`` the height of the object's
    own brightness above the background beside it, in intensity as the segmenter sees it; NaN where
    it is not known or there are no objects.
    """

    diameter: float
    contrast: float = float("nan")
    n_objects: int = 0


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value below which half of the weight lies; NaN without any."""
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
