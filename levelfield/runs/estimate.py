"""What a screen will take: jobs, files, bytes and hours, from finished plates."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from levelfield.config.plan import Plan
from levelfield.config.results import RULES, in_plate, store_in
from levelfield.execution.logs import JobEnd, read_job_log
from levelfield.execution.timings import read_timing
from levelfield.io.tables import read_csv
from levelfield.runs.jobs import Job, planned_jobs

_SPREAD = 2.0  # largest job over smallest, from which a line through them can be trusted


@dataclass(frozen=True)
class Line:
    """A cost that grows with the number of sites: ``fixed + each * sites``."""

    fixed: float
    each: float

    def __call__(self, sites: float) -> float:
        """Return the cost of so many sites."""
        return self.fixed + self.each * sites


@dataclass(frozen=True)
class Costs:
    """What was measured on finished plates.

    Attributes
    ----------
    cpu, gpu : mapping of str to Line
        Seconds of a job, by rule.
    store_bytes, store_files : Line
        Of a plate's store, files and folders counted alike.
    other_bytes, other_files : Line
        Of all else in a plate's folder of results.
    sites_per_well : float
        Sites of a well of those plates.
    sources : tuple of str
        Names of those plates.
    """

    cpu: Mapping[str, Line]
    gpu: Mapping[str, Line]
    store_bytes: Line
    store_files: Line
    other_bytes: Line
    other_files: Line
    sites_per_well: float
    sources: tuple[str, ...]


def fit_line(sites: Sequence[float], costs: Sequence[float], fixed: float | None = None) -> Line:
    """Fit a cost to the number of sites; neither part of it can be negative.

    Parameters
    ----------
    sites, costs : sequence of float
        Of what was measured.
    fixed : float, optional
        What is known of the cost without any site. It is used where all measured numbers of sites
        are about the same, which tell nothing of it; when left out, that is 0.
    """
    x, y = np.asarray(sites, float), np.asarray(costs, float)
    if x.size and x.min() > 0 and x.max() / x.min() >= _SPREAD:
        (constant, slope), _ = nnls(np.column_stack([np.ones_like(x), x]), y)
        return Line(float(constant), float(slope))
    constant = min(fixed or 0.0, float(y.mean())) if y.size else 0.0
    slope = (y.sum() - constant * y.size) / x.sum() if x.sum() else 0.0
    return Line(constant, float(slope))


@dataclass(frozen=True)
class _Spent:
    """What a finished job took, and on how many sites."""

    job: Job
    cpu_seconds: float
    gpu_seconds: float
    start_seconds: float
    n_sites: int


def measure_costs(plan: Plan, plates: Iterable[str]) -> Costs:
    """Read from logs, timings and folders what finished plates have cost.

    Parameters
    ----------
    plan : Plan
        Of the screen that they are plates of.
    plates : iterable of str
        Names of the plates.

    Raises
    ------
    ValueError
        If one of them is not finished, or no log says what its job took.
    """
    names = list(plates)
    folders = [Path(plan.results.path, name) for name in names]
    for folder in folders:
        _check_finished(folder)
    n_sites = {folder.name: _sites_by_well(folder) for folder in folders}
    spent = list(_spent(plan, n_sites))
    if not any(took.job.plate for took in spent):
        raise ValueError(
            f"the logs of {', '.join(names)} do not say what the jobs took: an earlier version "
            "wrote them. Run one plate again, and measure on that."
        )
    stored, files, other, other_files = zip(*map(_sizes, folders), strict=True)
    totals = [float(sites.sum()) for sites in n_sites.values()]
    return Costs(
        cpu=_by_rule(spent, lambda took: took.cpu_seconds),
        gpu=_by_rule(spent, lambda took: took.gpu_seconds),
        store_bytes=fit_line(totals, stored),
        store_files=fit_line(totals, files),
        other_bytes=fit_line(totals, other),
        other_files=fit_line(totals, other_files),
        sites_per_well=sum(totals) / sum(len(sites) for sites in n_sites.values()),
        sources=tuple(names),
    )


def _check_finished(folder: Path) -> None:
    if not in_plate(folder, "create_store").is_file():
        raise ValueError(
            f"plate '{folder.name}' is not finished in '{folder.parent}', so that nothing can be "
            "measured on it. Let snakemake finish it, or name another with --measured."
        )


def _sites_by_well(results: Path) -> pd.Series:
    return read_csv(in_plate(results, "create_store")).groupby("well").size()


def _spent(plan: Plan, n_sites: Mapping[str, pd.Series]) -> Iterator[_Spent]:
    """Yield what each finished job of some plates, or of the whole screen, has taken."""
    for job in planned_jobs(plan):
        end = read_job_log(job.log)
        if (job.plate and job.plate not in n_sites) or end is None or end.state != "done":
            continue
        sites = _n_sites(job, n_sites[job.plate]) if job.plate else 0
        yield _Spent(job, end.cpu_seconds, _gpu_seconds(job, end), end.start_seconds, sites)


def _n_sites(job: Job, by_well: pd.Series) -> int:
    if RULES[job.rule].unit == "pack":
        return int(by_well.reindex(list(job.wells)).fillna(0).sum())
    return int(by_well.sum())


def _gpu_seconds(job: Job, end: JobEnd) -> float:
    took = read_timing(job.timing) if end.gpus else None
    return end.gpus * took.seconds if took else 0.0


def _by_rule(spent: Sequence[_Spent], cost: Callable[[_Spent], float]) -> dict[str, Line]:
    """Return what a job costs, by rule; for the whole screen what it cost, whatever the sites."""
    lines = {}
    for rule in dict.fromkeys(took.job.rule for took in spent):
        these = [took for took in spent if took.job.rule == rule]
        costs = [cost(took) for took in these]
        if these[0].job.plate:
            start = min(took.start_seconds for took in these) if costs[0] else 0.0
            lines[rule] = fit_line([took.n_sites for took in these], costs, start)
        else:
            lines[rule] = Line(sum(costs) / len(costs), 0.0)
    return lines


def _sizes(results: Path) -> tuple[int, int, int, int]:
    """Return bytes and number of files and folders in the store of a plate, and beside it."""
    store = store_in(results)
    counts = [0, 0, 0, 0]
    for root, folders, files in os.walk(results):
        at = 0 if Path(root) == store or store in Path(root).parents else 2
        counts[at] += sum((Path(root) / name).lstat().st_size for name in files)
        counts[at + 1] += len(files) + len(folders)
    return counts[0], counts[1], counts[2], counts[3]


def estimate(plan: Plan, costs: Costs, sites_per_well: float | None = None) -> pd.DataFrame:
    """Predict what a screen will take.

    Parameters
    ----------
    plan : Plan
        What is to be done. Of its images nothing is read: they need not be there yet.
    costs : Costs
        From `measure_costs`.
    sites_per_well : float, optional
        Of this screen; that of the measured plates when left out.

    Returns
    -------
    DataFrame
        A row per rule and a last row ``all``: ``rule, jobs, cpu_hours, gpu_hours, bytes, inodes``;
        bytes and inodes of results are in the row of the rule ``segment`` for the store, and of
        ``summarise_plate`` for all else.
    """
    per_well = costs.sites_per_well if sites_per_well is None else sites_per_well
    rows: dict[str, dict[str, float]] = {}
    for job in planned_jobs(plan):
        row = rows.setdefault(job.rule, dict.fromkeys(("jobs", "cpu_hours", "gpu_hours"), 0.0))
        wells = job.wells or (plan.plates[job.plate].wells if job.plate else ())
        row["jobs"] += 1
        for kind, lines in (("cpu_hours", costs.cpu), ("gpu_hours", costs.gpu)):
            row[kind] += lines.get(job.rule, Line(0.0, 0.0))(per_well * len(wells)) / 3600
    table = pd.DataFrame.from_dict(rows, orient="index").assign(bytes=0.0, inodes=0.0)
    for plate in plan.plates.values():
        sites = per_well * len(plate.wells)
        table.loc["segment", ["bytes", "inodes"]] += [
            costs.store_bytes(sites),
            costs.store_files(sites),
        ]
        table.loc["summarise_plate", ["bytes", "inodes"]] += [
            costs.other_bytes(sites),
            costs.other_files(sites),
        ]
    table.loc["all"] = table.sum()
    counts = dict.fromkeys(("jobs", "bytes", "inodes"), "int64")
    return (
        table.round({"jobs": 0, "bytes": 0, "inodes": 0})
        .astype(counts)
        .rename_axis("rule")
        .reset_index()
    )


def estimate_text(table: pd.DataFrame, costs: Costs, plan: Plan) -> str:
    """Return what ``levelfield estimate`` prints."""
    total = table.iloc[-1]
    shown = table.assign(gigabytes=table["bytes"] / 1e9).drop(columns="bytes")
    wells = sum(len(plate.wells) for plate in plan.plates.values())
    return "\n".join(
        [
            f"{len(plan.plates)} plates of together {wells} wells, by what was measured on "
            f"{', '.join(costs.sources)}:\n",
            shown.to_string(index=False, float_format="{:.4f}".format),
            f"\n{total['jobs']} jobs, {total['cpu_hours']:.1f} CPU-hours, "
            f"{total['gpu_hours']:.1f} GPU-hours, {total['bytes'] / 1e9:.1f} GB in "
            f"{total['inodes']} files and folders.",
            "Memory and the time in a queue are not in it, nor Snakemake's own files: about one "
            "a job in .snakemake.",
        ]
    )
