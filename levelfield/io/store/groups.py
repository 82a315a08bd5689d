"""Groups of the store: their attributes in either version of OME-Zarr, seen whole or not at all."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERSIONS = ("0.4", "0.5")
"""Of OME-Zarr: 0.4 is Zarr v2, 0.5 is Zarr v3."""
NEWEST = VERSIONS[-1]

_FILES = {"0.4": (".zgroup", ".zattrs"), "0.5": ("zarr.json",)}


def group_version(path: Path) -> str | None:
    """Return the version of OME-Zarr that a group is written in; None where there is no group."""
    for version, names in _FILES.items():
        if (path / names[0]).is_file():
            return version
    return None


def write_group(path: Path, attributes: Mapping[str, Any], version: str) -> None:
    """Write a group's metadata, each file whole or not at all, and take away another version's."""
    path.mkdir(parents=True, exist_ok=True)
    if version == "0.4":
        documents: dict[str, Any] = {".zattrs": dict(attributes), ".zgroup": {"zarr_format": 2}}
    else:
        group = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
        documents = {"zarr.json": group}
    for name, document in documents.items():
        write_json(path / name, document)
    for other in set(VERSIONS) - {version}:
        for name in _FILES[other]:
            (path / name).unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file so that a reader sees it whole or not at all."""
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_text(json.dumps(document))
    draft.replace(path)


def ome_attributes(attributes: Any) -> dict[str, Any]:
    """Return what a group says of itself in terms of OME-Zarr, of either version."""
    return dict(attributes.get("ome", attributes))
