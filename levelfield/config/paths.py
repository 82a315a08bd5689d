"""Where the relative paths of a config count from."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def base_folder(config: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return the folder that a config's relative paths count from.

    It is the folder of the config's file, if the plate sheet lies there, and else the one that the
    process runs in. With several files it is that of the last one that fits.

    Parameters
    ----------
    config : mapping
        As it was read.
    files : sequence of str
        The files that it was read from.
    """
    sheet = config.get("plates")
    if isinstance(sheet, str) and not Path(sheet).is_absolute():
        for file in reversed(files):
            if (Path(file).parent / sheet).is_file():
                return _short(Path(file).parent)
    return "."


def _short(folder: Path) -> str:
    """Return a folder relative to where the process runs, if it lies within: it may be moved."""
    here, there = Path.cwd(), Path(os.path.abspath(folder))  # noqa: PTH100, links stay as they are
    return str(there.relative_to(here)) if there.is_relative_to(here) else str(there)


def counted_from(config: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a config whose paths of files that are read count from where the process runs.

    Those are the plate sheet, the data folder, the sheet of images, the cache of images, dark
    frames, sheets of training images, the review, a calibration and weights. Results stay where
    they are.
    """
    if base == ".":
        return dict(config)
    moved = dict(config) | {"plates": _below(base, config["plates"])}
    moved["data_folder"] = _below(base, config.get("data_folder", "."))
    for section, key in (
        ("channels", "camera_offset"),
        ("networks", "training"),
        ("pixel_classifiers", "training"),
        ("weights", "source"),
    ):
        rules = config.get(section)
        if isinstance(rules, Mapping):
            moved[section] = {name: _moved(rule, key, base) for name, rule in rules.items()}
    for section, key in (
        ("qc", "review"),
        ("qc", "calibration"),
        ("images", "sheet"),
        ("remote", "cache"),
    ):
        if section in moved:
            moved[section] = _moved(moved[section], key, base)
    return moved


def _moved(rule: Any, key: str, base: str) -> Any:
    if not isinstance(rule, Mapping) or key not in rule:
        return rule
    return dict(rule) | {key: _below(base, rule[key])}


def _below(base: str, path: Any) -> Any:
    """Return a path below the base; what is no relative path stays as it is."""
    if not isinstance(path, str) or path in ("", "auto") or "://" in path or path[:1] in "~/":
        return path
    return os.path.normpath(f"{base}/{path}")
