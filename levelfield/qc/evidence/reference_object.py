"""The reference object of a plate: its most common object, by which others are large or small."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.arrays import Floats


@dataclass(frozen=True)
class ReferenceObject:
    """The object that is most common on a plate, whatever its class.

    Attributes
    ----------
    area_px : float
        Mode of the areas; NaN without objects.
    integrated_intensity : float
        Mode of the intensities above background, summed over each object; NaN without objects.
    contrast_to_noise : float
        Median of the objects' contrasts over the noise of their background; NaN without objects.
    """

    area_px: float
    integrated_intensity: float
    contrast_to_noise: float


def reference_object(objects: pd.DataFrame) -> ReferenceObject:
    """Find the reference object of one object set from all fields of a plate together.

    Objects at the border of a field are cut and do not count, unless there are no others. The
    table's order and its division into packs do not matter, nor do the control classes.

    Parameters
    ----------
    objects : pandas.DataFrame
        Rows of `levelfield.qc.evidence.features.field_features`, one object set, all fields.
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


def reference_objects(objects: pd.DataFrame, group: pd.Series) -> dict[str, ReferenceObject]:
    """Find the reference object of each group of objects."""
    return {str(name): reference_object(rows) for name, rows in objects.groupby(group, sort=True)}


def reference_rows(references: Mapping[str, ReferenceObject], group: pd.Series) -> pd.DataFrame:
    """Return the reference object of each row's group: its attributes as columns."""
    return pd.DataFrame(
        {
            name: group.map({key: getattr(known, name) for key, known in references.items()})
            for name in ("area_px", "integrated_intensity", "contrast_to_noise")
        }
    ).astype(float)
