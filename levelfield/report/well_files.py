"""The files of the plate browser: the pictures of every well, its objects and their evidence."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from levelfield.io.thumbnails import OUTLINE, PICTURE
from levelfield.qc.columns import NUMBER, OBJECT_SET
from levelfield.report.crops import CANDIDATE

RECEIVER = "levelfieldWell"
"""The function of the page that a well's file hands its content to."""
OBJECT_COLUMNS = (
    ("number", NUMBER, 1),
    ("x", "centre_x_px", 1),
    ("y", "centre_y_px", 1),
    ("area", "area_px", 1),
    ("merged", "merge_evidence", 100),
    ("split", "fragment_evidence", 100),
    ("invented", "invented_evidence", 100),
    ("edge", "threshold_bias_px", 100),
)
"""Name in the file, column of ``qc/objects.parquet``, and factor: values are whole numbers there,
evidence in percent and distances to the visible edge in hundredths of a px."""
MISSED_COLUMNS = (
    ("number", CANDIDATE, 1),
    ("x", "centre_x_px", 1),
    ("y", "centre_y_px", 1),
    ("area", "area_px", 1),
    ("missed", "missed_evidence", 100),
)
"""The same of ``qc/candidates.parquet``, of places that are likely to be missed objects."""
LIKELY = 0.25
"""Candidates with less evidence than this are left out."""
UNKNOWN = -32768
"""Stands for a value that is not known."""

_Columns = Sequence[tuple[str, str, int]]
_Objects = Mapping[tuple[str, int], Mapping[str, Mapping[str, list[int]]]]


def columns_of(columns: _Columns) -> list[str]:
    """Return the columns of a table that a well's file needs, with its keys."""
    return ["Metadata_Well", "Metadata_Site", OBJECT_SET, *(column for _, column, _ in columns)]


def by_site(table: pd.DataFrame, columns: _Columns) -> _Objects:
    """Return whole numbers by (well, site), object set and name, in the order of the table."""
    if table.empty:
        return {}
    keys = ["Metadata_Well", "Metadata_Site", OBJECT_SET]
    ordered = table.sort_values(keys, kind="stable")
    values = {
        name: _whole(ordered[column].to_numpy(dtype=float, na_value=np.nan) * factor)
        for name, column, factor in columns
    }
    heads = ordered[keys].reset_index(drop=True)
    first = np.flatnonzero((heads != heads.shift()).any(axis=1).to_numpy())
    found: dict[tuple[str, int], dict[str, dict[str, list[int]]]] = {}
    ends = [*first[1:].tolist(), len(ordered)]
    for start, end in zip(first.tolist(), ends, strict=True):
        well, site, object_set = heads.iloc[start]
        own = {name: each[start:end].tolist() for name, each in values.items()}
        found.setdefault((str(well), int(site)), {})[str(object_set)] = own
    return found


def _whole(values: Any) -> Any:
    return np.where(np.isfinite(values), np.rint(np.nan_to_num(values)), UNKNOWN).astype(np.int64)


def well_files(
    thumbnails: pd.DataFrame, objects: _Objects, missed: _Objects
) -> Iterator[tuple[str, str]]:
    """Yield each well of a pack with the content of its file.

    Parameters
    ----------
    thumbnails : pandas.DataFrame
        `levelfield.io.thumbnails.field_thumbnail` of the fields of a pack, in their order.
    objects, missed : mapping
        From `by_site`.

    Yields
    ------
    well, content : str, str
        A script that calls `RECEIVER` with the name of the well and its sites.
    """
    for well, rows in thumbnails.groupby("Metadata_Well", sort=False):
        sites = [_site(row, objects, missed) for row in rows.to_dict("records")]
        text = json.dumps(sites, ensure_ascii=True, separators=(",", ":"))
        yield str(well), f"{RECEIVER}({json.dumps(str(well))},{text});\n"


def _site(row: Mapping[Any, Any], objects: _Objects, missed: _Objects) -> dict[str, Any]:
    key = str(row["Metadata_Well"]), int(row["Metadata_Site"])
    return {
        "site": key[1],
        "height": int(row["height_px"]),
        "width": int(row["width_px"]),
        "step": int(row["step"]),
        "pictures": _encoded(row, PICTURE),
        "outlines": _encoded(row, OUTLINE),
        "objects": objects.get(key, {}),
        "missed": missed.get(key, {}),
    }


def _encoded(row: Mapping[Any, Any], prefix: str) -> dict[str, str]:
    return {
        str(name).removeprefix(prefix): base64.b64encode(picture).decode("ascii")
        for name, picture in row.items()
        if str(name).startswith(prefix) and isinstance(picture, bytes)
    }
