"""Control distributions: every control well as a dot, per control, with the mean's interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.comparison import Comparison, control_classes
from levelfield.qc.statistics.estimates import Estimate, mean_estimate
from levelfield.qc.wording.numbers import plain
from levelfield.report.quantities import Quantity
from levelfield.report.svg import (
    CLASS_COLOURS,
    Scale,
    band,
    drawing,
    element,
    level_axis,
    marker,
    text,
    title,
    value_limits,
)

WIDTH, ROW = 500, 46
_LEFT, _RIGHT, _TOP = 178, 14, 8
_RADIUS = 3.0
_LEVEL = 0.90


@dataclass(frozen=True)
class Group:
    """Wells of one control.

    Attributes
    ----------
    name : str
        Of the control.
    scope : str
        negcon or poscon.
    wells : tuple of str
        Names of its wells.
    """

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
    bottom = _TOP + ROW * len(groups)
    parts = [band(scale, quantity.margin, _TOP, bottom)] if quantity.margin else []
    parts += level_axis(scale, _TOP, bottom, zero=bool(quantity.margin))
    for number, (group, own, mean) in enumerate(zip(groups, rows, means, strict=True)):
        parts += _row(group, own, mean, scale, _TOP + ROW * number, quantity.unit)
    return drawing(WIDTH, bottom + 22, quantity.name, parts)


def _mean_of_wells(own: pd.DataFrame) -> Estimate:
    return mean_estimate(own.groupby("Metadata_Well", sort=True)["value"].mean().to_numpy(float))


def _scale(rows: Sequence[pd.DataFrame], means: Sequence[Estimate], margin: float) -> Scale:
    """Return a scale that holds every dot, every interval and the harmless range."""
    ends = [own["value"].to_numpy(float) for own in rows]
    ends += [np.array(mean.interval(_LEVEL)) for mean in means]
    low, high = value_limits(np.concatenate(ends) if ends else np.empty(0))
    if margin:
        low, high = min(low, -1.3 * margin), max(high, 1.3 * margin)
    return Scale(low, high, _LEFT, WIDTH - _RIGHT)


def _row(
    group: Group, own: pd.DataFrame, mean: Estimate, scale: Scale, top: float, unit: str
) -> list[ElementTree.Element]:
    middle = top + ROW * 0.4
    parts = group_heading(group, middle, empty=own.empty)
    if own.empty:
        return parts
    said = [
        f"{_site_name(record)}: {plain(record['value'])} {unit}".rstrip()
        for record in own.to_dict("records")
    ]
    parts += dots(group, [scale(value) for value in own["value"]], said, middle, 12.0)
    return [*parts, _mean_bar(group, mean, scale, top + ROW * 0.84, unit)]


def group_heading(group: Group, middle: float, *, empty: bool) -> list[ElementTree.Element]:
    """Write the name of a control at the left, and that it has no values where it has none."""
    label = group.name if len(group.name) <= 23 else group.name[:22] + "…"
    heading = text(18, middle + 4, label, class_="group")
    heading.append(title(group.name))
    nothing = [text(_LEFT + 8, middle + 4, "no values", class_="tick")] if empty else []
    return [heading, marker(group.scope, 7, middle, 4.5), *nothing]


def dots(
    group: Group,
    places: Sequence[float],
    said: Sequence[str],
    middle: float,
    reach: float,
    radius: float = _RADIUS,
) -> list[ElementTree.Element]:
    """Draw a dot per place, none hidden by another, each with what the mouse over it shows."""
    found = []
    for words, x, y in zip(said, places, spread(places, reach), strict=True):
        dot = marker(group.scope, x, middle + y, radius)
        dot.set("fill-opacity", "0.62")
        dot.append(title(words))
        found.append(dot)
    return found


def _site_name(record: Mapping[Any, Any]) -> str:
    site = f", site {record['Metadata_Site']}" if "Metadata_Site" in record else ""
    return f"{record['Metadata_Well']}{site}"


def _mean_bar(
    group: Group, mean: Estimate, scale: Scale, y: float, unit: str
) -> ElementTree.Element:
    low, high = mean.interval(_LEVEL)
    between = f", 90 % interval {plain(low)} to {plain(high)}" if np.isfinite(low) else ""
    said = f"{group.name}: mean of {mean.n_wells} wells {plain(mean.value)} {unit}".rstrip()
    drawn = element("g", title(said + between), stroke=CLASS_COLOURS[group.scope])
    if np.isfinite(low):
        ends = {"x1": scale(low), "x2": scale(high), "y1": y, "y2": y}
        drawn.append(element("line", stroke_width=3, **ends))
    x = scale(mean.value)
    drawn.append(element("line", x1=x, x2=x, y1=y - 5, y2=y + 5, stroke_width=2))
    return drawn


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
