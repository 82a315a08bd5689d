"""Paths that are URLs."""

import re
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("s3", "gs", "https", "http")
"""Of URLs that images may lie behind."""
_SECRET = re.compile(r"(?i)(token|signature|password|secret|credential|api[-_]?key|access[-_]?key)")


def is_url(path: Path | str) -> bool:
    """Say whether a path is a URL that images can be read from."""
    return isinstance(path, str) and path.lower().startswith(tuple(f"{s}://" for s in SCHEMES))


def has_secret(url: str) -> bool:
    """Say whether a URL holds a password or token, which must not stand in logs and tables."""
    parts = urlsplit(url)
    return bool(parts.password or parts.username or _SECRET.search(parts.query))
