"""Estimates with their intervals against a margin, drawn small enough for a table cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from levelfield.qc.verdict.tables import VerdictLine
from levelfield.qc.wording.numbers import interval, measured
from levelfield.questions import MEASURES, Kind, Scope
from levelfield.report import svg

WIDTH, HEIGHT = 230, 46
_AXIS_Y, _MARK_Y = 30, 16
_GREY: dict[str, svg.Attribute] = {"stroke": "var(--axis)", "stroke_width": 1}
_ROOM_FOR_LABELS = 76
_UPPER_HALF = 55.0
"""Shares that all lie above it are drawn from 50 %."""
_CHARACTER = 5.6
"""Width of a letter of a label, px."""


@dataclass(frozen=True)
class Side:
    """What is drawn of a row: an estimate with its 90 % interval and margin, in ``unit``."""

    measure_name: str
    scope: Scope
    unit: str
    margin: float
    estimate: float
    ci_low: float
    ci_high: float


def _kind(row: VerdictLine | Side) -> Kind:
    return MEASURES[row.measure_name].kind(row.scope)


def is_signed(row: VerdictLine | Side) -> bool:
    """Whether a value is shown with its sign: it can err both ways."""
    return _kind(row) == "signed"


def interval_scale(rows: Sequence[VerdictLine | Side]) -> svg.Scale:
    """Return the scale that the given rows of one measure share.

    Shares run from 0 or 50 to 100, rates of a class from 0 up (they cannot err below); others are
    symmetric about zero and hold every interval and 1.6 margins.
    """
    start, end = 10, WIDTH - 10
    if not rows:
        return svg.Scale(-1, 1, start, end)
    kind = _kind(rows[0])
    if kind == "share":
        lows = [value for row in rows for value in (row.estimate, row.ci_low, row.margin)]
        lowest = min((value for value in lows if math.isfinite(value)), default=0.0)
        return svg.Scale(50 if lowest > _UPPER_HALF else 0, 100, start, end)
    ends = [abs(value) for row in rows for value in (row.estimate, row.ci_low, row.ci_high)]
    reach = max((value for value in ends if math.isfinite(value)), default=0.0)
    reach = max(1.05 * reach, *(1.6 * row.margin for row in rows))
    return svg.Scale(0 if kind == "rate" else -reach, reach, start, end)


def interval_plot(row: VerdictLine | Side, scale: svg.Scale) -> Markup:
    """Draw one estimate on the scale of its measure: harmless range, interval, value."""
    between = interval(row.ci_low, row.ci_high, row.unit)
    name = measured(row.estimate, row.unit, signed=is_signed(row))
    name += f", 90 % interval {between}" if between else ", no interval"
    parts = _ground(row, scale)
    if math.isfinite(row.estimate):
        colour = svg.CLASS_COLOURS[row.scope]
        group = svg.element("g", svg.title(name))
        if math.isfinite(row.ci_low):
            low, high = scale(row.ci_low), scale(row.ci_high)
            group.append(svg.line(low, high, _MARK_Y, _MARK_Y, stroke=colour, stroke_width=2))
            for value, place in ((row.ci_low, low), (row.ci_high, high)):
                if scale.low <= value <= scale.high:  # an interval that runs on has no end
                    ends = place, place, _MARK_Y - 4, _MARK_Y + 4
                    group.append(svg.line(*ends, stroke=colour, stroke_width=1.5))
        group.append(svg.marker(row.scope, scale(row.estimate), _MARK_Y, 5))
        parts.append(group)
    return svg.drawing(WIDTH, HEIGHT, name, parts)


def _ground(row: VerdictLine | Side, scale: svg.Scale) -> list[svg.Element]:
    """Draw the harmless range, the axis and its labels."""
    margin, kind = row.margin, _kind(row)
    low, high, places = {
        "share": (margin, 100.0, (scale.low, margin)),
        "rate": (0.0, margin, (0.0, margin)),
        "signed": (-margin, margin, (-margin, 0.0, margin)),
    }[kind]
    left, right = scale(low), scale(high)
    parts = [
        svg.element("rect", x=left, y=3, width=right - left, height=_AXIS_Y - 3, class_="margin"),
        svg.line(scale.start, scale.end, _AXIS_Y, _AXIS_Y, **_GREY),
    ]
    if kind != "share":
        parts.append(svg.line(scale(0), scale(0), 3, _AXIS_Y, **_GREY))
    marks = map(scale, places)
    parts += [svg.line(x, x, _AXIS_Y, _AXIS_Y + 3, **_GREY) for x in marks]
    return [*parts, *_labels(_contents(row, kind, places, right - left), scale)]


def _contents(
    row: VerdictLine | Side, kind: Kind, places: Sequence[float], width: float
) -> list[tuple[float, str]]:
    """Return where labels are written and what; one for both ends where they would touch."""
    if kind == "signed" and width < _ROOM_FOR_LABELS:
        return [(0.0, f"±{row.margin:g} {row.unit}")]
    if kind != "signed" and width < _ROOM_FOR_LABELS / 2:
        places = places[-1:]
    return [
        (place, f"{place:g}".replace("-", "−") + (f" {row.unit}" if place == places[-1] else ""))
        for place in places
    ]


def _labels(contents: Sequence[tuple[float, str]], scale: svg.Scale) -> list[svg.Element]:
    """Write labels under the axis, none beyond the ends of the drawing."""
    parts = []
    for place, content in contents:
        half = _CHARACTER * len(content) / 2
        x = min(max(scale(place), half + 1), WIDTH - half - 1)
        parts.append(svg.text(x, _AXIS_Y + 13, content, "middle", class_="tick"))
    return parts
