"""Plate maps: a plate as its wells lie, coloured by a quantity."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import colormaps

from levelfield.config.planted import COLUMN, PLANTED
from levelfield.config.wells import PLATE_SHAPES, row_column, row_letters
from levelfield.qc.wording.numbers import plain
from levelfield.qc.wording.questions import CLASS_TITLES
from levelfield.report import svg
from levelfield.report.quantities import Quantity

SEQUENTIAL, DIVERGING = "cividis", "PuOr_r"
"""Both keep their order for every kind of colour vision, and in grey the first does too."""
_CELL = {6: 56, 12: 46, 24: 38, 48: 32, 96: 26, 384: 16, 1536: 10}
_LEFT, _TOP, _LEGEND = 26, 18, 42
_PERCENT_SHOWN = (2, 98)
_MANY_WELLS = 50
_STEPS = 17


@dataclass(frozen=True)
class Colours:
    """Colours of values between two ends; beyond an end the colour stays the same."""

    low: float
    high: float
    map_name: str

    def rgb(self, value: float) -> tuple[int, int, int]:
        """Return red, green and blue, 0 to 255."""
        share = (value - self.low) / (self.high - self.low)
        red, green, blue, _ = colormaps[self.map_name](min(max(share, 0.0), 1.0), bytes=True)
        return int(red), int(green), int(blue)

    def hexadecimal(self, value: float) -> str:
        """Return the colour as ``#rrggbb``."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb(value))

    def ink(self, value: float) -> str:
        """Return black or white, whichever is seen on the colour of a value."""
        red, green, blue = self.rgb(value)
        return "#111" if 0.3 * red + 0.59 * green + 0.11 * blue > 115 else "#fff"


def colours_of(quantity: Quantity) -> Colours:
    """Choose the colours of a quantity.

    They span the 2nd to 98th percentile of the wells (of few wells, all of them), so that one odd
    well does not pale all others. Where zero is the ideal it is the middle, and the strongest
    colour lies at the margin or beyond, so that harmless values stay pale.
    """
    values = quantity.per_well.to_numpy(float)
    finite = values[np.isfinite(values)]
    shown = _PERCENT_SHOWN if finite.size >= _MANY_WELLS else (0, 100)
    if quantity.margin:
        size = float(np.percentile(np.abs(finite), shown[1])) if finite.size else 0.0
        reach = max(size, quantity.margin)
        return Colours(-reach, reach, DIVERGING)
    if finite.size == 0:
        return Colours(0.0, 1.0, SEQUENTIAL)
    low, high = (float(value) for value in np.percentile(finite, shown))
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Colours(low, high, SEQUENTIAL)


def draw_plate_map(quantity: Quantity, n_wells: int, layout: pd.DataFrame) -> Markup:
    """Draw a plate map as SVG; the mouse over a well shows what it holds and its value.

    Control wells carry a circle (negcon) or a triangle (poscon); wells of the layout without a
    value are hatched; wells outside the layout are empty. A well with several images gets their
    mean.

    Parameters
    ----------
    n_wells : int
        Plate format, 6 to 1536.
    layout : pandas.DataFrame
        ``Metadata_Well, Metadata_ControlType`` and the further columns of a layout.
    """
    rows, columns = PLATE_SHAPES[n_wells]
    cell = _CELL[n_wells]
    values, colours = quantity.per_well, colours_of(quantity)
    grid = {"width": columns * cell, "height": rows * cell}
    parts = _axis_labels(rows, columns, cell)
    parts.append(svg.element("rect", x=_LEFT, y=_TOP, class_="plate-ground", **grid))
    for well in layout.to_dict("records"):
        row, column = row_column(well["Metadata_Well"])
        corner = _LEFT + (column - 1) * cell, _TOP + (row - 1) * cell
        value = float(values.get(well["Metadata_Well"], math.nan))
        parts.append(_well(well, value, quantity.unit, colours, corner, cell))
    below = _TOP + rows * cell
    parts += _legend(values.to_numpy(float), quantity, colours, below + 12, columns * cell)
    return svg.drawing(_LEFT + columns * cell + 4, below + _LEGEND, quantity.name, parts)


def _well(
    well: Mapping[str, Any],
    value: float,
    unit: str,
    colours: Colours,
    corner: tuple[float, float],
    cell: float,
) -> svg.Element:
    known = math.isfinite(value)
    shown = f"{plain(value)} {unit}".rstrip() if known else "no value"
    square = svg.element(
        "rect",
        svg.title(f"{well_description(well)}: {shown}"),
        x=corner[0] + 0.5,
        y=corner[1] + 0.5,
        width=cell - 1,
        height=cell - 1,
        fill=colours.hexadecimal(value) if known else "url(#hatching)",
        data_well=well["Metadata_Well"],
    )
    if well["Metadata_ControlType"] not in ("negcon", "poscon"):
        return square
    middle = corner[0] + cell / 2, corner[1] + cell / 2
    sign = svg.marker(well["Metadata_ControlType"], *middle, cell * 0.24, "none")
    sign.set("stroke", colours.ink(value) if known else "var(--ink)")
    sign.set("stroke-width", f"{max(1.1, cell / 16):g}")
    sign.set("pointer-events", "none")  # or the mouse would lose the well under the sign
    return svg.element("g", square, sign)


def well_description(well: Mapping[str, Any]) -> str:
    """Say what a well of the layout holds: "B07, negative control, no drug"."""
    kinds = CLASS_TITLES | {"empty": "empty"}
    parts = [well["Metadata_Well"]]
    if well["Metadata_ControlType"] in kinds:
        parts.append(kinds[well["Metadata_ControlType"]])
    perturbation = well.get("Metadata_Perturbation", "")
    if perturbation not in ("", "empty", "negcon", "poscon"):
        dose = (well.get("Metadata_Concentration", ""), well.get("Metadata_ConcentrationUnit", ""))
        parts.append(" ".join([perturbation, *dose]).strip() if dose[0] else perturbation)
    if well.get(COLUMN, ""):
        parts.append(PLANTED)
    return ", ".join(parts)


def _axis_labels(rows: int, columns: int, cell: float) -> list[svg.Element]:
    """Label every row and column, or every second one where they would touch."""
    step = 1 if cell >= 16 else 2
    across = [
        svg.text(_LEFT + (column - 0.5) * cell, _TOP - 5, str(column), "middle", class_="tick")
        for column in range(1, columns + 1, step)
    ]
    down = [
        svg.text(_LEFT - 5, _TOP + (row - 0.5) * cell + 3.5, row_letters(row), "end", class_="tick")
        for row in range(1, rows + 1, step)
    ]
    return across + down


def _legend(
    values: np.ndarray, quantity: Quantity, colours: Colours, top: float, width: float
) -> list[svg.Element]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return [svg.text(_LEFT, top + 10, "no values", class_="tick")]
    if finite.size > 1 and finite.min() == finite.max():
        everywhere = f"{plain(finite[0])} {quantity.unit}".rstrip() + " in every well"
        return [svg.text(_LEFT, top + 10, everywhere, class_="tick")]
    width = min(width, 240.0)
    fill = f"url(#colours-{colours.map_name})"
    bar = svg.element("rect", x=_LEFT, y=top, width=width, height=8, fill=fill)
    below = "≤ " if finite.min() < colours.low else ""
    above = "≥ " if finite.max() > colours.high else ""
    ends = (
        (_LEFT, f"{below}{plain(colours.low)}", "start"),
        (_LEFT + width, f"{above}{plain(colours.high)} {quantity.unit}".rstrip(), "end"),
    )
    middle = ((_LEFT + width / 2, "0", "middle"),) if quantity.margin else ()
    labels = [
        svg.text(x, top + 20, label, anchor, class_="tick") for x, label, anchor in ends + middle
    ]
    return [bar, *labels]


def map_definitions() -> Markup:
    """Return the hatching and the colour bars that the maps of a page refer to, invisible."""
    lines = svg.element(
        "path", d="M-1,5 l6,-6 M0,8 l8,-8 M3,9 l6,-6", stroke="var(--hatching)", fill="none"
    )
    ground = svg.element("rect", width=8, height=8, fill="var(--hatched)")
    units = {"patternUnits": "userSpaceOnUse"}
    hatching = svg.element("pattern", ground, lines, id="hatching", width=8, height=8, **units)
    bars = [_colour_bar(Colours(0.0, 1.0, name)) for name in (SEQUENTIAL, DIVERGING)]
    return svg.drawing(0, 0, "", [svg.element("defs", hatching, *bars)])


def _colour_bar(colours: Colours) -> svg.Element:
    places = np.linspace(0, 1, _STEPS)
    stops = (
        svg.element("stop", **{"offset": f"{x:.4f}", "stop-color": colours.hexadecimal(x)})
        for x in places.tolist()
    )
    return svg.element("linearGradient", *stops, id=f"colours-{colours.map_name}")
