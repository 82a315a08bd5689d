"""How far a screen is: per plate and rule what is done, running, waiting and failed."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from levelfield.config.results import RULES
from levelfield.execution.logs import JobEnd, read_job_log
from levelfield.execution.timings import Timing, read_timing
from levelfield.runs.events import NOT_NOTED, event_files, failed_jobs, is_noted, read_events
from levelfield.runs.jobs import Job

STATES = ("done", "running", "waiting", "failed")


def job_state(job: Job, end: JobEnd | None, active: bool, failed: set[str]) -> str:
    """Return one of `STATES`.

    An open log is of a job that runs where a run is `active`, and else of one that was cut off, as
    of one whose log is among the `failed`, which the latest run gave up.
    """
    if end is not None and end.state == "open":
        return "running" if active and str(job.log) not in failed else "failed"
    if end is not None and end.state == "failed":
        return "failed"
    return "done" if job.output.is_file() else "waiting"


def screen_status(jobs: Iterable[Job], folder: Path) -> pd.DataFrame:
    """Return a row per job of the plan, of a workflow that runs in a folder.

    Returns
    -------
    DataFrame
        ``plate, rule, pack, state, hours, cpu_hours, gpu_hours, gigabytes, reason``; hours and the
        largest memory of finished jobs, CPU-hours of failed ones too.
    """
    active = is_active(folder)
    failed = {str(error.log) for error in failed_jobs(read_events(event_files(folder)))}
    rows = []
    for job in jobs:
        end = read_job_log(job.log)
        told = end or JobEnd("open")
        took = read_timing(job.timing) or Timing()
        rows.append(
            {
                "plate": job.plate,
                "rule": job.rule,
                "pack": job.pack,
                "state": job_state(job, end, active, failed),
                "hours": took.seconds / 3600,
                "cpu_hours": told.cpu_seconds / 3600,
                "gpu_hours": told.gpus * took.seconds / 3600,
                "gigabytes": took.megabytes / 1000,
                "reason": told.reason,
            }
        )
    return pd.DataFrame(rows)


def is_active(folder: Path) -> bool:
    """Whether a run holds Snakemake's lock (or was killed, and has not been unlocked)."""
    locks = folder / ".snakemake" / "locks"
    return locks.is_dir() and any(locks.iterdir())


def status_table(status: pd.DataFrame, by: str) -> pd.DataFrame:
    """Count the jobs in each state, by ``plate`` or by ``rule``, with their hours.

    Returns
    -------
    DataFrame
        A row per plate (in the order of the plan; the screen's own jobs as ``screen``) or rule,
        and a last row for all: `STATES`, ``hours``, ``cpu_hours``, ``gpu_hours``, and the most
        ``gigabytes`` of memory that a job took.
    """
    named = status.assign(plate=status["plate"].replace("", "screen"))
    states = pd.crosstab(named[by], named["state"]).reindex(columns=list(STATES), fill_value=0)
    groups = named.groupby(by)
    table = states.join(groups[["hours", "cpu_hours", "gpu_hours"]].sum())
    order = [rule for rule in RULES if rule in table.index] if by == "rule" else named[by].unique()
    table = table.loc[list(order)]
    table.loc["all"] = table.sum()
    table["gigabytes"] = groups["gigabytes"].max()
    table.loc["all", "gigabytes"] = named["gigabytes"].max()
    return table.astype(dict.fromkeys(STATES, int)).rename_axis(by).reset_index()


def status_text(status: pd.DataFrame, folder: Path) -> str:
    """Return what ``levelfield status`` prints of a run in a folder."""
    shown = {"index": False, "float_format": "{:.4f}".format, "na_rep": "-"}
    tables = [status_table(status, by).to_string(**shown) for by in ("plate", "rule")]
    lines = [
        f"{row.plate or 'screen'} {row.rule} {row.pack}: {row.reason or 'cut off'}"
        for row in status[status["state"] == "failed"].itertuples()
    ]
    if not is_noted(folder):
        lines.append(NOT_NOTED)
    return "\n\n".join(tables) + "".join(f"\n  {line}" for line in ["", *lines])
