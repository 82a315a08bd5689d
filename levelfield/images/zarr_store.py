"""A Zarr store behind a URL, to be read."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from levelfield.remote.files import read_range


class RemoteStore(Store):
    """The files below a URL. Servers are asked again where they fail, as for other images.

    What is not there is a chunk that holds nothing but the array's fill value, as Zarr has it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(read_only=True)
        self.url = url.rstrip("/")

    def __eq__(self, value: object) -> bool:
        return isinstance(value, RemoteStore) and value.url == self.url

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a file, or a part of it; None where there is none."""
        start, end = _limits(byte_range)
        try:
            content = await asyncio.to_thread(read_range, f"{self.url}/{key}", start, end)
        except FileNotFoundError:
            return None
        return prototype.buffer.from_bytes(content)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of files."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Say whether there is a file."""
        try:
            await asyncio.to_thread(read_range, f"{self.url}/{key}", 0, 1)
        except FileNotFoundError:
            return False
        return True

    @property
    def supports_writes(self) -> bool:
        """Nothing is written."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """Nothing is deleted."""
        return False

    @property
    def supports_listing(self) -> bool:
        """Nothing is listed: the metadata say what there is."""
        return False

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse to write."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise NotImplementedError

    def list(self) -> AsyncIterator[str]:
        """Refuse to list."""
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse to list."""
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse to list."""
        raise NotImplementedError


def _limits(part: Any) -> tuple[int | None, int | None]:
    if isinstance(part, RangeByteRequest):
        return part.start, part.end
    if isinstance(part, OffsetByteRequest):
        return part.offset, None
    if isinstance(part, SuffixByteRequest):
        return -part.suffix, None
    return None, None
