"""Drift: the values of both classes plate by plate, in the order in which plates were imaged."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.records import from_table
from levelfield.qc.verdict.screen import Drift
from levelfield.qc.wording.numbers import interval, measured
from levelfield.qc.wording.questions import MEASURE_TITLES
from levelfield.questions import MEASURES, Measure
from levelfield.report import svg
from levelfield.report.records import grouped

WIDTH, HEIGHT = 500, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 34
_ROOM_FOR_NAME, _CHARACTER = 68, 5.8
_SIDE_BY_SIDE = 5.0
"""Between the controls of one plate, px."""


def drift_charts(
    drift: pd.DataFrame | None, margins: Mapping[str, float]
) -> list[tuple[str, Markup]]:
    """Draw the values of both classes, a captioned chart for every object set and measure.

    There are none for less than two plates, which show no drift.

    Parameters
    ----------
    drift : pandas.DataFrame or None
        ``screen/drift.csv``; differences are left out.
    margins : mapping of str to float
        Margin of a class by measure, in its unit.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    rows = [] if drift is None else from_table(drift, Drift, "screen/drift.csv")
    if len({row.plate for row in rows}) < 2:
        return []
    ordered = sorted(rows, key=lambda row: row.order)
    groups = grouped(
        (row for row in ordered if row.scope != "difference"),
        lambda row: (row.object_set, row.measure),
    )
    charts = []
    for (object_set, measure), own in groups.items():
        caption = f"{object_set}: {MEASURE_TITLES[measure]} ({own[0].unit})"
        harmless = _harmless(MEASURES[measure], margins[measure])
        charts.append((caption, _chart(own, harmless, caption)))
    return charts


def drift_order(drift: pd.DataFrame | None) -> str:
    """Say in which order the plates of ``screen/drift.csv`` stand: "... they were imaged"."""
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


def _chart(rows: Sequence[Drift], harmless: tuple[float, float], caption: str) -> Markup:
    dates = {row.plate: row.date for row in rows}
    across = svg.Scale(-0.5, len(dates) - 0.5, _LEFT, WIDTH - _RIGHT)
    ends = [end for row in rows for end in (row.estimate, row.ci_low, row.ci_high)]
    upwards = svg.Scale(*svg.value_limits(np.array([*ends, *harmless])), HEIGHT - _BOTTOM, _TOP)
    parts = [*_ground(harmless, upwards), *_names(dates, across)]
    controls = grouped(rows, lambda row: (row.scope, row.perturbation))
    places = {plate: number for number, plate in enumerate(dates)}
    for number, own in enumerate(controls.values()):
        shift = _SIDE_BY_SIDE * (number - (len(controls) - 1) / 2)
        known = [row for row in own if math.isfinite(row.estimate)]
        centres = [(across(places[row.plate]) + shift, upwards(row.estimate)) for row in known]
        parts += _series(known, centres, svg.CLASS_COLOURS[own[0].scope], upwards)
    return svg.drawing(WIDTH, HEIGHT, f"{caption} of every plate", parts)


def _ground(harmless: tuple[float, float], upwards: svg.Scale) -> list[svg.Element]:
    bottom, top = (upwards(end) for end in harmless)
    width = WIDTH - _RIGHT - _LEFT
    band = svg.element("rect", x=_LEFT, y=top, width=width, height=bottom - top, class_="margin")
    band.append(svg.title("harmless range"))
    return [band, *svg.upright_axis(upwards, 5, _LEFT, WIDTH - _RIGHT)]


def _names(dates: Mapping[str, str], across: svg.Scale) -> list[svg.Element]:
    """Write plates and dates below the axis, as many as there is room for."""
    plates = list(dates)
    room = (WIDTH - _RIGHT - _LEFT) / len(plates)
    step = max(1, math.ceil(_ROOM_FOR_NAME / room))
    most = max(4, int(room * step / _CHARACTER) - 1)
    parts = []
    for number in range(0, len(plates), step):
        date = dates[plates[number]]
        # Of a date-time the day is shown, and the whole where the mouse rests.
        for line, (words, short) in enumerate(((plates[number],) * 2, (date, date[:10]))):
            shown = short if len(short) <= most else f"{short[: most - 1]}…"
            label = svg.text(
                across(number), HEIGHT - 19 + 13 * line, shown, "middle", class_="tick"
            )
            label.append(svg.title(words))
            parts.append(label)
    return parts


def _series(
    rows: Sequence[Drift], centres: Sequence[tuple[float, float]], colour: str, upwards: svg.Scale
) -> list[svg.Element]:
    """Draw one control: a thin line through its plates, intervals, and its sign."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in centres)
    parts = [
        svg.element("polyline", points=points, fill="none", stroke=colour, stroke_opacity="0.35")
    ]
    for row, (x, y) in zip(rows, centres, strict=True):
        said = f"{row.plate}, {row.perturbation}: {measured(row.estimate, row.unit)}"
        between = interval(row.ci_low, row.ci_high, row.unit)
        group = svg.element("g", svg.title(f"{said} ({between})" if between else said))
        if math.isfinite(row.ci_low):
            ends = {"y1": upwards(row.ci_low), "y2": upwards(row.ci_high)}
            group.append(svg.element("line", x1=x, x2=x, stroke=colour, stroke_width=1.6, **ends))
        group.append(svg.marker(row.scope, x, y, 3.6))
        parts.append(group)
    return parts
