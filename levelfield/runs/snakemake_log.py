"""What Snakemake's own log says of jobs that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ERROR = re.compile(r"^\s*Error in (?:group job|rule (?P<rule>\w+)).*:$")
_FINISHED = re.compile(r"^Finished jobid: (?P<job>\d+)\b")
_DETAIL = re.compile(r"^ +(?P<key>jobid|message|log|output): (?P<text>.+)$")


@dataclass(frozen=True)
class JobError:
    """A job that failed, as Snakemake's log has it.

    Attributes
    ----------
    rule : str
        Name of the rule.
    log : Path
        The job's log file.
    message : str
        What the executor says, for instance that the job had no memory left; may be empty.
    """

    rule: str
    log: Path
    message: str = ""


def failed_jobs(snakemake_log: Path) -> list[JobError]:
    """Return the jobs that failed for good in a run; one that succeeded later is not among them.

    Parameters
    ----------
    snakemake_log : Path
        The log of the main process.
    """
    failed: dict[str, JobError] = {}
    details: dict[str, str] | None = None
    for line in [*Path(snakemake_log).read_text(errors="replace").splitlines(), ""]:
        detail = _DETAIL.match(line)
        if details is not None and detail:
            details.setdefault(detail["key"], detail["text"])
            continue
        if details is not None and not line.startswith(" "):
            if "jobid" in details and "log" in details:
                failed[details["jobid"]] = _job_error(details)
            details = None
        if error := _ERROR.match(line):
            details = {"rule": error["rule"] or ""}
        elif finished := _FINISHED.match(line):
            failed.pop(finished["job"], None)
    return list(failed.values())


def _job_error(details: Mapping[str, str]) -> JobError:
    log = details["log"].split(" (check log file")[0].split(", ")[0]
    message = details.get("message", "")
    return JobError(details["rule"], Path(log), "" if message == "None" else message)
