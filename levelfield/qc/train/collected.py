"""The tables that `levelfield.qc.train.collect` wrote, as plates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from levelfield.qc.columns import FIELD, NEIGHBOUR, NUMBER, OBJECT_SET
from levelfield.qc.evidence.candidates import CANDIDATE
from levelfield.qc.train.images import FOLDS

_PLATE = ["group", "kind", "setting", "planted"]


class Collected(NamedTuple):
    """Tables of `levelfield.qc.train.collect`, with the columns of a plate in front."""

    objects: pd.DataFrame
    pairs: pd.DataFrame
    candidates: pd.DataFrame
    fields: pd.DataFrame

    def where(self, chosen: Callable[[pd.DataFrame], pd.Series]) -> Collected:
        """Keep in every table the rows that are chosen by the columns that all tables have."""
        return Collected(*(table[chosen(table)] for table in self))


def read(folder: Path, groups: list[str] | None = None) -> Collected:
    """Read what was collected; a plate is a group in one segmentation, a well an image."""
    keys = {"objects": [NUMBER], "pairs": [NUMBER, NEIGHBOUR], "candidates": [CANDIDATE]}
    tables = []
    for name in Collected._fields:
        parts = [pd.read_parquet(folder / f"{group}_{name}.parquet") for group in groups or FOLDS]
        table = pd.concat([_as_plate(part) for part in parts], ignore_index=True)
        tables.append(
            table.sort_values([*FIELD, *keys.get(name, [])], kind="stable", ignore_index=True)
        )
    return Collected(*tables)


def _as_plate(table: pd.DataFrame) -> pd.DataFrame:
    numbers: dict[Any, Any] = dict.fromkeys(table.select_dtypes("float32").columns, np.float64)
    texts = dict.fromkeys(table.select_dtypes("category").columns, str)
    table = table.astype(numbers | texts)
    return table.assign(
        Metadata_Plate=table[_PLATE[0]].str.cat(table[_PLATE[1:]], sep=" "),
        Metadata_Well=table["phenotype"] + " " + table["image"],
        Metadata_Site=1,
        **{OBJECT_SET: "Nuclei"},
    )
