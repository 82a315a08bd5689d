"""Keep what a field's rows were made from, so that only changed fields are computed again."""

import hashlib
import importlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pyarrow import ArrowInvalid

from levelfield.execution.checkpoints import Checkpoint, Tables
from levelfield.execution.progress import map_fields
from levelfield.io.tables import write_parquet

log = logging.getLogger("levelfield")

FINGERPRINT = "fingerprint"
"""Column of a pack's tables; the plate's tables do not have it."""

Field = tuple[str, str, int]


@cache
def code_version(modules: tuple[str, ...]) -> str:
    """Return the sha256 of the source files of modules and packages."""
    digest = hashlib.sha256()
    for name in modules:
        path = Path(str(importlib.import_module(name).__file__))
        sources = path.parent.rglob("*.py") if path.name == "__init__.py" else [path]
        for source in sorted(sources):
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Return the sha256 of plain facts (numbers, texts, lists, mappings)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def field_fingerprints(
    segmented: pd.DataFrame, parts: Mapping[str, Any]
) -> dict[Field, tuple[str, dict[str, int]]]:
    """Return, by sound field, the fingerprint of its pixels and `parts`, and its object counts."""
    sums = segmented.columns[segmented.columns.str.startswith("checksum_")]
    counts = segmented.columns[segmented.columns.str.startswith("Count_")]
    common = fingerprint(parts)
    found = {}
    for row in segmented[segmented["fault"] == ""].to_dict("records"):
        field = (row["Metadata_Plate"], row["Metadata_Well"], int(row["Metadata_Site"]))
        mark = fingerprint({"parts": common, "pixels": [row[column] for column in sums]})
        found[field] = (mark, {name.removeprefix("Count_"): int(row[name]) for name in counts})
    return found


def map_changed_fields(
    compute: Callable[[Field], Tables],
    fields: Mapping[Field, tuple[str, dict[str, int]]],
    previous: Tables,
    expected_rows: Callable[[dict[str, int]], dict[str, int]],
    workers: int,
    what: str,
    checkpoint: Checkpoint | None = None,
) -> list[Tables]:
    """Return every field's tables in order: the earlier ones where they hold, else new ones.

    Parameters
    ----------
    compute, workers, what : callable, int, str
        Makes the tables of one field, by name; in how many processes; and for the progress line.
    fields : mapping
        From `field_fingerprints`.
    previous : dict of str to DataFrame
        What an earlier run of this job wrote; empty where there was none.
    expected_rows : callable
        From a field's object counts to the number of rows of each table where that is known.
    checkpoint : Checkpoint, optional
        Where each field is kept as soon as it is done, and what other runs leave there.
    """
    # Another run of this job may still be at work, at the first fields: meet it from the other end.
    backwards = checkpoint is not None and checkpoint.begin()
    kept = _kept_tables(fields, previous, expected_rows)
    left = checkpoint.read() if checkpoint is not None else {}
    kept |= {field: left[mark] for field, (mark, _) in fields.items() if mark in left}
    changed = [(field, mark) for field, (mark, _) in fields.items() if field not in kept]
    log.info("%s: %d fields to do, %d kept from an earlier run", what, len(changed), len(kept))
    if backwards:
        changed.reverse()
    work = partial(_compute_and_keep, compute=compute, checkpoint=checkpoint)
    made = map_fields(work, changed, workers, what)
    found = kept | {field: tables for (field, _), tables in zip(changed, made, strict=True)}
    return [found[field] for field in fields]


class PackJob(Protocol):
    """What makes the tables of a pack of wells, field by field."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that a field gives."""

    @property
    def parts(self) -> dict[str, Any]:
        """Plain facts that the tables depend on besides a field's pixels and labels."""

    def rows_of(self, counts: dict[str, int]) -> dict[str, int]:
        """Return how many rows tables have, as far as a field's numbers of objects tell."""

    def compute(self, field: Field) -> Tables:
        """Make the tables of a field."""

    def empty(self, name: str) -> pd.DataFrame:
        """Return a table of a pack without any sound field: all columns, no rows."""


def remake_tables(
    job: PackJob,
    segmented: pd.DataFrame,
    paths: Mapping[str, Path],
    workers: int,
    what: str,
    checkpoint: Checkpoint,
) -> None:
    """Make the parquet tables of a pack, and write them, unless another job of the kind did.

    Among the sound fields of `segmented`, the pack's table of fields, those are kept that an
    earlier run wrote, if all of its tables are readable.
    """
    try:
        previous = {name: pd.read_parquet(path) for name, path in paths.items()}
    except (OSError, ArrowInvalid):
        previous = {}
    fields = field_fingerprints(segmented, job.parts)
    made = map_changed_fields(job.compute, fields, previous, job.rows_of, workers, what, checkpoint)
    tables = join(made, job.tables, job.empty)
    checkpoint.check()
    for name, path in paths.items():
        write_parquet(tables[name], path, by_well=False)
    checkpoint.remove()


def _compute_and_keep(
    item: tuple[Field, str], compute: Callable[[Field], Tables], checkpoint: Checkpoint | None
) -> Tables:
    """Compute a field's tables, in whichever process, and keep them there and then."""
    field, mark = item
    if checkpoint is not None:
        checkpoint.check()
        if (done := checkpoint.find(mark)) is not None:
            return done
    tables = {name: table.assign(**{FINGERPRINT: mark}) for name, table in compute(field).items()}
    if checkpoint is not None:
        checkpoint.check()
        checkpoint.keep(mark, tables)
    return tables


def _kept_tables(
    fields: Mapping[Field, tuple[str, dict[str, int]]],
    previous: Tables,
    expected_rows: Callable[[dict[str, int]], dict[str, int]],
) -> dict[Field, Tables]:
    """Return the earlier tables of fields of which nothing has changed and nothing is missing."""
    by_mark = {
        name: dict(list(table.groupby(FINGERPRINT, sort=False)))
        for name, table in previous.items()
        if FINGERPRINT in table
    }
    if by_mark.keys() != previous.keys() or not previous:
        return {}
    kept = {}
    for field, (mark, counts) in fields.items():
        found = {name: marks.get(mark, previous[name].iloc[:0]) for name, marks in by_mark.items()}
        expected = expected_rows(counts).items()
        if any(map(len, found.values())) and all(len(found[name]) == n for name, n in expected):
            kept[field] = found
    return kept


def join(
    tables: list[Tables], names: Iterable[str], empty: Callable[[str], pd.DataFrame]
) -> Tables:
    """Stack the tables of fields; a table without any row keeps its columns."""
    joined = {}
    for name in names:
        parts = [field_tables[name] for field_tables in tables]
        filled = [part for part in parts if len(part)] or parts[:1]
        joined[name] = pd.concat(filled, ignore_index=True) if filled else empty(name)
    return joined
