r"""A pattern for files of an unknown kind, made from their names.

Names are cut into letters, digits, identifiers (GUIDs) and the rest. Of those that have the same
parts, the ones that differ between files are told apart by what they look like (``B02``,
``r02c03``), by the letters before them (``s1``, ``field_3``, ``ch02``), and by whether they follow
from the others, as a number that counts the wells through does.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from levelfield.config.wells import row_column
from levelfield.io.listing import base_name
from levelfield.io.name_parts import GUID

_PART = re.compile(rf"(?<![A-Za-z\d]){GUID}(?![A-Za-z\d])|[A-Za-z]+|\d+|[^A-Za-z\d]+")
_GROUPS = {
    "site": ("s", "f", "fld", "field", "site", "fov", "pos", "position", "p", "xy", "tile"),
    "channel": ("w", "c", "ch", "channel", "wv", "wave", "wavelength", "a"),
    "z": ("z", "zstep", "plane", "slice", "sl"),
    "time": ("t", "tp", "time", "timepoint", "sk"),
}
_MEANING = {prefix: group for group, prefixes in _GROUPS.items() for prefix in prefixes}
_ROWS = re.compile(r"[A-P]|A[A-F]", re.IGNORECASE)
_SAMPLE = 5000  # names that are looked at; a larger plate repeats itself
_MOST_CHANNELS = 12


@dataclass(frozen=True)
class Proposal:
    """A pattern, and what is to be said of parts of the names that it does not use."""

    pattern: str
    unclear: tuple[str, ...]


def propose_pattern(names: Sequence[str]) -> Proposal | None:
    """Return a pattern for the paths of images; None if nothing in them looks like a well."""
    bases = [base_name(name) for name in names[:: max(len(names) // _SAMPLE, 1)]]
    shapes = Counter(_shape(name) for name in bases)
    if not shapes:
        return None
    shape = shapes.most_common(1)[0][0]
    table = [_PART.findall(name) for name in bases if _shape(name) == shape]
    columns = list(zip(*table, strict=True))
    places = _well(columns)
    if places is None:
        return None
    groups, unclear = _other_groups(columns, places)
    text = "".join(_written(at, column, groups) for at, column in enumerate(columns))
    return Proposal(f"(?:^|/){text}$", tuple(unclear))


def _shape(name: str) -> tuple[str, ...]:
    """Return what the parts of a name are, with the rest between letters and digits as it is."""
    kinds = (
        "identifier"
        if _is_identifier(part)
        else "a"
        if part[0].isalpha()
        else "0"
        if part[0].isdigit()
        else part
        for part in _PART.findall(name)
    )
    return tuple(kinds)


def _is_identifier(part: str) -> bool:
    """Say whether a part is a GUID, which is another one in every name and tells nothing."""
    return re.fullmatch(GUID, part) is not None


def _well(columns: Sequence[Sequence[str]]) -> dict[int, str] | None:
    """Return the parts that tell the well, by their place: ``row`` and ``column``."""
    for at in range(len(columns) - 3):  # r02c03
        letters = {columns[at][0].lower()[-1:], columns[at + 2][0].lower()}
        if letters == {"r", "c"} and columns[at + 1][0].isdigit() and columns[at + 3][0].isdigit():
            return {at + 1: "row", at + 3: "column"}
    for at in range(len(columns) - 1):
        for step in (1, 2):  # A01, A-01
            if at + step >= len(columns) or (step == 2 and columns[at + 1][0][0].isalnum()):
                continue
            rows, numbers = columns[at], columns[at + step]
            if all(map(_ROWS.fullmatch, set(rows))) and _are_columns(rows, numbers):
                return {at: "row", at + step: "column"}
    return None


def _are_columns(rows: Sequence[str], numbers: Sequence[str]) -> bool:
    if not all(number.isdigit() and len(number) <= 2 for number in set(numbers)):
        return False
    wells = {f"{row}{number}" for row, number in zip(rows, numbers, strict=True)}
    return all(1 <= row_column(well)[1] <= 48 for well in wells)


def _other_groups(
    columns: Sequence[Sequence[str]], well: dict[int, str]
) -> tuple[dict[int, str], list[str]]:
    """Return what other parts mean, by their place, and what is not clear of them."""
    groups = dict(well)
    unclear: list[str] = []
    wells = list(zip(*(columns[at] for at in well), strict=True))
    name = "".join(column[0] for column in columns)
    unknown: list[int] = []
    for at, column in enumerate(columns):
        known = set(groups.values())
        differs = len(set(column)) > 1
        if at in groups or not column[0].isalnum() or _is_identifier(column[0]):
            continue
        meaning = _MEANING.get(_before(columns, at)) if column[0].isdigit() else None
        if meaning and meaning not in known:
            groups[at] = meaning
        elif differs and not _follows(column, wells):
            unknown.append(at)
    for at in reversed(unknown):  # the channel is usually the last, before it the site
        known, column = set(groups.values()), columns[at]
        few = len(set(column)) <= _MOST_CHANNELS and (column[0].isalpha() or len(column[0]) < 3)
        shown = f"'{column[0]}' in names such as '{name}'"
        if few and "channel" not in known:
            groups[at] = "channel"
        elif column[0].isdigit() and "site" not in known:
            groups[at] = "site"
            unclear.append(f"{shown} is taken for the site")
        else:
            unclear.append(f"it is not clear what {shown} means, which differs between files")
    return groups, unclear


def _before(columns: Sequence[Sequence[str]], at: int) -> str:
    """Return the letters before a part, in lower case, if they are the same in all names."""
    for place in (at - 1, at - 2):
        if place >= 0 and columns[place][0].isalpha():
            found = set(columns[place])
            return found.pop().lower() if len(found) == 1 else ""
        if place >= 0 and columns[place][0] not in ("-", "_", " "):
            return ""
    return ""


def _follows(column: Sequence[str], wells: Sequence[tuple[str, ...]]) -> bool:
    """Return whether a part is known from the well, as one that counts wells through."""
    return len(set(zip(wells, column, strict=True))) == len(set(wells))


def _written(at: int, column: Sequence[str], groups: dict[int, str]) -> str:
    """Return the regular expression of one part."""
    if _is_identifier(column[0]):
        return GUID
    found = set(column)
    digits = column[0].isdigit()
    one = re.escape(column[0]) if len(found) == 1 else r"\d+" if digits else "[A-Za-z]+"
    if at not in groups:
        return one
    any_of = r"\d+" if digits else "[A-Za-z]+"
    if groups[at] == "row" and not digits:
        any_of = "[A-Pa-p]|A[A-F]" if any(len(row) > 1 for row in found) else "[A-P]"
    return f"(?P<{groups[at]}>{any_of})"
