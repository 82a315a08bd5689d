"""Estimates with their intervals against a margin, drawn small enough for a table cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from markupsafe import Markup

from levelfield.report.numbers import interval, measured
from levelfield.report.svg import CLASS_COLOURS, Scale, drawing, element, marker, text, title

WIDTH, HEIGHT = 230, 46
_AXIS_Y, _MARK_Y = 30, 16
_ROOM_FOR_LABELS = 70


def interval_scale(rows: Sequence[Mapping]) -> Scale:
    """Return the scale that the given rows of the verdict table share.

    Rows in percent run from 0 to 100; all others are symmetric about zero and hold every interval
    and 1.6 margins.
    """
    start, end = 8, WIDTH - 8
    if rows and all(row["unit"] == "%" for row in rows):
        return Scale(0, 100, start, end)
    ends = [abs(row[name]) for row in rows for name in ("estimate", "ci_low", "ci_high")]
    reach = max((value for value in ends if math.isfinite(value)), default=0.0)
    reach = max(1.05 * reach, *(1.6 * row["margin"] for row in rows))
    return Scale(-reach, reach, start, end)


def interval_plot(row: Mapping, scale: Scale) -> Markup:
    """Draw one row of the verdict table: margin, interval, estimate.

    Parameters
    ----------
    row : mapping
        A row of ``qc/verdict.csv``.
    scale : Scale
        From `interval_scale`, so that the plots of one table can be compared by eye.
    """
    unit, estimate = row["unit"], row["estimate"]
    name = (
        f"{measured(estimate, unit)}, 90 % interval {interval(row['ci_low'], row['ci_high'], unit)}"
    )
    parts = _ground(row["margin"], unit, scale)
    if math.isfinite(estimate):
        colour = CLASS_COLOURS[row["scope"]]
        group = element("g", title(name))
        if math.isfinite(row["ci_low"]):
            low, high = scale(row["ci_low"]), scale(row["ci_high"])
            group.append(_line(low, high, _MARK_Y, colour, 2))
            for end in (low, high):
                group.append(_upright(end, _MARK_Y - 4, _MARK_Y + 4, colour, 1.5))
        group.append(marker(row["scope"], scale(estimate), _MARK_Y, 5))
        parts.append(group)
    return drawing(WIDTH, HEIGHT, name, parts)


def _ground(margin: float, unit: str, scale: Scale) -> list[ElementTree.Element]:
    """Draw the harmless range, the axis and its labels."""
    low, high, labels = -margin, margin, (-margin, 0.0, margin)
    if unit == "%":
        low, high, labels = margin, 100.0, (0.0, margin)
    left, right = scale(low), scale(high)
    parts = [
        element("rect", x=left, y=3, width=right - left, height=_AXIS_Y - 3, class_="margin"),
        _line(scale.start, scale.end, _AXIS_Y, "#8b8b86", 1),
    ]
    if unit != "%":
        parts.append(_upright(scale(0), 3, _AXIS_Y, "#8b8b86", 1))
    for label in labels:
        parts.append(_upright(scale(label), _AXIS_Y, _AXIS_Y + 3, "#8b8b86", 1))
    narrow = right - left < _ROOM_FOR_LABELS and unit != "%"
    written = [(0.0, f"±{margin:g} {unit}")] if narrow else [(x, f"{x:g}") for x in labels]
    for place, content in written:
        unit_behind = f" {unit}" if place == labels[-1] else ""
        content = content.replace("-", "−") + unit_behind
        parts.append(text(scale(place), _AXIS_Y + 13, content, "middle", class_="tick"))
    return parts


def _line(start: float, end: float, y: float, colour: str, width: float) -> ElementTree.Element:
    return element("line", x1=start, x2=end, y1=y, y2=y, stroke=colour, stroke_width=width)


def _upright(x: float, top: float, bottom: float, colour: str, width: float) -> ElementTree.Element:
    return element("line", x1=x, x2=x, y1=top, y2=bottom, stroke=colour, stroke_width=width)
