"""Read and write tables: the same bytes for the same content, whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from levelfield.arrays import AnyArray
from levelfield.config.extras import needs_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEXT = (
    *("plate", "well", "channel", "path", "dtype", "fault", "reason", "rule", "file"),
    *("fingerprint", "advice", "planted", "truth_verdict", "perturbation", "scope", "review"),
    *("notes", "checksum", "sample", "reviewer", "answer", "missing", "headline", "date"),
    "worst_perturbation",
)


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read a CSV that `write_csv` wrote; text columns are text, and empty text stays empty."""
    columns = pd.read_csv(path, nrows=0).columns
    text = [
        name
        for name in columns
        if name in _TEXT
        or name.startswith("checksum_")
        or (name.startswith("Metadata_") and name not in ("Metadata_Site", "Metadata_SiteCount"))
    ]
    table = pd.read_csv(path, dtype=dict.fromkeys(text, str), float_precision="round_trip")
    return table.assign(**{name: table[name].fillna("") for name in text})


@contextmanager
def beside(path: Path | str, ending: str = ".draft") -> Iterator[Path]:
    """Give the name of a draft to write, and rename it into place when it is whole.

    Every writer has a draft of its own, so that two of one file do no harm. After an error it is
    gone; what a killed job leaves is hidden, and no search for tables finds it.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}{ending}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_csv(table: pd.DataFrame, path: Path | str) -> None:
    """Write a CSV, then rename it into place."""
    with beside(path) as draft:
        table.to_csv(draft, index=False, lineterminator="\n")


def write_text(text: str, path: Path | str) -> None:
    """Write a text file, then rename it into place."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path | str) -> None:
    """Write a file, then rename it into place."""
    with beside(path) as draft:
        draft.write_bytes(content)


def write_figure(figure: Figure, path: Path | str) -> None:
    """Write a picture as PNG that is the same in every run, then rename it into place."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_bytes(buffer.getvalue(), path)


def write_parquet(table: pd.DataFrame, path: Path | str, by_well: bool = True) -> None:
    """Write a parquet file, then rename it into place.

    It has a row group per well, so that readers can ask for some wells; a table that is only ever
    read whole is written in a fraction of the time without (`by_well`).
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    # Of numbers, which hardly repeat, a dictionary costs a third of the time and of the room.
    text = [field.name for field in arrow.schema if pa.types.is_string(field.type)]
    kind: Any = {"compression": "zstd", "use_dictionary": text}
    with beside(path) as draft, pq.ParquetWriter(draft, arrow.schema, **kind) as writer:
        for start, stop in _well_runs(table) if by_well else [(0, len(table))]:
            writer.write_table(arrow.slice(start, stop - start))


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table in the form that the file's ending names: ``.parquet`` or ``.csv``."""
    writers = {".parquet": write_parquet, ".csv": write_csv}
    writers[Path(path).suffix](table, path)


def write_anndata(table: pd.DataFrame, path: Path | str) -> None:
    """Write objects as AnnData: features in ``X``, the ``Metadata_`` columns in ``obs``."""
    with needs_extra("the format AnnData"):  # only those who ask for it wait for its import
        import anndata

    metadata = [str(name) for name in table if str(name).startswith("Metadata_")]
    features = table.drop(columns=metadata)
    names: Any = table[metadata].astype(str).agg("_".join, axis=1) if len(table) else []
    observations = table[metadata].set_index(pd.Index(names, name="object"))
    content = anndata.AnnData(
        features.to_numpy(np.float32), obs=observations, var=pd.DataFrame(index=features.columns)
    )
    with beside(path) as draft:
        content.write_h5ad(draft)


def _well_runs(table: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the first and last row of each run of one well."""
    if "Metadata_Well" not in table or table.empty:
        return [(0, len(table))]
    wells = table["Metadata_Well"].to_numpy()
    edges = [0, *(np.flatnonzero(wells[1:] != wells[:-1]) + 1), len(wells)]
    return list(pairwise(edges))


def write_arrays(arrays: Mapping[str, AnyArray], path: Path | str) -> None:
    """Write named arrays as ``.npz``, then rename the file into place."""
    with beside(path, ".npz") as draft:  # numpy would add the ending itself
        np.savez_compressed(draft, allow_pickle=False, **arrays)


def read_packs(paths: Sequence[str]) -> dict[str, list[pd.DataFrame]]:
    """Read the parquet tables of packs, by the name of the folder they lie in."""
    packs: dict[str, list[pd.DataFrame]] = {}
    for path in map(Path, paths):
        packs.setdefault(path.parent.name, []).append(pd.read_parquet(path))
    return packs


def stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack the tables of packs; one without rows must not decide the columns' types."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def read_measured(path: str | Sequence[str], quantity: str) -> dict[str, float]:
    """Read what was measured once for the plate, by object set; nothing without a file.

    `quantity` is the table's column: ``threshold`` or ``diameter``.
    """
    if not path:
        return {}
    table = read_csv(str(path))
    return dict(zip(table["object_set"], table[quantity].astype(float), strict=True))
