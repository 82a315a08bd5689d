"""Every control image's threshold bias, and how many images are called low, ok and high."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.summary import DEAD_ZONE_PX
from levelfield.qc.wording.numbers import measured, plain
from levelfield.report.distributions import Group, spread
from levelfield.report.svg import Scale, drawing, element, marker, text, title, value_limits

WIDTH, ROW = 500, 58
CALLS = {
    "high": ("too high", "#8073ac"),
    "ok": ("ok", "#b4bab0"),
    "low": ("too low", "#e08214"),
}
"""In the order of the axis: a threshold that is too high leaves outlines too small."""
_LEFT, _RIGHT, _TOP = 178, 14, 8
_RADIUS, _SPREAD = 2.6, 14.0
_BAR, _ROOM_FOR_NUMBER = 11, 22


def draw_image_thresholds(sites: pd.DataFrame, groups: Sequence[Group]) -> Markup:
    """Draw a dot per image and, below, the shares of images called low, ok and high.

    Parameters
    ----------
    sites : pandas.DataFrame
        Rows of ``qc/sites.csv`` of one object set: ``Metadata_Well, Metadata_Site,
        threshold_bias_px, threshold_call``.
    groups : sequence of Group
        The controls, a row each.
    """
    measured_sites = sites[sites["threshold_bias_px"].notna()]
    rows = [measured_sites[measured_sites["Metadata_Well"].isin(one.wells)] for one in groups]
    ends = np.concatenate([one["threshold_bias_px"].to_numpy(float) for one in rows])
    low, high = value_limits(ends)
    reach = 1.6 * DEAD_ZONE_PX
    scale = Scale(min(low, -reach), max(high, reach), _LEFT, WIDTH - _RIGHT)
    bottom = _TOP + ROW * len(groups)
    parts = _ground(scale, bottom)
    for number, (group, own) in enumerate(zip(groups, rows, strict=True)):
        parts += _row(group, own, scale, _TOP + ROW * number)
    return drawing(WIDTH, bottom + 22, "Threshold bias of every control image", parts)


def _ground(scale: Scale, bottom: float) -> list[ElementTree.Element]:
    left, right = scale(-DEAD_ZONE_PX), scale(DEAD_ZONE_PX)
    band = {"y": _TOP, "height": bottom - _TOP, "class_": "margin"}
    parts = [element("rect", x=left, width=right - left, **band)]
    for tick in scale.ticks(6):
        x = scale(tick)
        line = "zero" if tick == 0 else "grid"
        parts.append(element("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_=line))
        parts.append(text(x, bottom + 14, plain(tick), "middle", class_="tick"))
    return parts


def _row(group: Group, own: pd.DataFrame, scale: Scale, top: float) -> list[ElementTree.Element]:
    middle = top + ROW * 0.33
    name = group.name if len(group.name) <= 23 else group.name[:22] + "…"
    heading = text(18, middle + 4, name, class_="group")
    heading.append(title(group.name))
    parts = [heading, marker(group.scope, 7, middle, 4.5)]
    if own.empty:
        return [*parts, text(_LEFT + 8, middle + 4, "no values", class_="tick")]
    places = [scale(value) for value in own["threshold_bias_px"]]
    offsets = spread(places, _SPREAD)
    for row, x, offset in zip(own.to_dict("records"), places, offsets, strict=True):
        dot = marker(group.scope, x, middle + offset, _RADIUS)
        dot.set("fill-opacity", "0.62")
        said = measured(row["threshold_bias_px"], "px")
        dot.append(title(f"{row['Metadata_Well']}, site {row['Metadata_Site']}: {said}"))
        parts.append(dot)
    counts = {call: int((own["threshold_call"] == call).sum()) for call in CALLS}
    words = " · ".join(f"{counts[call]} {CALLS[call][0]}" for call in CALLS)
    parts.append(text(18, middle + 19, words, class_="tick"))
    return [*parts, _shares(counts, words, top + ROW * 0.72)]


def _shares(counts: dict[str, int], words: str, top: float) -> ElementTree.Element:
    """Draw one bar of three parts, with their numbers where there is room."""
    bar = element("g", title(f"{words}, of {sum(counts.values())} images"))
    width, x = WIDTH - _RIGHT - _LEFT, float(_LEFT)
    for call, number in counts.items():
        part = width * number / max(sum(counts.values()), 1)
        bar.append(element("rect", x=x, y=top, width=part, height=_BAR, fill=CALLS[call][1]))
        if part > _ROOM_FOR_NUMBER:
            ink = "#fff" if call == "high" else "#22262b"
            middle = x + part / 2
            bar.append(text(middle, top + 9, str(number), "middle", font_size="9", fill=ink))
        x += part
    return bar
