"""A picture of a flat field."""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from levelfield.illumination.flat_field import FlatField


def draw_flat_field(flat_field: FlatField, channel: str) -> Figure:
    """Draw the field as a map beside its profiles along the two diagonals.

    Parameters
    ----------
    flat_field : FlatField
        Field of one channel.
    channel : str
        Its name, for the title.

    Returns
    -------
    matplotlib.figure.Figure
        9 x 4.4 inches; save it with ``figure.savefig``.
    """
    field = flat_field.field
    rows, columns = field.shape
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    map_axes, profile_axes = figure.subplots(1, 2, width_ratios=[1, 1.15])
    # At most ~600 px a side is all that the picture shows.
    step = max(1, max(field.shape) // 600)
    limits = {"vmin": min(field.min(), 0.9), "vmax": max(field.max(), 1.1)}
    extent = (0, columns, rows, 0)
    shown = map_axes.imshow(field[::step, ::step], cmap="viridis", extent=extent, **limits)
    figure.colorbar(shown, ax=map_axes, label="relative illumination", shrink=0.85)
    map_axes.set(xlabel="x (px)", ylabel="y (px)")

    along = np.linspace(0, 1, 400)
    y = np.rint(along * (rows - 1)).astype(int)
    x = np.rint(along * (columns - 1)).astype(int)
    for name, profile, style, colour in (
        ("top left to bottom right", field[y, x], "-", "#1b6ca8"),
        ("bottom left to top right", field[y[::-1], x], "--", "#d1495b"),
    ):
        profile_axes.plot(100 * along, profile, style, color=colour, label=name)
        where = y if style == "-" else y[::-1]
        map_axes.plot(x, where, style, color="white", linewidth=0.9, alpha=0.8)
    profile_axes.axhline(1, color="0.6", linewidth=0.8)
    profile_axes.set(
        xlabel="along the diagonal (%)",
        ylabel="relative illumination",
        ylim=(min(0.9, float(field.min()) - 0.03), max(1.1, float(field.max()) + 0.03)),
    )
    profile_axes.spines[["top", "right"]].set_visible(False)
    profile_axes.legend(frameon=False, loc="lower center")
    offset = flat_field.camera_offset
    figure.suptitle(f"{channel}: {flat_field.status}", fontsize=12, fontweight="bold")
    caption = (
        f"{flat_field.reason} Camera offset {offset.counts:.1f} ± {offset.uncertainty:.1f} counts "
        f"({offset.source})."
    )
    figure.supxlabel(textwrap.fill(caption, 130), fontsize=8.5, color="0.3")
    return figure
