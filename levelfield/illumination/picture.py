"""A picture of a flat field."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from levelfield.arrays import Image
from levelfield.illumination.flat_field import FlatField


def draw_flat_field(flat_field: FlatField, channel: str) -> Figure:
    """Draw the field as a map beside its profiles along the two diagonals (9 x 4.4 inches)."""
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    map_axes, profile_axes = figure.subplots(1, 2, width_ratios=[1, 1.15])
    shown = _draw_map(map_axes, flat_field.field)
    figure.colorbar(shown, ax=map_axes, label="relative illumination", shrink=0.85)
    _draw_profiles(map_axes, profile_axes, flat_field.field)
    offset = flat_field.camera_offset
    figure.suptitle(f"{channel}: {flat_field.status}", fontsize=12, fontweight="bold")
    caption = (
        f"{flat_field.reason} Camera offset {offset.counts:.1f} ± {offset.uncertainty:.1f} counts "
        f"({offset.source})."
    )
    figure.supxlabel(textwrap.fill(caption, 130), fontsize=8.5, color="0.3")
    return figure


def _draw_map(axes: Axes, field: Image) -> AxesImage:
    rows, columns = field.shape
    # At most ~600 px a side is all that the picture shows.
    step = max(1, max(field.shape) // 600)
    limits = {"vmin": min(field.min(), 0.9), "vmax": max(field.max(), 1.1)}
    extent = (0, columns, rows, 0)
    axes.set(xlabel="x (px)", ylabel="y (px)")
    return axes.imshow(field[::step, ::step], cmap="viridis", extent=extent, **limits)


def _draw_profiles(map_axes: Axes, axes: Axes, field: Image) -> None:
    """Draw the profiles along both diagonals, and the diagonals on the map."""
    along = np.linspace(0, 1, 400)
    y, x = (np.rint(along * (side - 1)).astype(int) for side in field.shape)
    for name, rows, style, colour in (
        ("top left to bottom right", y, "-", "#1b6ca8"),
        ("bottom left to top right", y[::-1], "--", "#d1495b"),
    ):
        axes.plot(100 * along, field[rows, x], style, color=colour, label=name)
        map_axes.plot(x, rows, style, color="white", linewidth=0.9, alpha=0.8)
    axes.axhline(1, color="0.6", linewidth=0.8)
    axes.set(
        xlabel="along the diagonal (%)",
        ylabel="relative illumination",
        ylim=(min(0.9, float(field.min()) - 0.03), max(1.1, float(field.max()) + 0.03)),
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower center")
