"""How remote files are read. A job's processes have it from their environment."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

DEFAULT_CACHE = "~/.cache/levelfield/images"
_VARIABLE = "LEVELFIELD_REMOTE"


@dataclass(frozen=True)
class RemoteSettings:
    """Where fetched images are kept, and how servers are spoken to.

    Attributes
    ----------
    cache : str
        Folder of images that were fetched; jobs and screens may share it.
    cache_gb : float
        The largest size of the cache in 10^9 bytes; 0 for none.
    anonymous : bool
        Whether S3 and Google are read without an account.
    endpoint : str
        URL of a server that speaks S3; empty for Amazon's.
    """

    cache: str = DEFAULT_CACHE
    cache_gb: float = 50.0
    anonymous: bool = True
    endpoint: str = ""

    @property
    def folder(self) -> Path:
        """The cache's folder, variables and ``~`` replaced."""
        return Path(os.path.expandvars(self.cache)).expanduser()


def use_settings(section: Mapping[str, Any]) -> None:
    """Have this process, and those that it starts, read remote files as a config says."""
    known = {field.name for field in fields(RemoteSettings)}
    given = {key: value for key, value in section.items() if key in known and value is not None}
    cache = given.get("cache", "")
    if cache and cache[:1] not in "~/$":  # not every process runs in the same folder
        given["cache"] = os.path.abspath(cache)  # noqa: PTH100, links stay
    os.environ[_VARIABLE] = json.dumps(asdict(RemoteSettings(**given)), sort_keys=True)


def settings() -> RemoteSettings:
    """Return how this process reads remote files."""
    text = os.environ.get(_VARIABLE, "")
    return RemoteSettings(**json.loads(text)) if text else RemoteSettings()
