"""Appearance shift: how differently two control classes look.

A positive control is meant to look different. Smaller, blurred, noisier or coarser objects move the
evidence in one class only, as an error of the segmentation would; how far, is learned
(`levelfield.qc.statistics.errors.ErrorModel`).
"""

import numpy as np
import pandas as pd

SATURATED_OBJECT = 0.05
"""Share of clipped pixels from which an object counts as saturated."""
APPEARANCE = {
    "size": "area_px",
    "sharpness": "edge_sharpness",
    "contrast": "contrast_to_noise",
    "grain": "grain",
}
"""Ways of looking different, and the features that they are the median of."""


def appearance_shift(positive: pd.DataFrame, negative: pd.DataFrame) -> dict[str, float]:
    """Measure how differently two classes look.

    Parameters
    ----------
    positive, negative : DataFrame
        Objects of one object set and class, with the features of
        `levelfield.qc.evidence.features.field_features`.

    Returns
    -------
    dict of str to float
        By `APPEARANCE` the absolute logarithm of the ratio of medians, and ``saturation``, the
        absolute difference of the shares of saturated objects; 0 where a class has no objects or
        nothing was measured.
    """
    medians, others = appearance_of(positive), appearance_of(negative)
    found = {name: abs(value - others[name]) for name, value in medians.items()}
    found["saturation"] = abs(_saturated(positive) - _saturated(negative))
    return {name: value if np.isfinite(value) else 0.0 for name, value in found.items()}


def appearance_of(objects: pd.DataFrame) -> dict[str, float]:
    """Return the logarithms of the medians of `APPEARANCE`; NaN where nothing was measured."""
    return {name: log_median(objects, column) for name, column in APPEARANCE.items()}


def log_median(objects: pd.DataFrame, column: str) -> float:
    """Return the logarithm of the median of what was measured; NaN where that is not above 0."""
    values = objects[column].to_numpy(float)
    values = values[np.isfinite(values)]
    middle = float(np.median(values)) if len(values) else 0.0
    return float(np.log(middle)) if middle > 0 else float("nan")


def _saturated(objects: pd.DataFrame) -> float:
    if objects.empty:
        return float("nan")
    return float((objects["saturated"] > SATURATED_OBJECT).mean())
