"""Checksums of files."""

import hashlib
from pathlib import Path


def file_sha256(path: Path | str) -> str:
    """Return the sha256 of a file's bytes, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
