"""What a screen will take: jobs, files, bytes and hours, from finished plates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from levelfield.execution.logs import JobEnd, read_job_log
from levelfield.io.tables import read_csv
from levelfield.runs.jobs import PACK_RULES, Job, Screen, planned_jobs

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


def measure_costs(screen: Screen, plates: Iterable[str]) -> Costs:
    """Read from logs and folders what finished plates have cost.

    Parameters
    ----------
    screen : Screen
        The screen that they are plates of.
    plates : iterable of str
        Names of the plates.

    Raises
    ------
    ValueError
        If one of them is not finished, or no log says what its job took.
    """
    names = list(plates)
    for name in names:
        if not (screen.results / name / "store.csv").is_file():
            raise ValueError(
                f"plate '{name}' is not finished in '{screen.results}', so that nothing can be "
                "measured on it. Let snakemake finish it, or name another with --measured."
            )
    n_sites = {name: _sites_by_well(screen.results / name) for name in names}
    done = [
        (job, end)
        for job in planned_jobs(screen)
        if job.plate in ("", *names)
        and (end := read_job_log(job.log)) is not None
        and end.state == "done"
    ]
    ends = [(job, end, _n_sites(job, n_sites[job.plate])) for job, end in done if job.plate]
    once = [(job, end) for job, end in done if not job.plate]
    if not ends:
        raise ValueError(
            f"the logs of {', '.join(names)} do not say what the jobs took: an earlier version "
            "wrote them. Run one plate again, and measure on that."
        )
    sizes = [_sizes(screen.results / name, name) for name in names]
    totals = [float(n_sites[name].sum()) for name in names]
    stored, files, other, other_files = zip(*sizes, strict=True)
    wells = sum(len(n_sites[name]) for name in names)
    return Costs(
        cpu=_by_rule(ends, _cpu_seconds) | _once(once, _cpu_seconds),
        gpu=_by_rule(ends, _gpu_seconds) | _once(once, _gpu_seconds),
        store_bytes=fit_line(totals, stored),
        store_files=fit_line(totals, files),
        other_bytes=fit_line(totals, other),
        other_files=fit_line(totals, other_files),
        sites_per_well=sum(totals) / wells,
        sources=tuple(names),
    )


def _sites_by_well(results: Path) -> pd.Series:
    return read_csv(results / "store.csv").groupby("well").size()


def _n_sites(job: Job, by_well: pd.Series) -> int:
    if job.rule in PACK_RULES:
        return int(by_well.reindex(list(job.wells)).fillna(0).sum())
    return int(by_well.sum())


def _cpu_seconds(end: JobEnd) -> float:
    return end.cpu_seconds


def _gpu_seconds(end: JobEnd) -> float:
    return end.gpus * end.seconds


def _once(ends: Sequence[tuple[Job, JobEnd]], cost: Callable[[JobEnd], float]) -> dict[str, Line]:
    """Return what a job for the whole screen costs, by rule: what it cost, whatever the sites."""
    costs: dict[str, list[float]] = {}
    for job, end in ends:
        costs.setdefault(job.rule, []).append(cost(end))
    return {rule: Line(sum(each) / len(each), 0.0) for rule, each in costs.items()}


def _by_rule(
    ends: Sequence[tuple[Job, JobEnd, int]], cost: Callable[[JobEnd], float]
) -> dict[str, Line]:
    lines = {}
    for rule in dict.fromkeys(job.rule for job, _, _ in ends):
        these = [(end, n) for job, end, n in ends if job.rule == rule]
        start = min(end.start_seconds for end, _ in these) if cost(these[0][0]) else 0.0
        lines[rule] = fit_line([n for _, n in these], [cost(end) for end, _ in these], start)
    return lines


def _sizes(results: Path, plate: str) -> tuple[int, int, int, int]:
    """Return bytes and number of files and folders in the store, and beside it."""
    store = results / f"{plate}.zarr"
    counts = [0, 0, 0, 0]
    for root, folders, files in os.walk(results):
        at = 0 if Path(root) == store or store in Path(root).parents else 2
        counts[at] += sum((Path(root) / name).lstat().st_size for name in files)
        counts[at + 1] += len(files) + len(folders)
    return tuple(counts)


def estimate(screen: Screen, costs: Costs, sites_per_well: float | None = None) -> pd.DataFrame:
    """Predict what a screen will take.

    Parameters
    ----------
    screen : Screen
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
    rows = {}
    for job in planned_jobs(screen):
        row = rows.setdefault(job.rule, dict.fromkeys(("jobs", "cpu_hours", "gpu_hours"), 0.0))
        wells = job.wells or (screen.plates[job.plate].wells if job.plate else ())
        row["jobs"] += 1
        for kind, lines in (("cpu_hours", costs.cpu), ("gpu_hours", costs.gpu)):
            row[kind] += lines.get(job.rule, Line(0.0, 0.0))(per_well * len(wells)) / 3600
    table = pd.DataFrame.from_dict(rows, orient="index").assign(bytes=0.0, inodes=0.0)
    for plate in screen.plates.values():
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


def estimate_text(table: pd.DataFrame, costs: Costs, screen: Screen) -> str:
    """Return what ``levelfield estimate`` prints."""
    total = table.iloc[-1]
    shown = table.assign(gigabytes=table["bytes"] / 1e9).drop(columns="bytes")
    wells = sum(len(plate.wells) for plate in screen.plates.values())
    return "\n".join(
        [
            f"{len(screen.plates)} plates of together {wells} wells, by what was measured on "
            f"{', '.join(costs.sources)}:\n",
            shown.to_string(index=False, float_format="{:.4f}".format),
            f"\n{total['jobs']} jobs, {total['cpu_hours']:.1f} CPU-hours, "
            f"{total['gpu_hours']:.1f} GPU-hours, {total['bytes'] / 1e9:.1f} GB in "
            f"{total['inodes']} files and folders.",
            "Memory and the time in a queue are not in it, nor Snakemake's own files: about one "
            "a job in .snakemake.",
        ]
    )
