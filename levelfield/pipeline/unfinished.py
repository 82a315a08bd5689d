"""What an interrupted job had finished, field by field, so that it is not computed again.

A job's tables are written when all of its fields are done. Until then every process appends its
finished fields to a file of its own, so that no lock is needed and a job that is killed loses the
field that each of its processes was at, and no other. A record that was torn by the kill does not
fit its checksum, and is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa

Tables = dict[str, pd.DataFrame]

_PROCESS = uuid.uuid4().hex


@dataclass(frozen=True)
class Unfinished:
    """The finished fields of a job that has yet to write its tables.

    Attributes
    ----------
    folder : Path
        Where the files lie; on the disk of the results, because another node may go on.
    name : str
        Of the job, for instance ``measure_pack1``.
    """

    folder: Path
    name: str

    def keep(self, fingerprint: str, tables: Tables) -> None:
        """Append the tables of a finished field."""
        streams = {name: _to_stream(table) for name, table in tables.items()}
        content = b"".join(streams.values())
        head = {
            "fingerprint": fingerprint,
            "sizes": {name: len(stream) for name, stream in streams.items()},
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.{os.getpid()}-{_PROCESS}"
        with path.open("ab") as file:
            file.write(json.dumps(head).encode() + b"\n" + content)

    def read(self) -> dict[str, Tables]:
        """Return the tables of every whole field, by fingerprint."""
        found: dict[str, Tables] = {}
        for path in self._files():
            with suppress(FileNotFoundError), path.open("rb") as file:
                found |= dict(_records(file))
        return found

    def remove(self) -> None:
        """Forget all fields; the job's tables hold them now."""
        for path in self._files():
            path.unlink(missing_ok=True)
        with suppress(OSError):  # other jobs of the plate are at work
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.name}.*"))


def _to_stream(table: pd.DataFrame) -> bytes:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    return sink.getvalue().to_pybytes()


def _records(file: BinaryIO) -> Iterator[tuple[str, Tables]]:
    """Give the fields of a file, up to the first that is torn."""
    for line in iter(file.readline, b""):
        try:
            head = json.loads(line)
        except ValueError:
            return
        content = file.read(sum(head["sizes"].values()))
        if hashlib.sha256(content).hexdigest() != head["sha256"]:
            return
        tables, start = {}, 0
        for name, size in head["sizes"].items():
            with pa.ipc.open_stream(content[start : start + size]) as stream:
                tables[name] = stream.read_all().to_pandas()
            start += size
        yield head["fingerprint"], tables
