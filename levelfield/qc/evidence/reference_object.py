"""The reference object of a plate: its most common object, by which others are large or small."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Floats


class ReferenceObject(NamedTuple):
    """The object that is most common on a plate, whatever its class; NaN without objects.

    Modes of the areas and of the intensities above background, summed over each object, and the
    median of the objects' contrasts over the noise of their background.
    """

    area_px: float
    integrated_intensity: float
    contrast_to_noise: float


def reference_object(objects: pd.DataFrame) -> ReferenceObject:
    """Find the reference object of one object set from all fields of a plate together.

    Objects at the border of a field are cut and do not count, unless there are no others. The
    table's order and its division into packs do not matter, nor do the control classes.
    """
    whole = objects[~objects["touches_border"].astype(bool)]
    chosen = whole if len(whole) else objects
    return ReferenceObject(
        _mode(chosen["area_px"].to_numpy(float)),
        _mode(chosen["integrated_intensity"].to_numpy(float)),
        float(chosen["contrast_to_noise"].median()) if len(chosen) else float("nan"),
    )


def _mode(values: Floats) -> float:
    """Mode of positive values on a logarithmic scale, by a smoothed histogram."""
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        return float("nan")
    logs = np.sort(np.log(values))
    low, high = np.percentile(logs, [25, 75])
    # Silverman's rule with the robust spread: debris and clumps must not widen the kernel.
    spread = max((high - low) / 1.34, 0.05)
    width = max(0.9 * spread * logs.size**-0.2, 0.02)
    grid = np.arange(low - 2 * spread, high + 2 * spread + 0.01, 0.01)
    counts = np.histogram(logs, np.append(grid - 0.005, grid[-1] + 0.005))[0]
    kernel = np.exp(-0.5 * (np.arange(-4 * width, 4 * width + 0.005, 0.01) / width) ** 2)
    density = np.convolve(counts, kernel, mode="same")
    if density.size > grid.size:
        return float(np.exp(np.median(logs)))
    return float(np.exp(grid[int(np.argmax(density))]))


def reference_objects(objects: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Find the reference object of each group of objects: a row each, by the group's name."""
    found = {name: reference_object(rows) for name, rows in objects.groupby(group, sort=True)}
    return pd.DataFrame(
        list(found.values()), list(found), ReferenceObject._fields, dtype=np.float64
    )


def reference_rows(references: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Return the reference object of each row's group."""
    return references.reindex(group).set_axis(group.index)


def candidate_references(
    candidates: pd.DataFrame, group: pd.Series, references: pd.DataFrame
) -> pd.DataFrame:
    """Return the reference object of each candidate's group.

    In groups without any object, candidates are their own measure.
    """
    alone = ~group.isin(references.index)
    own = reference_objects(candidates[alone], group[alone])
    return reference_rows(pd.concat([references, own]), group)
