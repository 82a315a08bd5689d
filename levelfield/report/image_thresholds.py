"""Every control image's threshold bias, and how many images are called low, ok and high."""

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from markupsafe import Markup

from levelfield.qc.statistics.summary import DEAD_ZONE_PX
from levelfield.qc.wording.numbers import measured
from levelfield.report.distributions import Group, dots, group_heading
from levelfield.report.svg import (
    Scale,
    band,
    drawing,
    element,
    level_axis,
    text,
    title,
    value_limits,
)

WIDTH, ROW = 500, 58
CALLS = {"high": ("too high", "#8073ac"), "ok": ("ok", "#b4bab0"), "low": ("too low", "#e08214")}
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
    rows = [measured_sites[measured_sites["Metadata_Well"].isin(group.wells)] for group in groups]
    ends = np.concatenate([own["threshold_bias_px"].to_numpy(float) for own in rows])
    low, high = value_limits(ends)
    reach = 1.6 * DEAD_ZONE_PX
    scale = Scale(min(low, -reach), max(high, reach), _LEFT, WIDTH - _RIGHT)
    bottom = _TOP + ROW * len(groups)
    parts = [band(scale, DEAD_ZONE_PX, _TOP, bottom), *level_axis(scale, _TOP, bottom, zero=True)]
    for number, (group, own) in enumerate(zip(groups, rows, strict=True)):
        parts += _row(group, own, scale, _TOP + ROW * number)
    return drawing(WIDTH, bottom + 22, "Threshold bias of every control image", parts)


def _row(group: Group, own: pd.DataFrame, scale: Scale, top: float) -> list[ElementTree.Element]:
    middle = top + ROW * 0.33
    parts = group_heading(group, middle, empty=own.empty)
    if own.empty:
        return parts
    said = [
        f"{row['Metadata_Well']}, site {row['Metadata_Site']}: "
        f"{measured(row['threshold_bias_px'], 'px')}"
        for row in own.to_dict("records")
    ]
    places = [scale(value) for value in own["threshold_bias_px"]]
    parts += dots(group, places, said, middle, _SPREAD, _RADIUS)
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
