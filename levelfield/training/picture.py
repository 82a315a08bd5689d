"""Pictures of a training: its losses, and how much is left to correct from round to round."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "0.55"
_NOT_A_HEAD = ("step", "learning_rate", "training", "validation")


def _figure(title: str) -> tuple[Figure, Axes, Axes]:
    """Return a figure with a title, and its two axes side by side."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure, left, right


def draw_losses(history: pd.DataFrame, title: str) -> Figure:
    """Draw the sum of all losses and every head's, from the history of a `TrainingResult`."""
    figure, whole, parts = _figure(title)
    whole.plot(history["step"], history["training"], color=_BLUE, label="training")
    if "validation" in history:
        whole.plot(history["step"], history["validation"], color=_ORANGE, label="validation")
        best = history.iloc[int(history["validation"].argmin())]
        kept = f"kept: step {best['step']:.0f}"
        whole.axvline(best["step"], color=_GREY, linestyle=":", label=kept)
    for head in history.columns.drop(list(_NOT_A_HEAD), errors="ignore"):
        parts.plot(history["step"], history[head], label=head.replace("_", " "))
    whole.set(xlabel="step", ylabel="loss", title="All heads together")
    parts.set(xlabel="step", title="Head by head, training")
    for axes in (whole, parts):
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)
    return figure


def draw_generations(table: pd.DataFrame, title: str) -> Figure:
    """Draw what people had to correct, and the test scores, from a table of `generations`."""
    figure, shares, scores = _figure(title)
    _draw_shares(shares, table)
    for column, colour, name in (("ap_50", _BLUE, "AP@0.5"), ("ap_70", _GREEN, "AP@0.7")):
        known = table.dropna(subset=[column])
        scores.plot(known["generation"], known[column], "o-", color=colour, label=name)
    scores.set(ylabel="AP on the test groups", ylim=(0, 1.02), title="Scores")
    if scores.lines and any(np.size(line.get_xdata()) for line in scores.lines):
        scores.legend(frameon=False, loc="lower right")
    for axes in (shares, scores):
        axes.set_xlabel("generation of weights (0: as they were)")
        axes.set_xlim(-0.3, table["generation"].max() + 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _draw_shares(axes: Axes, table: pd.DataFrame) -> None:
    known = table.dropna(subset=["share_corrected"])
    share = 100 * known["share_corrected"].to_numpy(float)
    low = share - 100 * known["share_low"].to_numpy(float)
    high = 100 * known["share_high"].to_numpy(float) - share
    spread = np.maximum([low, high], 0)
    axes.errorbar(known["generation"], share, spread, fmt="o-", color=_ORANGE, capsize=3)
    for x, y, n in zip(known["generation"], share, known["n_judged"], strict=True):
        axes.annotate(f"n = {n:.0f}", (x, y), (6, 6), textcoords="offset points", fontsize=8)
    axes.set(ylabel="objects to correct (%)", title="Corrections, with 95 % intervals")
    axes.set_ylim(bottom=0)
