"""Funnel of wells: each well's balance against its number of objects, within control limits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.funnel import Funnel, fit_funnel
from levelfield.qc.wording.numbers import measured
from levelfield.report import svg
from levelfield.report.distributions import Group

WIDTH, HEIGHT = 500, 300
LEVELS = (0.95, 0.998)
"""Levels of the limits: the usual ones of funnel plots, near 2 and 3 standard deviations."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 10, 36
_STEPS = 60
_OTHERS = "#a3a39d"


def draw_funnel(wells: pd.DataFrame, groups: Sequence[Group]) -> Markup:
    """Draw the wells of one object set: ``Metadata_Well, n_objects, balance`` of ``qc/wells.csv``.

    Wells that are no controls are grey dots. The limits are those of all negative wells together
    (`levelfield.qc.statistics.funnel.fit_funnel`), and are left out where these are too few.
    """
    known = wells[wells["balance"].notna() & (wells["n_objects"] > 0)]
    if known.empty:
        return svg.drawing(
            WIDTH, 30, "no values", [svg.text(_LEFT, 20, "no values", class_="tick")]
        )
    scopes = {well: group.scope for group in groups for well in group.wells}
    scope = known["Metadata_Well"].map(scopes).fillna("")
    negative = known[scope == "negcon"]
    funnel = fit_funnel(negative["balance"], negative["n_objects"])
    across = svg.Scale(0, 1.05 * float(known["n_objects"].max()), _LEFT, WIDTH - _RIGHT)
    upwards = _upwards(known, funnel)
    parts = _axes(across, upwards)
    if funnel:
        fewest = max(1.0, float(known["n_objects"].min()) / 2)
        parts += _limits(funnel, np.geomspace(fewest, across.high, _STEPS), across, upwards)
    for kind in ("", "negcon", "poscon"):  # controls lie on top
        for row in known[scope == kind].to_dict("records"):
            parts.append(_dot(row, kind, across, upwards))
            if funnel and _beyond(row, funnel):
                parts.append(_name(row, across, upwards))
    return svg.drawing(WIDTH, HEIGHT, "Balance of every well against its number of objects", parts)


def _upwards(known: pd.DataFrame, funnel: Funnel | None) -> svg.Scale:
    """Return the vertical scale, in pp: all wells, zero, and the limits of a middling well."""
    values = [*(100 * known["balance"]), 0.0]
    if funnel:
        ends = funnel.limits([float(known["n_objects"].median())], LEVELS[-1])
        values += [100 * float(end[0]) for end in ends]
    return svg.Scale(*svg.value_limits(np.array(values)), HEIGHT - _BOTTOM, _TOP)


def _axes(across: svg.Scale, upwards: svg.Scale) -> list[svg.Element]:
    parts = svg.upright_axis(upwards, 6, _LEFT, WIDTH - _RIGHT)
    parts += svg.level_axis(across, _TOP, HEIGHT - _BOTTOM)
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(svg.text(middle, HEIGHT - 6, "objects in the well", "middle", class_="tick"))
    return parts


def _limits(
    funnel: Funnel, objects: np.ndarray, across: svg.Scale, upwards: svg.Scale
) -> list[svg.Element]:
    parts = []
    y = upwards(100 * funnel.centre)
    ends = {"x1": across.start, "x2": across.end, "y1": y, "y2": y}
    said = svg.title(f"mean of the negative wells: {measured(100 * funnel.centre, 'pp')}")
    parts.append(svg.element("line", said, stroke="var(--soft)", stroke_dasharray="2 3", **ends))
    for level, dashes in zip(LEVELS, ("6 3", "none"), strict=True):
        for side in funnel.limits(objects, level):
            points = " ".join(
                f"{across(x):.1f},{upwards(100 * value):.1f}"
                for x, value in zip(objects, side, strict=True)
                if upwards.low <= 100 * value <= upwards.high
            )
            line = svg.element(
                "polyline", svg.title(f"{100 * level:g} % of negative wells lie inside")
            )
            line.attrib |= {"points": points, "fill": "none", "stroke": "var(--axis)"}
            line.set("stroke-dasharray", dashes)
            parts.append(line)
    return parts


def _dot(row: Mapping[Any, Any], kind: str, across: svg.Scale, upwards: svg.Scale) -> svg.Element:
    x, y = across(row["n_objects"]), upwards(100 * row["balance"])
    dot = svg.marker(kind or "negcon", x, y, 4.0 if kind else 2.4, None if kind else _OTHERS)
    dot.set("fill-opacity", "0.75")
    said = f"{row['Metadata_Well']}: {measured(100 * row['balance'], 'pp')}"
    dot.append(svg.title(f"{said}, {int(row['n_objects']):,} objects"))
    return dot


def _beyond(row: Mapping[Any, Any], funnel: Funnel) -> bool:
    low, high = funnel.limits([row["n_objects"]], LEVELS[-1])
    return not low[0] <= row["balance"] <= high[0]


def _name(row: Mapping[Any, Any], across: svg.Scale, upwards: svg.Scale) -> svg.Element:
    x, y = across(row["n_objects"]), upwards(100 * row["balance"])
    side, anchor = (-7, "end") if x > WIDTH - 60 else (7, "start")
    return svg.text(x + side, y + 3.5, row["Metadata_Well"], anchor, class_="tick")
