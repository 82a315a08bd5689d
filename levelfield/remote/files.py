"""Read files by their paths, which may be URLs."""

import hashlib
import io
from collections.abc import Mapping
from errno import EIO
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c

from levelfield.remote.cache import cached, is_cached
from levelfield.remote.requests import RemoteFault, WrongContent, ask, filesystem
from levelfield.remote.urls import encoded, is_url

__all__ = ["RemoteFault", "exists", "fetched", "has", "open_binary", "open_ranges", "size_of"]

WHOLE_BYTES = 64_000_000
"""Files up to this size are fetched whole; of larger ones only the planes that are wanted."""
_BLOCK = 1 << 16  # bytes that are asked for at a time where only parts of a file are read

_sizes: dict[str, int] = {}
"""Sizes that a listing told in this process."""


def note_sizes(sizes: Mapping[str, int | None]) -> None:
    """Remember the sizes of files, so that servers need not be asked for each."""
    _sizes.update({url: size for url, size in sizes.items() if size is not None})


def size_of(url: str) -> int | None:
    """Return the size of a remote file in bytes; None where the server does not tell it."""
    if url not in _sizes:
        size = ask(url, lambda: filesystem(url).info(encoded(url)).get("size"))
        if size is None:
            return None
        _sizes[url] = int(size)
    return _sizes[url]


def exists(path: Path | str) -> bool:
    """Say whether there is a file or folder, here or elsewhere."""
    if not is_url(path):
        return Path(path).exists()
    url = str(path)
    try:
        ask(url, lambda: filesystem(url).info(encoded(url)))
    except OSError:
        return False
    return True


def open_binary(path: Path | str) -> BinaryIO:
    """Open a file to read all of it. Remote ones are fetched now, and are not kept.

    Raises
    ------
    OSError
        If there is none, or it cannot be read.
    RemoteFault
        If its server does not answer.
    """
    if not is_url(path):
        return Path(path).open("rb")
    url = str(path)
    return io.BytesIO(ask(url, lambda: bytes(filesystem(url).cat_file(encoded(url)))))


def open_ranges(path: Path | str) -> BinaryIO:
    """Open a file of which parts are read, such as its header; errors as of `open_binary`."""
    if not is_url(path):
        return Path(path).open("rb", buffering=0)
    url = str(path)
    size = size_of(url)
    if size is None:
        return open_binary(url)
    return io.BufferedReader(_Ranges(url, size), _BLOCK)


class _Ranges(io.RawIOBase):
    """A remote file whose parts are asked for as they are read."""

    def __init__(self, url: str, size: int) -> None:
        self.name, self._size, self._at = url, size, 0
        self._whole = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        part = self._whole[self._at : end] or ask(self.name, lambda: self._part(self._at, end))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _part(self, start: int, end: int) -> bytes:
        got = bytes(filesystem(self.name).cat_file(encoded(self.name), start=start, end=end))
        if len(got) == self._size and len(got) > end - start:  # a server that knows no ranges
            self._whole = got
            return got[start:end]
        if len(got) != end - start:
            raise WrongContent(f"sends {len(got)} bytes where {end - start} were asked for")
        return got


def read_range(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """Return the bytes of a remote file from `start` to `end`, by default all; none are kept.

    A negative `start` counts from its end.

    Raises
    ------
    OSError
        If there is none, or it cannot be read.
    RemoteFault
        If its server does not answer.
    """

    def get() -> bytes:
        got = bytes(filesystem(url).cat_file(encoded(url), start=start, end=end))
        if start is not None and end is not None and len(got) > end - start:
            return got[start:end]  # a server that knows no ranges sends all of it
        if start is not None and start < 0:
            return got[start:]
        return got

    return ask(url, get)


def has(url: str, checksum: str = "", part: str = "") -> bool:
    """Say whether the cache has a file, or a `part` of it."""
    return is_cached(_key(url, checksum, part))


def fetched(url: str, size: int | None = None, checksum: str = "") -> bytes:
    """Return a remote file, from the cache or its server.

    It must have the `size` in bytes that a listing told, if any, and the `checksum`: ``md5:``,
    ``sha256:`` and hexadecimal digits, ``crc32c:`` and its number, or ``etag:`` and what S3 calls
    so, which is the MD5 sum for most files and buckets.

    Raises
    ------
    OSError
        If there is none, it may not be read, or what comes is not as promised.
    RemoteFault
        If its server does not answer.
    """
    seen: set[str] = set()

    def get() -> bytes:
        content = bytes(filesystem(url).cat_file(encoded(url)))
        if size is not None and len(content) != size:
            raise WrongContent(f"has {len(content)} bytes, and had {size} when it was listed")
        _check(content, checksum, seen)
        return content

    return cached(_key(url, checksum, ""), lambda: ask(url, get))


def check_content(content: bytes, checksum: str) -> None:
    """Raise `OSError` where bytes are not those of a checksum, see `fetched`."""
    try:
        _check(content, checksum, set())
    except WrongContent as error:
        raise OSError(EIO, str(error)) from None


def kept_part(url: str, part: str, checksum: str, make: Any) -> bytes:
    """Return a `part` of a remote file from the cache, or `make` it."""
    return cached(_key(url, checksum, part), make)


def _key(url: str, checksum: str, part: str) -> str:
    return "\n".join((url, checksum, part))


def _check(content: bytes, checksum: str, seen: set[str]) -> None:
    """Raise `WrongContent` where bytes are not those of a checksum.

    With some encryptions S3's ETag is no sum of what it sends: it counts as wrong only while no
    two transfers brought the same bytes.
    """
    kind, _, wanted = checksum.partition(":")
    if not wanted:
        return
    if kind == "crc32c":
        found = str(google_crc32c.value(content))
    elif kind in ("md5", "etag", "sha256"):
        name = "sha256" if kind == "sha256" else "md5"
        found = hashlib.new(name, content, usedforsecurity=False).hexdigest()
    else:
        raise ValueError(f"the checksum '{checksum}' is none of md5:, sha256:, crc32c:, etag:")
    if found == wanted.lower() or (kind == "etag" and found in seen):
        return
    seen.add(found)
    raise WrongContent(f"is damaged: its {kind} is {found}, and {wanted} was promised")
