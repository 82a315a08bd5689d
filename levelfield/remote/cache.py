"""Fetched files on this machine: bounded, and shared by whatever jobs there are.

An entry is a file of its own, named by what it holds, and renamed into its place when it is whole;
it ends with the checksum of what is before. No lock is taken: an entry that another job deletes is
fetched again. Those that were not used for longest go first.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import google_crc32c

from levelfield.remote.settings import settings

_TRAIL = 4  # bytes of the checksum
_PART = ".part"
_ABANDONED_AFTER = 3600.0  # s without a byte
_KEPT_SHARE = 0.9  # of the limit is left after a clearance, so that not every file clears
_COUNT_EVERY = 0.02  # of the limit: what this process writes before it counts the folder again

_written: dict[tuple[int, Path], float] = {}


def cached(key: str, fetch: Callable[[], bytes]) -> bytes:
    """Return the bytes of an entry; where there are none, or they are damaged, fetch them.

    `key` must change with the content, or be of what does not change. What cannot be kept, because
    the disk is full or the entry would be larger than a tenth of the cache, is not.
    """
    chosen = settings()
    limit = int(chosen.cache_gb * 1e9)
    if limit <= 0:
        return fetch()
    place = _place(chosen.folder, key)
    kept = _read(place)
    if kept is not None:
        return kept
    content = fetch()
    if len(content) <= limit / 10:
        with suppress(OSError):
            _write(place, content)
            _bound(chosen.folder, limit, len(content))
    return content


def is_cached(key: str) -> bool:
    """Say whether there is an entry; whether it is sound shows when it is read."""
    return _place(settings().folder, key).is_file()


def _place(folder: Path, key: str) -> Path:
    name = hashlib.sha256(key.encode()).hexdigest()[:48]
    return folder / name[:2] / name


def _read(place: Path) -> bytes | None:
    try:
        whole = place.read_bytes()
    except OSError:
        return None
    content, trail = whole[:-_TRAIL], whole[-_TRAIL:]
    if len(trail) < _TRAIL or google_crc32c.value(content).to_bytes(_TRAIL, "big") != trail:
        with suppress(OSError):
            place.unlink()
        return None
    with suppress(OSError):
        os.utime(place)  # used now
    return content


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{uuid.uuid4().hex}{_PART}")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.write(google_crc32c.value(content).to_bytes(_TRAIL, "big"))
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _bound(folder: Path, limit: int, added: int) -> None:
    """Count the folder from time to time, and delete what was not used for longest."""
    key = (os.getpid(), folder)
    _written[key] = _written.get(key, limit) + added  # the first entry of a process counts
    if _written[key] < _COUNT_EVERY * limit:
        return
    _written[key] = 0.0
    clear(folder, limit)


def clear(folder: Path, limit: int) -> int:
    """Delete entries until the cache is below its `limit`, in bytes; return what it holds then."""
    entries, total = [], 0
    for path in folder.glob("??/*"):
        with suppress(OSError):
            found = path.stat()
            if path.suffix == _PART and time.time() - found.st_mtime > _ABANDONED_AFTER:
                path.unlink()
                continue
            entries.append((found.st_mtime, found.st_size, path))
            total += found.st_size
    if total <= limit:
        return total
    for _, size, path in sorted(entries):
        if total <= _KEPT_SHARE * limit:
            break
        with suppress(OSError):
            path.unlink()
            total -= size
    return total
