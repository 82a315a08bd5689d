"""Where the label images of a person lie, by a pattern with names in braces.

What must be known before any job runs is here, and needs no segmenter: every Snakemake job reads
the plan again.
"""

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from levelfield.config.sheets import ConfigError
from levelfield.config.wells import well_path


def field_names(plate: str, well: str, site: int, raw_file: str) -> dict[str, str | int]:
    """Return what can stand in braces: plate, well, row, column, site and image.

    ``image`` is the name of the field's first raw file without its ending.
    """
    row, column = well_path(well).split("/")
    return {
        "plate": plate,
        "well": well,
        "row": row,
        "column": column,
        "site": site,
        "image": Path(raw_file).stem,
    }


def plates_with_references(
    config: Mapping[str, Any], plates: Iterable[str]
) -> dict[str, list[Path]]:
    """Find the files of references by plate; plates that have none are left out.

    Raises
    ------
    ConfigError
        If a pattern is wrong, or no file of any plate fits it.
    """
    if "evaluation" not in config:
        return {}
    folder, plates = Path(config["data_folder"]), list(plates)
    found: dict[str, set[Path]] = {plate: set() for plate in plates}
    for object_set, pattern in config["evaluation"]["references"].items():
        key = f"evaluation.references.{object_set}"
        _check_pattern(key, object_set, pattern, list(config["objects"]))
        files = {plate: files_of_plate(folder, pattern, plate) for plate in plates}
        if not any(files.values()):
            raise ConfigError(
                f"{key}: not one file fits '{_open_path(folder, pattern, plates[0])}', nor the "
                "same of another plate, so there is nothing to compare with. Correct the pattern "
                "(it starts from data_folder), or leave the section 'evaluation' out."
            )
        for plate in plates:
            found[plate].update(files[plate])
    return {plate: sorted(files) for plate, files in found.items() if files}


def _check_pattern(key: str, object_set: str, pattern: str, sets: list[str]) -> None:
    if object_set not in sets:
        raise ConfigError(f"{key}: there is no such object set. Allowed: {', '.join(sets)}.")
    names = field_names("P", "A01", 1, "image.tif")
    try:
        pattern.format(**names)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            f"{key}: '{pattern}' cannot be filled in ({error}). Names that can stand in braces: "
            f"{', '.join(names)}; only site is a number, as in {{site:02d}}."
        ) from None


def files_of_plate(folder: Path, pattern: str, plate: str) -> list[Path]:
    """Return the files that fit a pattern for some field of a plate, sorted."""
    path = _open_path(folder, pattern, plate)
    start = Path(path.anchor)
    return sorted(start.glob(str(path.relative_to(start))))


def _open_path(folder: Path, pattern: str, plate: str) -> Path:
    """Fill in the plate, and leave everything else open by an asterisk."""
    parts = []
    for text, name, form, _ in Formatter().parse(pattern):
        parts.append(glob.escape(text))
        if name == "plate":
            parts.append(glob.escape(format(plate, form or "")))
        elif name is not None and parts[-2:] != ["*", ""]:  # two would mean all folders below
            parts.append("*")
    return Path(glob.escape(str(folder))) / "".join(parts)
