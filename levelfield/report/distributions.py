"""Control distributions: every control well, or image, as a dot, and what they say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.comparison import Comparison, control_classes
from levelfield.qc.statistics.estimates import Estimate, mean_estimate
from levelfield.qc.statistics.summary import DEAD_ZONE_PX
from levelfield.qc.wording.numbers import measured, plain
from levelfield.report import svg
from levelfield.report.quantities import Quantity

WIDTH = 500
CALLS = {"high": ("too high", "#8073ac"), "ok": ("ok", "#b4bab0"), "low": ("too low", "#e08214")}
"""In the order of the axis: a threshold that is too high leaves outlines too small."""
_ROW, _IMAGE_ROW = 46, 58
_LEFT, _RIGHT, _TOP = 178, 14, 8
_RADIUS, _IMAGE_RADIUS = 3.0, 2.6
_LEVEL = 0.90
_BAR, _ROOM_FOR_NUMBER = 11, 22


@dataclass(frozen=True)
class Group:
    """The wells of one control; its scope is negcon or poscon."""

    name: str
    scope: str
    wells: tuple[str, ...]


def control_groups(pairs: Sequence[Comparison]) -> list[Group]:
    """List the controls of a plate, every negative control before its positive ones, none twice."""
    classes = control_classes(pairs)
    return [Group(name, scope, wells) for (scope, name), wells in classes.items() if wells]


def draw_distribution(quantity: Quantity, groups: Sequence[Group]) -> Markup:
    """Draw a row of dots per control, and under it the mean of its wells with a 90 % interval.

    The interval is that of the scatter between wells (Student's t) and of nothing else.
    """
    table = quantity.table
    rows = [table[table["Metadata_Well"].isin(group.wells)].dropna() for group in groups]
    means = [_mean_of_wells(own) for own in rows]
    scale = _scale(rows, means, quantity.margin)
    parts = []
    for number, (group, own, mean) in enumerate(zip(groups, rows, means, strict=True)):
        parts += _well_row(group, own, mean, scale, _TOP + _ROW * number, quantity.unit)
    return _chart(quantity.name, parts, scale, quantity.margin, _ROW * len(groups))


def draw_image_thresholds(sites: pd.DataFrame, groups: Sequence[Group]) -> Markup:
    """Draw a dot per image and, below, the shares of images called low, ok and high.

    `sites` are rows of ``qc/sites.csv`` of one object set.
    """
    known = sites[sites["threshold_bias_px"].notna()]
    rows = [known[known["Metadata_Well"].isin(group.wells)] for group in groups]
    ends = np.concatenate([own["threshold_bias_px"].to_numpy(float) for own in rows])
    low, high = svg.value_limits(ends)
    reach = 1.6 * DEAD_ZONE_PX
    scale = svg.Scale(min(low, -reach), max(high, reach), _LEFT, WIDTH - _RIGHT)
    parts = []
    for number, (group, own) in enumerate(zip(groups, rows, strict=True)):
        parts += _image_row(group, own, scale, _TOP + _IMAGE_ROW * number)
    name = "Threshold bias of every control image"
    return _chart(name, parts, scale, DEAD_ZONE_PX, _IMAGE_ROW * len(groups))


def _chart(
    name: str, rows: Sequence[svg.Element], scale: svg.Scale, reach: float, height: float
) -> Markup:
    """Draw rows before the harmless range, `reach` to either side of zero, and the axis."""
    bottom = _TOP + height
    ground = [svg.band(scale, reach, _TOP, bottom)] if reach else []
    axis = svg.level_axis(scale, _TOP, bottom, zero=bool(reach))
    return svg.drawing(WIDTH, bottom + 22, name, [*ground, *axis, *rows])


def _mean_of_wells(own: pd.DataFrame) -> Estimate:
    return mean_estimate(own.groupby("Metadata_Well", sort=True)["value"].mean().to_numpy(float))


def _scale(rows: Sequence[pd.DataFrame], means: Sequence[Estimate], margin: float) -> svg.Scale:
    """Return a scale that holds every dot, every interval and the harmless range."""
    ends = [own["value"].to_numpy(float) for own in rows]
    ends += [np.array(mean.interval(_LEVEL)) for mean in means]
    low, high = svg.value_limits(np.concatenate(ends) if ends else np.empty(0))
    if margin:
        low, high = min(low, -1.3 * margin), max(high, 1.3 * margin)
    return svg.Scale(low, high, _LEFT, WIDTH - _RIGHT)


def _well_row(
    group: Group, own: pd.DataFrame, mean: Estimate, scale: svg.Scale, top: float, unit: str
) -> list[svg.Element]:
    middle = top + _ROW * 0.4
    parts = _group_heading(group, middle, empty=own.empty)
    if own.empty:
        return parts
    said = [
        f"{_site_name(record)}: {plain(record['value'])} {unit}".rstrip()
        for record in own.to_dict("records")
    ]
    parts += _dots(group, [scale(value) for value in own["value"]], said, middle, 12.0, _RADIUS)
    return [*parts, _mean_bar(group, mean, scale, top + _ROW * 0.84, unit)]


def _image_row(group: Group, own: pd.DataFrame, scale: svg.Scale, top: float) -> list[svg.Element]:
    middle = top + _IMAGE_ROW * 0.33
    parts = _group_heading(group, middle, empty=own.empty)
    if own.empty:
        return parts
    said = [
        f"{_site_name(record)}: {measured(record['threshold_bias_px'], 'px')}"
        for record in own.to_dict("records")
    ]
    places = [scale(value) for value in own["threshold_bias_px"]]
    parts += _dots(group, places, said, middle, 14.0, _IMAGE_RADIUS)
    counts = {call: int((own["threshold_call"] == call).sum()) for call in CALLS}
    words = " · ".join(f"{counts[call]} {CALLS[call][0]}" for call in CALLS)
    parts.append(svg.text(18, middle + 19, words, class_="tick"))
    return [*parts, _shares(counts, words, top + _IMAGE_ROW * 0.72)]


def _group_heading(group: Group, middle: float, *, empty: bool) -> list[svg.Element]:
    """Write the name of a control at the left, and that it has no values where it has none."""
    label = group.name if len(group.name) <= 23 else group.name[:22] + "…"
    heading = svg.text(18, middle + 4, label, class_="group")
    heading.append(svg.title(group.name))
    nothing = [svg.text(_LEFT + 8, middle + 4, "no values", class_="tick")] if empty else []
    return [heading, svg.marker(group.scope, 7, middle, 4.5), *nothing]


def _dots(
    group: Group,
    places: Sequence[float],
    said: Sequence[str],
    middle: float,
    reach: float,
    radius: float,
) -> list[svg.Element]:
    """Draw a dot per place, none hidden by another, each with what the mouse over it shows."""
    found = []
    for words, x, y in zip(said, places, spread(places, reach), strict=True):
        dot = svg.marker(group.scope, x, middle + y, radius)
        dot.set("fill-opacity", "0.62")
        dot.append(svg.title(words))
        found.append(dot)
    return found


def _site_name(record: Mapping[Any, Any]) -> str:
    site = f", site {record['Metadata_Site']}" if "Metadata_Site" in record else ""
    return f"{record['Metadata_Well']}{site}"


def _mean_bar(group: Group, mean: Estimate, scale: svg.Scale, y: float, unit: str) -> svg.Element:
    low, high = mean.interval(_LEVEL)
    between = f", 90 % interval {plain(low)} to {plain(high)}" if np.isfinite(low) else ""
    said = f"{group.name}: mean of {mean.n_wells} wells {plain(mean.value)} {unit}".rstrip()
    drawn = svg.element("g", svg.title(said + between), stroke=svg.CLASS_COLOURS[group.scope])
    if np.isfinite(low):
        ends = {"x1": scale(low), "x2": scale(high), "y1": y, "y2": y}
        drawn.append(svg.element("line", stroke_width=3, **ends))
    x = scale(mean.value)
    drawn.append(svg.line(x, x, y - 5, y + 5, stroke_width=2))
    return drawn


def _shares(counts: dict[str, int], words: str, top: float) -> svg.Element:
    """Draw one bar of three parts, with their numbers where there is room."""
    bar = svg.element("g", svg.title(f"{words}, of {sum(counts.values())} images"))
    width, x = WIDTH - _RIGHT - _LEFT, float(_LEFT)
    for call, number in counts.items():
        part = width * number / max(sum(counts.values()), 1)
        bar.append(svg.element("rect", x=x, y=top, width=part, height=_BAR, fill=CALLS[call][1]))
        if part > _ROOM_FOR_NUMBER:
            ink = "#fff" if call == "high" else "#22262b"
            middle = x + part / 2
            bar.append(svg.text(middle, top + 9, str(number), "middle", font_size="9", fill=ink))
        x += part
    return bar


def spread(places: Sequence[float], reach: float) -> list[float]:
    """Move dots that would hide one another up and down, by at most `reach` px.

    Dots are taken in order; each goes to the free level nearest the middle, and to the middle when
    none is free.
    """
    step = 2 * _RADIUS - 0.5
    levels = [0.0]
    while levels[-1] + step <= reach:
        levels.append(levels[-1] + step)
    levels = sorted(
        {sign * level for level in levels for sign in (1, -1)}, key=lambda y: (abs(y), y)
    )
    last = dict.fromkeys(levels, -np.inf)
    offsets = [0.0] * len(places)
    for number in sorted(range(len(places)), key=lambda i: (places[i], i)):
        free = next((y for y in levels if places[number] - last[y] >= 2 * _RADIUS), 0.0)
        last[free] = places[number]
        offsets[number] = free
    return offsets
