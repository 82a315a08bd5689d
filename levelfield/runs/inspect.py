"""Say what lies in a folder of raw images: which plates, of which format, and what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelfield.config.sheets import checked_url
from levelfield.images.planes import SUFFIXES
from levelfield.io.export import plate_name
from levelfield.io.listing import Listing, list_files
from levelfield.io.pattern_proposal import Proposal, propose_pattern
from levelfield.io.plate_index import IndexFault
from levelfield.io.recognition import known_formats, unknown_text
from levelfield.io.summary import PlateSummary, bytes_text, plates_below, summarise, summary_text
from levelfield.remote.urls import is_url


@dataclass(frozen=True)
class Found:
    """The plates below a folder, by the names that they get; and how their images are read.

    The proposal is there where the names of files had to be guessed from.
    """

    files: Listing
    images: Mapping[str, Any]
    plates: Mapping[str, PlateSummary]
    proposal: Proposal | None = None


def look_into(folder: Path | str, format_name: str = "auto") -> Found:
    """Recognise the plates in a folder, or propose a pattern for the names of its images.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    IndexFault
        If nothing in it is recognised, and no pattern can be made; or if several formats fit.
    SheetError
        If it is a URL of a kind that is not read, or holds a password or token.
    """
    if "://" in str(folder):
        folder = checked_url(str(folder), "FOLDER")
    files = list_files(folder)
    roots = plates_below(files) if format_name == "auto" else _of_format(files, format_name)
    if roots:
        names = _plate_names(files.folder, list(roots))
        plates: dict[str, PlateSummary] = {}
        for root, name in roots.items():
            for told, plate in summarise(files, root, {"format": name}).items():
                key = plate_name(told) if told else names[root]
                if key in plates:
                    raise IndexFault(
                        f"'{files.folder}' holds two plates that are called '{key}', in the "
                        f"folders '{plates[key].folder}' and '{root}'. Look at one at a time."
                    )
                plates[key] = plate
        return Found(files, {"format": next(iter(roots.values()))}, plates)
    images = files.ending(*SUFFIXES)
    if not images:
        raise IndexFault(unknown_text(files))
    proposal = propose_pattern(images)
    if proposal is None:
        raise IndexFault(
            f"'{files.folder}' holds {len(images)} images of no format that is recognised, such as "
            f"'{images[0]}', and nothing in their names looks like a well (B02). Make a sheet of "
            "the images, with the columns file, well, site and channel, and name it in the config: "
            "images: {format: sheet, sheet: images.csv}."
        )
    rule = {"format": "pattern", "pattern": proposal.pattern}
    name = _plate_names(files.folder, ["."])["."]
    found = summarise(files, ".", rule)
    named = {plate_name(told) if told else name: plate for told, plate in found.items()}
    return Found(files, rule, named, proposal)


def _of_format(files: Listing, name: str) -> dict[str, str]:
    known = known_formats()
    if name not in known:
        raise IndexFault(f"there is no format '{name}'. Allowed: auto, {', '.join(known)}.")
    roots = known[name].plate_folders(files)
    if not roots:
        raise IndexFault(f"'{files.folder}' holds no plate of the format {name}.")
    return dict.fromkeys(roots, name)


def _plate_names(folder: Path | str, roots: list[str]) -> dict[str, str]:
    """Return a name for every plate, made of its folder's; the results lie in one called so."""
    names: dict[str, str] = {}
    for root in roots:
        parts = [] if root == "." else root.split("/")
        whole = [last_part(folder), *parts]
        for used in range(1, len(whole) + 1):  # as much of the path as tells it from others
            name = plate_name("_".join(whole[-used:]))
            if name not in names.values():
                break
        names[root] = name
    return names


def last_part(folder: Path | str) -> str:
    """Return the name of a folder, which may be a URL."""
    return str(folder).rpartition("/")[2] if is_url(folder) else Path(folder).resolve().name


def found_text(found: Found) -> str:
    """Say what was found in a folder."""
    total = sum(found.files.files.values())
    number = len(found.plates)
    head = (
        f"{found.files.folder}: {number} {'plate' if number == 1 else 'plates'}; "
        f"{len(found.files.files)} files, {bytes_text(total)}"
    )
    parts = [head, *(summary_text(name, plate) for name, plate in found.plates.items())]
    if found.proposal:
        parts.append(_proposal_text(found))
    return "\n\n".join(parts)


def _proposal_text(found: Found) -> str:
    plate = next(iter(found.plates.values()))
    left = sum(map(len, plate.export.left_out.values()))
    number = len(plate.export.planes)
    repeats = number - len({(p.well, p.site, p.channel, p.z, p.time) for p in plate.export.planes})
    lines = [
        "No format is recognised. A pattern for the names of the files, made from them; look at it "
        "before you use it:",
        f"  pattern: '{found.images['pattern']}'",
        f"It reads {number} of {number + left} images, for instance",
    ]
    step = max(number // 3, 1)
    for plane in plate.export.planes[::step][:3]:
        name = plane.path.removeprefix(f"{found.files.folder}/")
        lines.append(
            f"  {name}: well {plane.well or '?'}, site {plane.site}, channel "
            f"{plane.channel or 'one'}, z {plane.z}, time {plane.time}"
        )
    if repeats:
        lines.append(f"{repeats} images would be the same plane as another: a part is not read.")
    lines += [
        f"Look at this: {text}." for text in (found.proposal.unclear if found.proposal else ())
    ]
    return "\n".join(lines)
