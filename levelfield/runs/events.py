"""What became of the jobs of a run, as the logger plugin noted it.

The profiles set ``logger: levelfield``; a run without it leaves no events, and then only the logs
of its jobs tell what became of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from levelfield.config.results import EVENTS
from levelfield.execution.logs import read_job_log
from levelfield.runs.jobs import Job

NOT_NOTED = (
    "The latest run left no events (it ran without Snakemake's option `--logger levelfield`, which "
    "the profiles set), so what became of its jobs is told from their logs alone."
)


@dataclass(frozen=True)
class JobError:
    """A job that failed, with its log file."""

    rule: str
    log: Path
    message: str = ""
    """What the executor says, for instance that the job had no memory left; may be empty."""


def event_files(folder: Path) -> list[Path]:
    """Return the events of the runs in a folder, the earliest run first."""
    return sorted((folder / EVENTS).glob("*.jsonl"))


def is_noted(folder: Path) -> bool:
    """Whether the latest run in a folder left events, or there was no run."""
    logged = max((folder / ".snakemake" / "log").glob("*.snakemake.log"), default=None)
    if logged is None:
        return True
    # Snakemake names its log by the time at which the run began; events end when the run does.
    began = datetime.strptime(logged.name.split(".")[0], "%Y-%m-%dT%H%M%S").timestamp()
    return any(path.stat().st_mtime >= began for path in event_files(folder))


def read_events(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the events of some runs; a line that was cut off is left out."""
    for path in paths:
        for line in path.read_text(errors="replace").splitlines():
            with suppress(json.JSONDecodeError):
                yield json.loads(line)


def failed_jobs(events: Iterable[Mapping[str, Any]]) -> list[JobError]:
    """Return the jobs that failed for good; one that succeeded later is not among them."""
    failed: dict[str, JobError] = {}
    for event in events:
        for log in event.get("log", ()):
            if event["event"] == "finished":
                failed.pop(log, None)
            elif event["event"] == "failed":
                failed[log] = JobError(event["rule"], Path(log), event["message"])
    return list(failed.values())


def failed_by_logs(jobs: Iterable[Job]) -> list[JobError]:
    """Return the jobs whose logs say that they failed, or that have ended without a word."""
    return [
        JobError(job.rule, job.log)
        for job in jobs
        if (end := read_job_log(job.log)) and end.state in ("failed", "open")
    ]
