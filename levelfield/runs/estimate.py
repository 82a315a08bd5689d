"""What a screen will take: jobs, files, bytes and hours, from finished plates."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from levelfield.config.plan import Plan
from levelfield.config.results import RULES, in_plate, store_in
from levelfield.execution.logs import read_job_log
from levelfield.execution.timings import read_timing
from levelfield.io.tables import read_csv
from levelfield.runs.jobs import Job, planned_jobs

_SPREAD = 2.0  # largest job over smallest, from which a line through them can be trusted
_SIZES = ("bytes", "inodes")
# In the row of which rule the sizes of a plate's store stand, and those of all else in its folder.
_RULES_OF_SIZES = ("segment", "summarise_plate")


@dataclass(frozen=True)
class Line:
    """A cost that grows with the number of sites: ``fixed + each * sites``."""

    fixed: float = 0.0
    each: float = 0.0

    def __call__(self, sites: float) -> float:
        """Return the cost of so many sites."""
        return self.fixed + self.each * sites


@dataclass(frozen=True)
class Costs:
    """What was measured on the finished plates named as sources."""

    # Seconds of a job, by rule.
    cpu: Mapping[str, Line]
    gpu: Mapping[str, Line]
    # Bytes and inodes (files and folders) of a plate's store, and of all else in its folder.
    store: Mapping[str, Line]
    other: Mapping[str, Line]
    sites_per_well: float
    sources: tuple[str, ...]


def fit_line(sites: Sequence[float], costs: Sequence[float], fixed: float | None = None) -> Line:
    """Fit a cost to the number of sites; neither part of it can be negative.

    What is known of the `fixed` cost, without any site, is used where all measured numbers of
    sites are about the same, which tell nothing of it; when left out, that is 0.
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
    cpu: float
    gpu: float
    start: float
    n_sites: int


def measure_costs(plan: Plan, plates: Iterable[str]) -> Costs:
    """Read from logs, timings and folders what finished plates of a screen have cost.

    Raises
    ------
    ValueError
        If one of them is not finished, or no log says what its job took.
    """
    names = list(plates)
    folders = [Path(plan.results.path, name) for name in names]
    n_sites = {folder.name: _sites_by_well(folder) for folder in folders}
    spent = list(_spent(plan, n_sites))
    if not any(took.job.plate for took in spent):
        raise ValueError(
            f"the logs of {', '.join(names)} do not say what the jobs took: an earlier version "
            "wrote them. Run one plate again, and measure on that."
        )
    totals = [float(sites.sum()) for sites in n_sites.values()]
    sizes = pd.DataFrame([_sizes(folder) for folder in folders])
    return Costs(
        cpu=_by_rule(spent, "cpu"),
        gpu=_by_rule(spent, "gpu"),
        store={size: fit_line(totals, sizes["store", size]) for size in _SIZES},
        other={size: fit_line(totals, sizes["other", size]) for size in _SIZES},
        sites_per_well=sum(totals) / sum(len(sites) for sites in n_sites.values()),
        sources=tuple(names),
    )


def _sites_by_well(folder: Path) -> pd.Series:
    table = in_plate(folder, "create_store")
    if not table.is_file():
        raise ValueError(
            f"plate '{folder.name}' is not finished in '{folder.parent}', so that nothing can be "
            "measured on it. Let snakemake finish it, or name another with --measured."
        )
    return read_csv(table).groupby("well").size()


def _spent(plan: Plan, n_sites: Mapping[str, pd.Series]) -> Iterator[_Spent]:
    """Yield what each finished job of some plates, or of the whole screen, has taken."""
    for job in planned_jobs(plan):
        end = read_job_log(job.log)
        if (job.plate and job.plate not in n_sites) or end is None or end.state != "done":
            continue
        took = read_timing(job.timing) if end.gpus else None
        gpu = end.gpus * took.seconds if took else 0.0
        sites = n_sites.get(job.plate, pd.Series(dtype=int))
        if RULES[job.rule].unit == "pack":
            sites = sites.reindex(list(job.wells)).fillna(0)
        yield _Spent(job, end.cpu_seconds, gpu, end.start_seconds, int(sites.sum()))


def _by_rule(spent: Sequence[_Spent], kind: str) -> dict[str, Line]:
    """Return what a job costs, by rule; for the whole screen what it cost, whatever the sites."""
    lines = {}
    for rule in dict.fromkeys(took.job.rule for took in spent):
        these = [took for took in spent if took.job.rule == rule]
        costs = [getattr(took, kind) for took in these]
        if these[0].job.plate:
            start = min(took.start for took in these) if costs[0] else 0.0
            lines[rule] = fit_line([took.n_sites for took in these], costs, start)
        else:
            lines[rule] = Line(sum(costs) / len(costs))
    return lines


def _sizes(results: Path) -> dict[tuple[str, str], int]:
    """Return bytes and number of files and folders in the store of a plate, and beside it."""
    store = store_in(results)
    sizes = {(place, size): 0 for place in ("store", "other") for size in _SIZES}
    for root, folders, files in os.walk(results):
        place = "store" if Path(root).is_relative_to(store) else "other"
        sizes[place, "bytes"] += sum((Path(root) / name).lstat().st_size for name in files)
        sizes[place, "inodes"] += len(files) + len(folders)
    return sizes


def estimate(plan: Plan, costs: Costs, sites_per_well: float | None = None) -> pd.DataFrame:
    """Predict what a screen will take; its images need not be there yet.

    `sites_per_well` are of this screen; those of the measured plates when left out.

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
            row[kind] += lines.get(job.rule, Line())(per_well * len(wells)) / 3600
    table = pd.DataFrame.from_dict(rows, orient="index").assign(bytes=0.0, inodes=0.0)
    for plate in plan.plates.values():
        sites = per_well * len(plate.wells)
        for rule, lines in zip(_RULES_OF_SIZES, (costs.store, costs.other), strict=True):
            table.loc[rule, list(_SIZES)] += [lines[size](sites) for size in _SIZES]
    table.loc["all"] = table.sum()
    whole = ["jobs", *_SIZES]
    table[whole] = table[whole].round().astype("int64")
    return table.rename_axis("rule").reset_index()


def estimate_text(table: pd.DataFrame, costs: Costs, plan: Plan) -> str:
    """Return what ``levelfield estimate`` prints."""
    total = table.iloc[-1]
    shown = table.assign(gigabytes=table["bytes"] / 1e9).drop(columns="bytes")
    wells = sum(len(plate.wells) for plate in plan.plates.values())
    return (
        f"{len(plan.plates)} plates of together {wells} wells, by what was measured on "
        f"{', '.join(costs.sources)}:\n\n"
        f"{shown.to_string(index=False, float_format='{:.4f}'.format)}\n\n"
        f"{total['jobs']} jobs, {total['cpu_hours']:.1f} CPU-hours, "
        f"{total['gpu_hours']:.1f} GPU-hours, {total['bytes'] / 1e9:.1f} GB in "
        f"{total['inodes']} files and folders.\n"
        "Memory and the time in a queue are not in it, nor Snakemake's own files: about one "
        "a job in .snakemake."
    )
