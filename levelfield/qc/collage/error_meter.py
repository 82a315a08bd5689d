"""How far the evidence may err on a plate, by how far it errs on the plate's own collages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from levelfield.arrays import AnyArray, Floats


@dataclass(frozen=True)
class ErrorMeter:
    """The variance of an error: V = floor² + k1 (Ec − a)² + k2 (Ec − E)².

    Ec and a are what the evidence reads of collages and what is true of them, E what it reads of
    the plate, all as differences between classes. The error is taken to follow Student's t.

    Attributes
    ----------
    floor : float
        Standard error where collages read what is true, and as the plate does.
    per_collage_error, per_gap : float
        k1 and k2.
    degrees_of_freedom : float
        One less than the groups of images that it was fitted on.
    """

    floor: float
    per_collage_error: float
    per_gap: float
    degrees_of_freedom: float

    def variance(self, read: Floats, truth: Floats, on_plate: Floats) -> Floats:
        """Return the variance from Ec, a and E (n,)."""
        terms = self.per_collage_error * (read - truth) ** 2 + self.per_gap * (read - on_plate) ** 2
        return np.asarray(self.floor**2 + terms)

    def half_width(self, read: Floats, truth: Floats, on_plate: Floats, level: float) -> Floats:
        """Return half of the interval's width at a level such as 0.9."""
        quantile = stats.t.ppf(0.5 + level / 2, self.degrees_of_freedom)
        return np.asarray(quantile * np.sqrt(self.variance(read, truth, on_plate)))


def fit_error_meter(
    error: Floats, read: Floats, truth: Floats, on_plate: Floats, groups: AnyArray
) -> ErrorMeter:
    """Fit the constants to plates of known truth, the likeliest under a normal distribution.

    Every group of images weighs the same, however many plates were made of it.

    Parameters
    ----------
    error : (n,) float
        Of the estimate: reading less truth of each plate.
    read, truth, on_plate : (n,) float
        Ec, a and E.
    groups : (n,) array
        Group of images of each plate.

    Raises
    ------
    ValueError
        With fewer than two groups: one says nothing of others.
    """
    names, members = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"an error meter needs plates of two groups of images at least, not of {len(names)}"
        )
    weights = 1.0 / np.bincount(members)[members]
    parts = np.stack([np.ones_like(error), (read - truth) ** 2, (read - on_plate) ** 2])

    def loss(logs: Floats) -> float:
        variance = np.exp(2 * logs) @ parts
        return float(weights @ (np.log(variance) + error**2 / variance))

    scale = max(float(np.sqrt(np.mean(error**2))), 1e-4)
    start = np.log([scale, 1.0, 0.3])
    bounds = [(np.log(1e-4), np.log(1.0)), (np.log(1e-3), np.log(5.0)), (np.log(1e-3), np.log(5.0))]
    floor, *roots = np.exp(optimize.minimize(loss, start, bounds=bounds, method="L-BFGS-B").x)
    return ErrorMeter(float(floor), float(roots[0] ** 2), float(roots[1] ** 2), len(names) - 1)


def leave_group_out(
    error: Floats, read: Floats, truth: Floats, on_plate: Floats, groups: AnyArray, level: float
) -> Floats:
    """Return half-widths of intervals (n,), each by a meter that never saw the plate's group."""
    widths = np.full(len(error), np.nan)
    for name in np.unique(groups):
        own = groups == name
        others = error[~own], read[~own], truth[~own], on_plate[~own]
        meter = fit_error_meter(*others, groups[~own])
        widths[own] = meter.half_width(read[own], truth[own], on_plate[own], level)
    return widths
