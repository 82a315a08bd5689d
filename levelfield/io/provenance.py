"""What ran, on what, with what: versions, and the run of a plate as an RO-Crate.

The crate follows the Process Run Crate profile (Leo et al., PLoS ONE 19, e0309210, 2024; RO-Crate:
Soiland-Reyes et al., Data Science 5, 97, 2022).
"""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from levelfield import __version__
from levelfield.config.planted import PLANTED, planted_note
from levelfield.io.checksums import file_sha256

PACKAGES = (
    *("snakemake", "numpy", "scipy", "scikit-image", "numba", "pandas", "pyarrow", "zarr"),
    *("ome-zarr-models", "tifffile", "imagecodecs"),
)
"""Packages whose version can change a result."""

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"


def versions() -> dict[str, str]:
    """Return the version of Levelfield, Python and each of `PACKAGES`."""
    found = {"levelfield": __version__, "python": platform.python_version()}
    return found | {name: version(name) for name in PACKAGES}


def run_crate(
    plate: str,
    folder: Path,
    inputs: Mapping[str, Path | str],
    results: Iterable[Path],
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe the run of a plate: the content of ``ro-crate-metadata.json`` (JSON-LD).

    That file will lie in the `folder` of results, as the files and folders do that the run wrote.
    What the run read is named by a short description.
    """
    crate = ROCrate()
    planted = planted_note(config.get("objects", {}))
    crate.name = f"Levelfield results of plate {plate}{f' ({PLANTED})' if planted else ''}"
    what = "Segmentation, measurement and quality control of a high-content plate."
    crate.description = f"{planted} {what}".lstrip()
    crate.license = "Not stated: the licence is that of the images and their owner's choice."
    crate.root_dataset["conformsTo"] = _entity(
        crate, _PROFILE, "CreativeWork", "Process Run Crate", version="0.5"
    )
    objects = [
        _entity(crate, str(path), "Dataset" if Path(path).is_dir() else "File", name)
        for name, path in inputs.items()
    ]
    files = [_result(crate, path, folder) for path in results]
    crate.root_dataset["hasPart"] = files
    crate.root_dataset["mentions"] = _entity(
        crate,
        "#run",
        "CreateAction",
        f"Levelfield run of plate {plate}",
        instrument=_reference(_software(crate)),
        object=[_reference(entity) for entity in objects],
        result=[_reference(entity) for entity in files],
        endTime=datetime.now(UTC).isoformat(timespec="seconds"),
        description=yaml.safe_dump(dict(config), sort_keys=False),
    )
    return crate.metadata.generate()


def _result(crate: ROCrate, path: Path, folder: Path) -> ContextEntity:
    """Describe a file, or a folder by what it holds: its files can be made again from the rest."""
    name = path.relative_to(folder).as_posix()
    if not path.is_dir():
        return _entity(crate, name, "File", path.name, sha256=file_sha256(path))
    held = [own for own in sorted(path.rglob("*")) if own.is_file()]
    kinds = Counter(own.suffix.lstrip(".") or "other" for own in held)
    words = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    size = str(sum(own.stat().st_size for own in held))
    about = f"{len(held)} files that the report loads on demand ({words})"
    return _entity(crate, f"{name}/", "Dataset", path.name, description=about, contentSize=size)


def _entity(crate: ROCrate, identity: str, kind: str, name: str, **more: Any) -> ContextEntity:
    return crate.add(ContextEntity(crate, identity, {"@type": kind, "name": name} | more))


def _reference(entity: ContextEntity) -> dict[str, str]:
    return {"@id": entity.id}


def _software(crate: ROCrate) -> ContextEntity:
    def software(name: str, **more: Any) -> ContextEntity:
        number = found[name]
        return _entity(
            crate, f"#{name}", "SoftwareApplication", name, softwareVersion=number, **more
        )

    found = versions()
    needed = [_reference(software(name)) for name in found if name != "levelfield"]
    return software("levelfield", softwareRequirements=needed)
