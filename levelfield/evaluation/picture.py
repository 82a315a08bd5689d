"""A picture of evaluated images: how good, which errors, and at which object size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from levelfield.evaluation.scores import AP_PERCENTS
from levelfield.evaluation.tables import ALL_SIZES, SIZE_CLASSES

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
ERROR_RATES = {
    "split_rate": "split",
    "merge_rate": "merged",
    "missed_rate": "missed",
    "extra_rate": "extra",
}


def draw_evaluation(images: pd.DataFrame, by: Sequence[str] = ()) -> Figure:
    """Draw AP over IoU, error rates, and AP per size class, from `evaluate_images`.

    A colour for each group of the metadata columns `by`, at most eight. Means over images; the bars
    are their standard errors.
    """
    groups = _groups(images, list(by))
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    curve, errors, sizes = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    for number, (name, rows) in enumerate(groups.items()):
        whole = rows[rows["size_class"] == ALL_SIZES]
        style: dict[str, Any] = {
            "color": COLOURS[number],
            "capsize": 2,
            "label": f"{name} (n = {len(whole)})",
        }
        offset = (number - (len(groups) - 1) / 2) * 0.8 / len(groups)
        _draw_curve(curve, whole, style)
        _draw_points(errors, [whole[rate] for rate in ERROR_RATES], offset, style)
        by_size = [rows.loc[rows["size_class"] == size, "ap_50"] for size in SIZE_CLASSES]
        _draw_points(sizes, by_size, offset, style)
    curve.set(
        xlabel="threshold of the matching criterion",
        ylabel="AP = TP / (TP + FP + FN)",
        ylim=(0, 1.02),
    )
    curve.set_title("Agreement with the reference")
    errors.set_xticks(range(len(ERROR_RATES)), ERROR_RATES.values())
    errors.set(ylabel="share of objects", title="Errors")
    errors.set_ylim(bottom=0)
    sizes.set_xticks(range(len(SIZE_CLASSES)), SIZE_CLASSES)
    sizes.set(ylabel="AP at IoU 0.5", title="By object size", ylim=(0, 1.02))
    title = "mean ± standard error over images"
    handles, names = curve.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, title=title)
    for axes in (curve, errors, sizes):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _groups(images: pd.DataFrame, by: list[str]) -> dict[str, pd.DataFrame]:
    if not by:
        return {"all images": images}
    groups = {
        ", ".join(str(part) for part in key): rows
        for key, rows in images.groupby(by, sort=True, dropna=False, observed=True)
    }
    if len(groups) > len(COLOURS):
        raise ValueError(
            f"{by} form {len(groups)} groups, but the picture has colours for {len(COLOURS)}. "
            "Group by a coarser column, or draw a selection of the images."
        )
    return groups


def _draw_curve(axes: Axes, whole: pd.DataFrame, style: dict[str, Any]) -> None:
    scores = whole[[f"ap_{percent}" for percent in AP_PERCENTS]]
    threshold = np.array(AP_PERCENTS) / 100
    axes.errorbar(threshold, scores.mean(), _standard_errors(scores), marker="o", **style)


def _draw_points(
    axes: Axes, values: Sequence[pd.Series], offset: float, style: dict[str, Any]
) -> None:
    axes.set_xlim(-0.5, len(values) - 0.5)
    position = np.arange(len(values)) + offset
    mean = [value.mean() for value in values]
    spread = [_standard_errors(value) for value in values]
    axes.errorbar(position, mean, spread, marker="o", linestyle="none", **style)


def _standard_errors(values: pd.DataFrame | pd.Series) -> pd.Series | float:
    """Return standard errors of the mean; 0, drawn as no bar, where there is one image."""
    error = values.sem()
    return error.fillna(0) if isinstance(error, pd.Series) else float(np.nan_to_num(error))
