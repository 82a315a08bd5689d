"""What failed in a run, and why: a table for every plate, and a summary for the terminal."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.results import FAILURES, Results, in_plate, log_in, matching, packs_in
from levelfield.execution.logs import read_job_log
from levelfield.io.plate_index import NO_SITE
from levelfield.io.tables import read_csv, stack, write_csv
from levelfield.runs.events import JobError
from levelfield.runs.jobs import Job
from levelfield.steps.summarise_plate import excluded_sites

COLUMNS = ("plate", "well", "site", "rule", "reason", "file", "log")
"""In ``failures.csv``; site -1 means a whole well, an empty well the whole plate."""

_LINES_OF_SUMMARY = 20


def failures_of_plate(plate: str, results: Path, jobs: Iterable[tuple[Job, str]]) -> pd.DataFrame:
    """List the sites of a plate that were left out, and its jobs that failed.

    With each of the jobs comes what the executor said of it.

    Returns
    -------
    DataFrame
        `COLUMNS`; of a job that works on a pack the well is its first and last.
    """
    names = {"Metadata_Well": "well", "Metadata_Site": "site"}
    sites = _sites_left_out(results).rename(columns=names)
    rows = [row | {"log": _log_of_site(row, results)} for row in sites.to_dict("records")]
    for job, message in jobs:
        wells = " to ".join(dict.fromkeys((job.wells[0], job.wells[-1]))) if job.wells else ""
        row = {"well": wells, "site": NO_SITE, "rule": job.rule, "file": ""}
        rows.append(row | {"reason": reason_of(job.log, message), "log": str(job.log)})
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(plate=plate)


def _sites_left_out(results: Path) -> pd.DataFrame:
    """Return the table of excluded sites, or as much of it as an unfinished plate can tell."""
    excluded = in_plate(results, "summarise_plate", "excluded")
    index = in_plate(results, "index_plate")
    if excluded.is_file():
        return read_csv(excluded)
    if not index.is_file():
        return pd.DataFrame()
    packs = [read_csv(path) for path in packs_in(results, "segment")]
    names = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", "fault", "path"]
    return excluded_sites(read_csv(index), stack(packs) if packs else pd.DataFrame(columns=names))


def _log_of_site(row: Mapping[str, Any], results: Path) -> str:
    """Return the log of the job that found a site's fault."""
    log = log_in(results, row["rule"])
    if row["rule"] != "segment":
        return str(log)
    mark = f"site {row['well']} {row['site']} is excluded"
    found = [path for path in matching(log) if mark in path.read_text()]
    return str(found[0] if found else log.parent)


def reason_of(log: Path, message: str = "") -> str:
    """Return why a job failed: what its log says, and else what the executor says of it."""
    end = read_job_log(log)
    parts = [end.reason if end else "", message]
    if end is None:
        parts.append("it ended before it wrote its log")
    elif end.state == "open":
        parts.append("it was ended from outside: killed, out of memory or out of time")
    return "; ".join(part for part in parts if part) or "its log does not say why"


def write_failures(
    plates: Iterable[str], results: Results, jobs: Iterable[Job], errors: Iterable[JobError]
) -> pd.DataFrame:
    """Write ``failures.csv`` for every plate that has results, and return all of them stacked.

    `jobs` are those of the plan, `errors` what became of some of them.
    """
    planned = {str(job.log): job for job in jobs}
    failed: dict[str, list[tuple[Job, str]]] = {}
    for error in errors:
        job = planned.get(str(error.log))
        job = job or Job(error.rule, "", "", (), error.log, error.log, error.log)
        failed.setdefault(job.plate, []).append((job, error.message))
    folder = Path(results.path)
    tables = [failures_of_plate("", folder / "screen", failed.get("", []))]
    for plate in plates:
        if (folder / plate).is_dir():
            table = failures_of_plate(plate, folder / plate, failed.get(plate, []))
            write_csv(table, folder / plate / FAILURES)
            tables.append(table)
    return stack(tables)


def summary(failures: pd.DataFrame, n_plates: int) -> str:
    """Return what a person reads at the end of a run."""
    if failures.empty:
        return f"\nlevelfield: {n_plates} plates, nothing left out, nothing failed."
    n_jobs = int((failures["site"] == NO_SITE).sum())
    plates = failures.loc[failures["log"] != "", "plate"]
    lines = [
        f"\nlevelfield: of {n_plates} plates, {plates.nunique()} have failures: "
        f"{len(failures) - n_jobs} sites left out, {n_jobs} jobs or wells failed. "
        "All of them are in failures.csv of each plate."
    ]
    # Jobs first: a site that was left out costs a site, a job that failed costs the plate.
    order = failures.assign(_site=failures["site"] != NO_SITE).sort_values("_site", kind="stable")
    for row in order.head(_LINES_OF_SUMMARY).itertuples():
        site = "" if row.site == NO_SITE else str(row.site)
        where = " ".join(part for part in (row.plate, row.well, site) if part)
        lines.append(f"  {where or 'screen'}, {row.rule}: {row.reason} [{row.log}]")
    if len(failures) > _LINES_OF_SUMMARY:
        lines.append(f"  and {len(failures) - _LINES_OF_SUMMARY} more")
    return "\n".join(lines)
