"""Do the control classes look different? Then the evidence may mistake looks for errors.

A positive control is meant to look different. Smaller, blurred, noisier or coarser objects move the
evidence of splits and merges in one class only, as an error of the segmentation would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.qc.evidence.typical import typical_object

LARGEST_RANGE = 0.06
"""Of the variants' differences of balance, as a fraction: beyond, they contradict each other."""
SATURATED_OBJECT = 0.05
"""Share of clipped pixels from which an object counts as saturated."""
LARGEST_SATURATED = 0.01
"""Share of saturated objects that a class may have more than the other."""
_RATIOS = {
    "sharpness": ("edge_sharpness", 1.5),
    "contrast over noise": ("contrast_to_noise", 1.5),
    "fine texture": ("grain", 1.5),
}
_LARGEST_SIZE_RATIO = 1.3
SATURATION = "saturation"


@dataclass(frozen=True)
class Look:
    """One way in which the classes look different.

    Attributes
    ----------
    name : str
        size, sharpness, contrast over noise, fine texture, or saturation.
    value : float
        Of the positive class over that of the negative class; for saturation the difference of
        shares of saturated objects.
    """

    name: str
    value: float

    def __str__(self) -> str:
        if self.name == SATURATION:
            return f"{self.name} ({100 * self.value:+.1f} % of objects)"
        return f"{self.name} ({self.value:.2f}×)"


def different_looks(positive: pd.DataFrame, negative: pd.DataFrame) -> list[Look]:
    """List the ways in which two classes look more different than the evidence can bear.

    Parameters
    ----------
    positive, negative : pandas.DataFrame
        Objects of one object set and class, with the features of
        `levelfield.qc.evidence.features.field_features`.

    Returns
    -------
    list of Look
        Empty when the classes look alike, or when one has no objects.
    """
    if min(len(positive), len(negative)) == 0:
        return []
    found = []
    size = typical_object(positive).area_px / typical_object(negative).area_px
    if _is_beyond(size, _LARGEST_SIZE_RATIO):
        found.append(Look("size", float(size)))
    for name, (column, most) in _RATIOS.items():
        ratio = _median(positive, column) / _median(negative, column)
        if _is_beyond(ratio, most):
            found.append(Look(name, ratio))
    more = _saturated(positive) - _saturated(negative)
    if abs(more) > LARGEST_SATURATED:
        found.append(Look(SATURATION, more))
    return found


def _is_beyond(ratio: float, most: float) -> bool:
    return bool(np.isfinite(ratio)) and not 1 / most <= ratio <= most


def _median(objects: pd.DataFrame, column: str) -> float:
    values = objects[column].dropna()
    return float(values.median()) if len(values) and values.median() > 0 else float("nan")


def _saturated(objects: pd.DataFrame) -> float:
    return float((objects["saturated"] > SATURATED_OBJECT).mean())
