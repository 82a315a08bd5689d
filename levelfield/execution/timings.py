"""What jobs took: the tables that Snakemake writes for every job (its benchmarks)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from math import nan
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """What a finished job took.

    Attributes
    ----------
    seconds : float
        From its start to its end.
    megabytes : float
        Of memory, at most (the resident set of all its processes); NaN where the job ended before
        anybody looked.
    """

    seconds: float = 0.0
    megabytes: float = nan


def read_timing(path: Path) -> Timing | None:
    """Return what a job took; None where it has not finished."""
    try:
        with path.open(newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"), None)
    except FileNotFoundError:
        return None
    if row is None:
        return None
    return Timing(_number(row["s"]), _number(row["max_rss"]))


def _number(text: str) -> float:
    return nan if text in ("NA", "-", "") else float(text)
