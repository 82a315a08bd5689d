"""How far the balance of a well may lie from the others by the number of its objects alone.

A well with few objects scatters more than one with many. Limits that narrow with the number of
objects tell a well that differs from one that is merely small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from levelfield.arrays import Floats

FEWEST_WELLS = 3


@dataclass(frozen=True)
class Funnel:
    """What wells of one kind let expect of another such well.

    Attributes
    ----------
    centre, n_objects : float
        Mean over all objects of the wells, and their number.
    variance_per_object : float
        Variance of a well's value, times its number of objects.
    degrees_of_freedom : int
        Wells − 1.
    """

    centre: float
    variance_per_object: float
    n_objects: float
    degrees_of_freedom: int

    def limits(self, n_objects: ArrayLike, level: float) -> tuple[Floats, Floats]:
        """Return between what values a well with so many objects (n,) lies, at a level (0.95)."""
        reach = special.stdtrit(self.degrees_of_freedom, 0.5 + level / 2) * np.sqrt(
            self.variance_per_object * (1 / np.asarray(n_objects, float) + 1 / self.n_objects)
        )
        return self.centre - reach, self.centre + reach


def fit_funnel(values: ArrayLike, n_objects: ArrayLike) -> Funnel | None:
    """Fit control limits to the wells (w,) of one class; None with fewer than `FEWEST_WELLS`.

    Values are means over the objects of each well; wells whose value is NaN do not count.

    Notes
    -----
    D. J. Spiegelhalter, *Funnel plots for comparing institutional performance*, Stat. Med. 24,
    1185–1202, 2005. The scatter between wells that their numbers of objects do not explain widens
    the limits (its multiplicative over-dispersion), as it is estimated from the wells themselves.
    """
    known: Floats = np.asarray(values, float)
    objects: Floats = np.asarray(n_objects, float)
    usable = np.isfinite(known) & (objects > 0)
    known, objects = known[usable], objects[usable]
    if len(known) < FEWEST_WELLS:
        return None
    centre = float(np.average(known, weights=objects))
    freedom = len(known) - 1
    variance = float(np.sum(objects * (known - centre) ** 2) / freedom)
    return Funnel(centre, variance, float(objects.sum()), freedom)
