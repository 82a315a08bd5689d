"""What an interrupted job had finished, field by field, so that it is not computed again.

A job's tables are written when all of its fields are done. Until then every process appends its
finished fields to a file of its own, so that no lock is needed and a job that is killed loses the
field that each of its processes was at, and no other. A record that was torn by the kill does not
fit its checksum, and is left out.

A job that finds another one's files cannot know whether that one is dead: the jobs of a killed
head process live on. So it works from the other end, and both look, before each field, whether it
has been done meanwhile: they meet, and no more fields are computed twice than processes were at
work. The job that began last cleans up; an earlier one that sees this ends, and writes nothing.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

Tables = dict[str, pd.DataFrame]

_PROCESS = uuid.uuid4().hex


class Superseded(Exception):
    """The same job was started again, and that one has done all of the work."""


@dataclass(frozen=True)
class Checkpoint:
    """The finished fields of a job that has yet to write its tables.

    The files lie on the disk of the results, because another node may go on. The name is that of
    the work, as ``measure_pack1``; `job` tells this one from others that do the same work.
    """

    folder: Path
    name: str
    job: str = field(default_factory=lambda: uuid.uuid4().hex)

    def begin(self) -> bool:
        """Note that this job is at work; return whether another one began and has not ended."""
        others = bool(self._files())
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begun.touch()
        return others

    def check(self) -> None:
        """See whether there is still something to do.

        Raises
        ------
        Superseded
            If a job that began later has done all of the work, and written it.
        """
        if not self._begun.exists():
            raise Superseded(self.name)

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
        path = self.folder / f"{self.name}.{self.job}.{_PROCESS}"
        with path.open("ab") as file:
            file.write(json.dumps(head).encode() + b"\n" + content)

    def read(self) -> dict[str, Tables]:
        """Return the tables of every whole field, by fingerprint."""
        records = chain.from_iterable(map(_records, self._files()))
        return {head["fingerprint"]: _tables(head, content) for head, content in records}

    def find(self, fingerprint: str) -> Tables | None:
        """Return a field that another job has finished since this one began."""
        with suppress(FileNotFoundError):
            begun = self._begun.stat().st_mtime
            for path in self._files():
                if path.name.startswith(self._begun.name) or path.stat().st_mtime < begun:
                    continue
                for head, content in _records(path):
                    if head["fingerprint"] == fingerprint:
                        return _tables(head, content)
        return None

    def remove(self) -> None:
        """Forget all fields, as the job's tables hold them; unless a later job is still at work."""
        with suppress(FileNotFoundError):
            begun = self._begun.stat().st_mtime_ns
            markers = [path for path in self._files() if path.name.count(".") == 1]
            if any((path.stat().st_mtime_ns, path) > (begun, self._begun) for path in markers):
                return
        for path in self._files():
            path.unlink(missing_ok=True)
        with suppress(OSError):  # other jobs of the plate are at work
            self.folder.rmdir()

    @property
    def _begun(self) -> Path:
        return self.folder / f"{self.name}.{self.job}"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.name}.*"))


def _to_stream(table: pd.DataFrame) -> bytes:
    # Column by column: pandas' own conversion takes four times as long for hundreds of them.
    arrow = pa.table(
        {name: pa.array(column.to_numpy(), from_pandas=True) for name, column in table.items()}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    return sink.getvalue().to_pybytes()


def _records(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Give the fields of a file, up to the first that is torn."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in iter(file.readline, b""):
            try:
                head = json.loads(line)
            except ValueError:
                return
            content = file.read(sum(head["sizes"].values()))
            if hashlib.sha256(content).hexdigest() != head["sha256"]:
                return
            yield head, content


def _tables(head: dict[str, Any], content: bytes) -> Tables:
    tables, start = {}, 0
    for name, size in head["sizes"].items():
        with pa.ipc.open_stream(content[start : start + size]) as stream:
            tables[name] = stream.read_all().to_pandas()
        start += size
    return tables
