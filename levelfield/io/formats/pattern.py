"""Images whose file names say what they hold, read with a regular expression.

The pattern is searched in each file's path below the plate's folder, as CellProfiler's
Metadata module does; its named groups are ``well`` (or ``row`` and ``column``), ``site``,
``channel``, ``z``, ``time`` and ``plate``.
"""

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.wells import parse_well, row_letters
from levelfield.images.planes import SUFFIXES, Header, read_header
from levelfield.io.plate_index import IndexFault

GROUPS = ("plate", "well", "row", "column", "site", "channel", "z", "time")
_HEADER_READERS = 16  # headers wait for the file system, not for a core


def find_planes(
    folder: Path, plate: str, images: Mapping[str, Any], channels: Mapping[str, Any]
) -> pd.DataFrame:
    """Find the planes of a plate by the names of files in a folder and its subfolders.

    Files whose group ``plate`` says another plate are left out. `images` and `channels` are those
    sections of the config.

    Returns
    -------
    DataFrame
        One row per plane of a known channel, with the columns of the index.

    Raises
    ------
    IndexFault
        If the pattern is not usable or matches nothing.
    """
    files = _files_of_plate(folder, plate, images["pattern"])
    names = {str(rule["match"]): channel for channel, rule in channels.items()}
    with ThreadPoolExecutor(_HEADER_READERS) as readers:
        headers = list(readers.map(read_header, [folder / name for name in files]))
    rows: list[dict[str, Any]] = []
    for (name, facts), header in zip(files.items(), headers, strict=True):
        rows += _planes_of(folder / name, facts, header, images.get("pages"), names)
    if not rows:
        read = sorted({facts["channel"] for facts in files.values()})
        raise IndexFault(
            f"plate {plate}: no file in '{folder}' is of a channel of the config. The pattern's "
            f"group 'channel' reads {', '.join(read)}; the config's channels match "
            f"{', '.join(names)}. Correct channels.<name>.match."
        )
    return pd.DataFrame(rows).assign(plate=plate)


def _files_of_plate(folder: Path, plate: str, expression: str) -> dict[str, dict[str, Any]]:
    """Return what the name of each image of a plate says of it, by the file's path in `folder`."""
    pattern = compile_pattern(expression)
    files = sorted(
        Path(root, name).relative_to(folder).as_posix()
        for root, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )
    matched = {name: _describe(name, match) for name in files if (match := pattern.search(name))}
    if not files:
        raise IndexFault(
            f"'{folder}' and its subfolders hold no image ({', '.join(SUFFIXES)}). "
            "Correct the column 'images' of the plate sheet."
        )
    if not matched:
        raise IndexFault(
            f"images.pattern: '{expression}' matches none of the {len(files)} images in "
            f"'{folder}'. The first of them is '{files[0]}'. Correct the pattern."
        )
    if all(facts["fault"] for facts in matched.values()):
        name, facts = next(iter(matched.items()))
        raise IndexFault(f"images.pattern, '{name}': {facts['fault']} Correct the pattern.")
    found = {name: facts for name, facts in matched.items() if facts["plate"] in ("", plate)}
    if not found:
        others = sorted({facts["plate"] for facts in matched.values()})
        raise IndexFault(
            f"plate {plate}: the pattern's group 'plate' reads {', '.join(others[:5])} in "
            f"'{folder}', never '{plate}'. Correct the plate's name in the plate sheet, "
            "or the pattern."
        )
    return found


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
            "groups 'row' and 'column', for instance (?P<well>[A-P][0-9]{2})."
        )
    return pattern


def _describe(name: str, match: re.Match[str]) -> dict[str, Any]:
    """Read what a file's name says of it."""
    groups = dict.fromkeys(GROUPS, "") | match.groupdict(default="")
    row = groups["row"]
    letters = row_letters(int(row)) if row.isdigit() else row
    facts: dict[str, Any] = {"plate": groups["plate"], "channel": groups["channel"], "fault": ""}
    try:
        facts["well"] = parse_well(groups["well"] or f"{letters}{groups['column']}")
    except ValueError as error:  # one stray file must not stop a plate
        facts |= {"well": "", "fault": f"the pattern reads no well in its name: {error}"}
    for group, absent in (("site", "1"), ("z", "0"), ("time", "0")):
        text = groups[group] or absent
        if not text.isdigit():
            raise IndexFault(
                f"images.pattern reads '{text}' as the {group} of '{name}'; a whole number is "
                "needed."
            )
        facts[group] = int(text)
    return facts


def _planes_of(
    path: Path,
    facts: Mapping[str, Any],
    header: Header,
    pages: str | None,
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the index rows of one file: one, or one per page of a multi-page TIFF."""
    if header.n_pages > 1 and pages is None:
        raise IndexFault(
            f"'{path}' has {header.n_pages} pages. Say what they are with images.pages: "
            "channel, z or time."
        )
    rows = []
    for page in range(max(header.n_pages, 1)):
        plane = dict(facts)
        if pages is not None:
            plane[pages] = str(page + 1) if pages == "channel" else page
        # A pattern without the group 'channel' is for screens of a single channel.
        channel = plane["channel"] or next(iter(names))
        if channel in names:
            own = {"channel": names[channel], "path": str(path), "page": page}
            rows.append(plane | vars(header) | own | {"fault": facts["fault"] or header.fault})
    return rows
