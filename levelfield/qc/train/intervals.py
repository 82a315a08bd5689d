"""Figures with 90 % intervals from resampled groups of images."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Floats

BOOTSTRAPS = 400

Interval = tuple[float, float, float]


def by_groups(
    sums: pd.DataFrame, groups: pd.Series, figure: Callable[[Floats], AnyArray]
) -> Interval:
    """Return a figure with its 90 % interval, groups of images being resampled.

    It is made from sums over rows (..., columns), which come out as figures (...).
    """
    parts = sums.groupby(groups).sum().to_numpy(float)
    if len(parts) == 0:
        return (float("nan"),) * 3
    value = float(figure(parts.sum(axis=0)))
    if len(parts) < 2:
        return value, float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(0, len(parts), (BOOTSTRAPS, len(parts)))
    found = figure(parts[drawn].sum(axis=1))
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [0.05, 0.95]) if len(found) else (np.nan, np.nan)
    return value, float(low), float(high)


def share_by_groups(flags: pd.Series, groups: pd.Series) -> Interval:
    """Return a share with its interval; NaN where nothing counts."""
    return _mean_by_groups(flags, groups, _ratio)


def rms_by_groups(errors: pd.Series, groups: pd.Series) -> Interval:
    """Return a root mean square with its interval."""
    return _mean_by_groups(errors**2, groups, lambda own: np.sqrt(_ratio(own)))


def _mean_by_groups(
    values: pd.Series, groups: pd.Series, figure: Callable[[Floats], AnyArray]
) -> Interval:
    known = values.notna()
    sums = pd.DataFrame({"sum": values[known].astype(float), "all": 1.0})
    return by_groups(sums, groups[known], figure)


def correlation_by_groups(x: pd.Series, y: pd.Series, groups: pd.Series) -> Interval:
    """Return Pearson's correlation with its interval."""
    sums = pd.DataFrame({"x": x, "y": y, "xx": x**2, "yy": y**2, "xy": x * y, "all": 1.0})
    return by_groups(sums, groups, _correlation)


def named(name: str, interval: Interval) -> dict[str, float]:
    """Return a figure and the ends of its interval as columns of a table."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def _correlation(sums: Floats) -> Floats:
    x, y, xx, yy, xy, n = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (xx - x * x / n) * (yy - y * y / n)
        return (xy - x * y / n) / np.sqrt(np.maximum(spread, 1e-30))
