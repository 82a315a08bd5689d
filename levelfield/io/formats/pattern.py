"""Images whose file names say what they hold, read with a regular expression.

The pattern is searched in each file's path below the plate's folder, as CellProfiler's
Metadata module does; its named groups are ``well`` (or ``row`` and ``column``), ``site``,
``channel``, ``z``, ``time`` and ``plate``.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from levelfield.config.wells import parse_well, row_letters
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import Export, Plane
from levelfield.io.listing import Listing
from levelfield.io.name_parts import explain, guid_span
from levelfield.io.plate_index import IndexFault

TITLE = "files named by a pattern"
GROUPS = ("plate", "well", "row", "column", "site", "channel", "z", "time")


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """Find the planes of a plate by the names of files in a folder and its subfolders.

    `images` is that section of the config.

    Raises
    ------
    IndexFault
        If the pattern is not usable or matches nothing.
    """
    expression = images["pattern"]
    pattern = compile_pattern(expression)
    names = files.ending(*SUFFIXES)
    if not names:
        raise IndexFault(
            f"'{files.folder}' and its subfolders hold no image ({', '.join(SUFFIXES)}). "
            "Correct the column 'images' of the plate sheet."
        )
    matched = {name: match for name in names if (match := _search(pattern, name))}
    if not matched:
        raise IndexFault(
            f"images.pattern: '{expression}' matches none of the {len(names)} images in "
            f"'{files.folder}'. Three of them, and what the parts of the pattern find there:\n"
            f"{explain(expression, names)}\nCorrect the pattern."
        )
    planes = [_plane(files, name, match) for name, match in matched.items()]
    if all(plane.fault for plane in planes):
        name = next(iter(matched))
        raise IndexFault(f"images.pattern, '{name}': {planes[0].fault} Correct the pattern.")
    channels = dict.fromkeys(sorted({plane.channel for plane in planes}), ())
    others = [name for name in names if name not in matched]
    left_out = {"names that the pattern does not match": others} if others else {}
    return Export(planes, channels, left_out)


def _search(pattern: re.Pattern[str], name: str) -> re.Match[str] | None:
    """Search a path; its ending may be written in capitals or not."""
    if match := pattern.search(name):
        return match
    stem, ending = name[: -len(PurePosixPath(name).suffix)], PurePosixPath(name).suffix
    for other in (ending.lower(), ending.upper()):
        if other != ending and (match := pattern.search(stem + other)):
            return match
    return None


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile an image pattern and check its groups.

    Raises
    ------
    IndexFault
        If the expression is not valid, names an unknown group, or does not tell the well.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        fault = f"images.pattern: '{text}' is not a regular expression ({error})."
        raise IndexFault(fault) from None
    groups = set(pattern.groupindex)
    if unknown := sorted(groups - set(GROUPS)):
        raise IndexFault(
            f"images.pattern: the group '{unknown[0]}' is not known. Allowed: {', '.join(GROUPS)}."
        )
    if "well" not in groups and not {"row", "column"} <= groups:
        raise IndexFault(
            f"images.pattern: '{text}' does not tell the well. Name a group 'well', or two "
            "groups 'row' and 'column', for instance (?P<well>[A-P][0-9]{2}). Where the names do "
            "not tell it, write a sheet of the images (images.format: sheet)."
        )
    return pattern


def _plane(files: Listing, name: str, match: re.Match[str]) -> Plane:
    """Read what a file's name says of it."""
    groups = dict.fromkeys(GROUPS, "") | match.groupdict(default="")
    _refuse_guid_digits(name, match)
    row = groups["row"]
    letters = row_letters(int(row)) if row.isdigit() else row
    well = fault = ""
    try:
        well = parse_well(groups["well"] or f"{letters}{groups['column']}")
    except ValueError as error:  # one stray file must not stop a plate
        fault = f"the pattern reads no well in its name: {error}"
    site, z, time = (
        _number(group, groups[group] or absent, name)
        for group, absent in (("site", "1"), ("z", "0"), ("time", "0"))
    )
    return Plane(
        well=well,
        site=site,
        channel=groups["channel"],
        path=files.path(name),
        z=z,
        time=time,
        fault=fault,
        plate=groups["plate"],
    )


def _number(group: str, text: str, name: str) -> int:
    if not text.isdigit():
        raise IndexFault(
            f"images.pattern reads '{text}' as the {group} of '{name}'; a whole number is needed."
        )
    return int(text)


def _refuse_guid_digits(name: str, match: re.Match[str]) -> None:
    """Raise `IndexFault` if a group has read digits of an identifier that only looks like one."""
    span = guid_span(name)
    if span is None:
        return
    for group, text in match.groupdict().items():
        start, stop = match.span(group)
        if text and start < span[1] and stop > span[0]:
            raise IndexFault(
                f"images.pattern reads '{text}' as the {group} of '{name}', but these are digits "
                f"of the identifier '{name[span[0] : span[1]]}', which MetaXpress puts at the end "
                "of names. Use images.format: imagexpress, or let the pattern end with the "
                r"identifier: ..._s(?P<site>\d+?)_w(?P<channel>\d)"
                r"[0-9A-F]{8}-[-0-9A-F]{27}\.tif$."
            )
