"""What jobs took, from the tables that Snakemake writes for every job, and from their logs."""

import csv
from dataclasses import astuple, dataclass, fields
from math import nan
from pathlib import Path

import pandas as pd

from levelfield.config.results import RULES, log_in, matching, timings_in
from levelfield.execution.gpu_use import GpuUse
from levelfield.execution.logs import read_job_log


@dataclass(frozen=True)
class Timing:
    """What a finished job took, from its start to its end.

    The memory is the most that all its processes held; NaN where the job ended before it was seen.
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
    return Timing(_number(row["s"]), _number(row["max_rss"])) if row else None


def _number(text: str) -> float:
    return nan if text in ("NA", "-", "") else float(text)


def plate_timings(folder: Path) -> pd.DataFrame:
    """Return what the jobs of a plate took, by rule in the order of the work.

    Columns are ``rule, jobs, hours, gigabytes``: the sum of their hours, and the most memory that
    one of them took; rules without a finished job are left out.
    """
    rows = []
    for rule in RULES.values():
        units = timings_in(folder, rule.name) if rule.unit in ("plate", "pack") else []
        took = [timing for path in units if (timing := read_timing(path)) is not None]
        if took:
            hours = sum(timing.seconds for timing in took) / 3600
            gigabytes = pd.Series([timing.megabytes for timing in took]).max() / 1000
            rows.append((rule.name, len(took), hours, gigabytes))
    return pd.DataFrame(rows, columns=["rule", "jobs", "hours", "gigabytes"])


def gpu_timings(folder: Path) -> pd.DataFrame:
    """Return what each job of a plate made of its GPUs, from the jobs' logs.

    Columns are ``job, model, busy_percent, at_work_percent, gigabytes, sites_per_s``, see
    `levelfield.execution.gpu_use.GpuUse`; NaN where nothing could tell. Jobs without a GPU, and
    those that are not finished, are left out.
    """
    rows = []
    for rule in RULES.values():
        logs = matching(log_in(folder, rule.name)) if rule.unit in ("plate", "pack") else []
        for path in logs:
            end = read_job_log(path)
            if end and end.gpu_use:
                rows.append((path.stem, *astuple(end.gpu_use)))
    columns = ["job", *(field.name for field in fields(GpuUse))]
    return pd.DataFrame(rows, columns=columns)
