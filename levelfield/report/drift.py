"""Drift: the values of both classes plate by plate, in the order in which plates were imaged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.measures import MEASURES, Measure
from levelfield.qc.wording.numbers import interval, measured, plain
from levelfield.qc.wording.questions import MEASURE_TITLES
from levelfield.report.svg import (
    CLASS_COLOURS,
    Scale,
    drawing,
    element,
    marker,
    text,
    title,
    value_limits,
)

DRIFT_COLUMNS = (
    "plate",
    "date",
    "order",
    "object_set",
    "measure",
    "scope",
    "perturbation",
    "estimate",
    "ci_low",
    "ci_high",
    "unit",
)
"""Of ``screen/drift.csv``: corrected values by plate; ``date`` is empty where unknown."""
WIDTH, HEIGHT = 500, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 34
_ROOM_FOR_NAME, _CHARACTER = 68, 5.8
_SPAN = (HEIGHT - _BOTTOM, _TOP)
_SIDE_BY_SIDE = 5.0
"""Between the controls of one plate, px."""


def drift_charts(
    drift: pd.DataFrame | None, margins: Mapping[str, float]
) -> list[tuple[str, Markup]]:
    """Draw the values of both classes, a chart for every object set and measure.

    Parameters
    ----------
    drift : pandas.DataFrame or None
        ``screen/drift.csv``; differences are left out.
    margins : mapping of str to float
        Margin of a class by measure, in its unit.

    Returns
    -------
    list of (str, Markup)
        Captions and pictures; none for less than two plates, which show no drift.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    if drift is None or drift.empty:
        return []
    missing = [name for name in DRIFT_COLUMNS if name not in drift]
    if missing:
        raise ValueError(
            f"screen/drift.csv lacks {', '.join(missing)}: another version of Levelfield made it. "
            "Delete it and run the workflow again."
        )
    if drift["plate"].nunique() < 2:
        return []
    table = drift[drift["scope"] != "difference"].sort_values("order", kind="stable")
    table = table.assign(date=table["date"].fillna("").astype(str))
    charts = []
    for (object_set, measure), rows in table.groupby(["object_set", "measure"], sort=False):
        caption = f"{object_set}: {MEASURE_TITLES[measure]} ({rows['unit'].iloc[0]})"
        harmless = _harmless(MEASURES[measure], margins[measure])
        charts.append((caption, _chart(rows, harmless, caption)))
    return charts


def drift_order(drift: pd.DataFrame | None) -> str:
    """Say in which order the plates stand: "in the order in which they were imaged".

    Parameters
    ----------
    drift : pandas.DataFrame or None
        ``screen/drift.csv``.
    """
    if drift is None or drift.empty:
        return ""
    dates = drift.drop_duplicates("plate")["date"].fillna("").astype(str)
    n_without = int((dates == "").sum())
    if not n_without:
        return "in the order in which they were imaged"
    sheet = "in the order of the plate sheet"
    if n_without == len(dates):
        return f"{sheet}, which has no dates of imaging (column date)"
    return (
        f"{sheet}, as {n_without} of {len(dates)} plates {'has' if n_without == 1 else 'have'} no "
        "date of imaging there (column date)"
    )


def _harmless(measure: Measure, margin: float) -> tuple[float, float]:
    if measure.is_share_of_right:
        return margin, 100.0
    return (-margin if measure.signed else 0.0), margin


def _chart(rows: pd.DataFrame, harmless: tuple[float, float], caption: str) -> Markup:
    plates = list(dict.fromkeys(rows["plate"].astype(str)))
    across = Scale(-0.5, len(plates) - 0.5, _LEFT, WIDTH - _RIGHT)
    upwards = _upwards(rows, harmless)
    parts = [*_ground(harmless, upwards), *_names(rows, plates, across)]
    controls = list(
        dict.fromkeys(zip(rows["scope"], rows["perturbation"].astype(str), strict=True))
    )
    for number, (scope, control) in enumerate(controls):
        chosen = (rows["scope"] == scope) & (rows["perturbation"].astype(str) == control)
        shift = _SIDE_BY_SIDE * (number - (len(controls) - 1) / 2)
        parts += _series(rows[chosen], scope, plates, shift, across, upwards)
    return drawing(WIDTH, HEIGHT, f"{caption} of every plate", parts)


def _upwards(rows: pd.DataFrame, harmless: tuple[float, float]) -> Scale:
    """Return a scale with every interval and the harmless range."""
    ends = rows[["estimate", "ci_low", "ci_high"]].to_numpy(float).ravel()
    return Scale(*value_limits(np.array([*ends, *harmless])), *_SPAN)


def _ground(harmless: tuple[float, float], upwards: Scale) -> list[ElementTree.Element]:
    bottom, top = (upwards(end) for end in harmless)
    width = WIDTH - _RIGHT - _LEFT
    band = element("rect", x=_LEFT, y=top, width=width, height=bottom - top, class_="margin")
    band.append(title("harmless range"))
    parts = [band]
    for tick in upwards.ticks(5):
        y = upwards(tick)
        line = "zero" if tick == 0 else "grid"
        parts.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_=line))
        parts.append(text(_LEFT - 6, y + 3.5, plain(tick), "end", class_="tick"))
    return parts


def _names(rows: pd.DataFrame, plates: Sequence[str], across: Scale) -> list[ElementTree.Element]:
    """Write plates and dates below the axis, as many as there is room for."""
    dates = dict(zip(rows["plate"].astype(str), rows["date"], strict=True))
    room = (WIDTH - _RIGHT - _LEFT) / len(plates)
    step = max(1, math.ceil(_ROOM_FOR_NAME / room))
    most = max(4, int(room * step / _CHARACTER) - 1)
    parts = []
    for number in range(0, len(plates), step):
        date = dates[plates[number]]
        # Of a date-time the day is shown, and the whole where the mouse rests.
        for line, (words, short) in enumerate(((plates[number],) * 2, (date, date[:10]))):
            shown = short if len(short) <= most else f"{short[: most - 1]}…"
            label = text(across(number), HEIGHT - 19 + 13 * line, shown, "middle", class_="tick")
            label.append(title(words))
            parts.append(label)
    return parts


def _series(
    own: pd.DataFrame,
    scope: str,
    plates: Sequence[str],
    shift: float,
    across: Scale,
    upwards: Scale,
) -> list[ElementTree.Element]:
    """Draw one control: a thin line through its plates, intervals, and its sign."""
    own = own[own["estimate"].notna()]
    colour = CLASS_COLOURS[scope]
    places = [across(plates.index(str(name))) + shift for name in own["plate"]]
    heights = [upwards(value) for value in own["estimate"]]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(places, heights, strict=True))
    line = element("polyline", points=points, fill="none", stroke=colour, stroke_opacity="0.35")
    parts = [line]
    for row, x, y in zip(own.to_dict("records"), places, heights, strict=True):
        said = f"{row['plate']}, {row['perturbation']}: {measured(row['estimate'], row['unit'])}"
        between = interval(row["ci_low"], row["ci_high"], row["unit"])
        group = element("g", title(f"{said} ({between})" if between else said))
        if math.isfinite(row["ci_low"]):
            ends = {"y1": upwards(row["ci_low"]), "y2": upwards(row["ci_high"])}
            group.append(element("line", x1=x, x2=x, stroke=colour, stroke_width=1.6, **ends))
        group.append(marker(scope, x, y, 3.6))
        parts.append(group)
    return parts
