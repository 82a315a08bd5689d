"""The plate browser: from an answer to the wells, sites and objects that it rests on.

The page holds the numbers of wells and sites. What is large lies in a folder beside it, a file per
well with its pictures and objects, and is loaded when somebody looks. The files are scripts, since
a page that was opened from a disk may load scripts and pictures, and nothing else.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from levelfield.config.planted import COLUMN
from levelfield.config.settings import Science
from levelfield.config.wells import PLATE_SHAPES
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.wording.questions import CLASS_TITLES
from levelfield.questions import MEASURES, QUESTIONS
from levelfield.report.distributions import control_groups
from levelfield.report.gallery import OUTLINE_COLOURS
from levelfield.report.heatmaps import colours_of, well_description
from levelfield.report.quantities import Quantity

if TYPE_CHECKING:
    from levelfield.report.page import PlateReport

FOLDER = "browser"
"""Beside the page, with a file per well."""
NOT_COVERED, LEFT_OUT, NO_IMAGE, PLANTED_WELL = "not_covered", "left_out", "no_image", "planted"
FLAGS = {
    "margin": "beyond the margin of a class",
    NOT_COVERED: "looks like neither control",
    LEFT_OUT: "images left out",
    NO_IMAGE: "no usable image",
    PLANTED_WELL: "planted error",
}
"""Why a well may be worth a look; the first is found in the page, for what it shows."""
_OTHERS = "no control"
_DIGITS = 4


def browser_data(
    data: "PlateReport", shown: Sequence[Quantity], pairs: Sequence[Comparison]
) -> dict[str, Any]:
    """Return what the page knows of wells and sites, as plain lists and numbers.

    Parameters
    ----------
    data : PlateReport
        The tables of the plate.
    shown : sequence of Quantity
        What can be shown on the map, in order.
    pairs : sequence of Comparison
        The plate's controls.
    """
    layout = data.layout.to_dict("records")
    names = [str(well["Metadata_Well"]) for well in layout]
    classes, class_of = _classes(pairs, names)
    flags = _flags(data)
    rows, columns = PLATE_SHAPES[data.n_wells]
    sites = data.sites[["Metadata_Well", "Metadata_Site"]].drop_duplicates()
    sites = sites[sites["Metadata_Well"].isin(names)]
    place_of = {name: place for place, name in enumerate(names)}
    keys = [(str(well), int(site)) for well, site in sites.to_numpy().tolist()]
    return {
        "plate": str(data.plate.iloc[0]["Metadata_Plate"]),
        "folder": FOLDER,
        "rows": rows,
        "columns": columns,
        "channels": _channels(data),
        "sets": _outlines(data),
        "flags": FLAGS,
        "classes": classes,
        "wells": [
            {"name": name, "class": class_of[name], "says": well_description(well)}
            | ({"flags": flags[name]} if name in flags else {})
            for name, well in zip(names, layout, strict=True)
        ],
        "sites": {
            "well": [place_of[well] for well, _ in keys],
            "number": [site for _, site in keys],
        },
        "left_out": _left_out(data.excluded),
        "quantities": [_quantity(each, data, names, keys) for each in shown],
    }


def _classes(
    pairs: Sequence[Comparison], names: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the control classes and all that is no control, and the place of each well's.

    A positive control names the negative one that it is held against. A well that serves in
    several classes is named after the first.
    """
    groups = control_groups(pairs)
    against = {pair.perturbation: pair.negative_name for pair in pairs}
    place_of = {name: place for place, name in enumerate(names)}
    classes: list[dict[str, Any]] = [
        {
            "scope": group.scope,
            "name": group.name,
            "title": f"{CLASS_TITLES[group.scope]}: {group.name}",
            "against": against.get(group.name, "") if group.scope == "poscon" else "",
            "wells": [place_of[well] for well in group.wells if well in place_of],
        }
        for group in groups
    ]
    class_of = dict.fromkeys(names, len(groups))
    for place, group in reversed(list(enumerate(groups))):
        class_of |= dict.fromkeys(group.wells, place)
    others = [place for place, name in enumerate(names) if class_of[name] == len(groups)]
    rest = {"scope": "", "name": "", "title": _OTHERS, "against": "", "wells": others}
    return [*classes, rest], class_of


def _flags(data: "PlateReport") -> dict[str, list[str]]:
    """Return why wells may be worth a look, by well."""
    seen = set(data.sites["Metadata_Well"])
    known = {
        NOT_COVERED: set() if data.not_covered is None else set(data.not_covered["well"]),
        LEFT_OUT: set(data.excluded["Metadata_Well"]),
        NO_IMAGE: set(data.layout["Metadata_Well"]) - seen,
    }
    if COLUMN in data.layout:
        planted = data.layout[COLUMN].fillna("") != ""
        known[PLANTED_WELL] = set(data.layout.loc[planted, "Metadata_Well"])
    found: dict[str, list[str]] = {}
    for flag, wells in known.items():
        for well in sorted(wells):
            found.setdefault(str(well), []).append(flag)
    return found


def _channels(data: "PlateReport") -> list[dict[str, Any]]:
    """Return the channels with their colours and the contrast that all pictures share."""
    table = data.illumination.set_index("channel")
    found = []
    for name, channel in Science(data.config).channels.items():
        ends = [
            round(float(table.loc[name, f"display_{end}_percent"]), 2)
            for end in ("min", "max")
            if name in table.index and f"display_{end}_percent" in table
        ]
        found.append({"name": name, "colour": f"#{channel.color.lstrip('#')}", "range": ends})
    return found


def _outlines(data: "PlateReport") -> list[dict[str, Any]]:
    """Return the object sets with the colours of their outlines, as in the gallery."""
    judged = set(data.verdict["object_set"])
    sets = list(data.config.get("objects", {})) or sorted(judged)
    return [
        {
            "name": name,
            "colour": OUTLINE_COLOURS[place % len(OUTLINE_COLOURS)],
            "judged": name in judged,
        }
        for place, name in enumerate(sets)
    ]


def _left_out(excluded: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return why sites were left out, by well and site."""
    found: dict[str, dict[str, str]] = {}
    for well, site, reason in excluded[["Metadata_Well", "Metadata_Site", "reason"]].to_numpy():
        found.setdefault(str(well), {})[str(site)] = str(reason)
    return found


def _quantity(
    quantity: Quantity, data: "PlateReport", names: Sequence[str], keys: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    """Return the values of wells, and of sites where they are known, and their colours."""
    colours, per_well = colours_of(quantity), quantity.per_well
    values = [float(per_well.get(name, math.nan)) for name in names]
    found: dict[str, Any] = {
        "name": quantity.name,
        "unit": quantity.unit,
        "wells": [_rounded(value) for value in values],
        "colours": [colours.hexadecimal(v) if math.isfinite(v) else "" for v in values],
    }
    if not quantity.measure:
        return found
    measure = MEASURES[quantity.measure]
    own = data.qc_sites[data.qc_sites["object_set"] == quantity.object_set]
    column = measure.column
    by_site = {
        (str(well), int(site)): measure.scale * float(value)
        for well, site, value in own[["Metadata_Well", "Metadata_Site", column]].to_numpy().tolist()
    }
    margins = data.verdict[
        (data.verdict["measure"] == quantity.measure) & (data.verdict["scope"] != "difference")
    ]["margin"]
    return found | {
        "measure": measure.name,
        "question": measure.question,
        "title": QUESTIONS[measure.question].title,
        "set": quantity.object_set,
        "wrong": measure.kind("negcon"),
        "margin": float(margins.iloc[0]) if len(margins) else None,
        "sites": [_rounded(by_site.get(key, math.nan)) for key in keys],
    }


def _rounded(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def script_data(data: Mapping[str, Any]) -> Markup:
    """Write data as JSON that may stand in a page: nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
