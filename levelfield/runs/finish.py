"""The end of a run: failures are written down, and the screen is judged by what there is."""

from __future__ import annotations

from pathlib import Path

from levelfield.config.planted import planted_note
from levelfield.runs.failures import summary, write_failures
from levelfield.runs.jobs import Screen, planned_jobs
from levelfield.runs.snakemake_log import failed_jobs
from levelfield.steps.qc_screen import refresh_screen


def finish_run(screen: Screen, snakemake_log: Path, succeeded: bool) -> str:
    """Write ``failures.csv`` of every plate; after a failure, refresh the verdict of the screen.

    Parameters
    ----------
    screen : Screen
        What was to be done.
    snakemake_log : Path
        The log of the run's main process.
    succeeded : bool
        Whether all was done; then the workflow itself has judged the screen.

    Returns
    -------
    str
        What a person reads at the end of the run.
    """
    plates = list(screen.plates)
    errors = failed_jobs(snakemake_log)
    failures = write_failures(plates, screen.results, planned_jobs(screen), errors)
    text = summary(failures, len(plates))
    if planted := planted_note(screen.config["objects"]):
        text += f"\nlevelfield: {planted}"
    # A plate that failed must not keep the others from their verdict.
    made = None if succeeded else refresh_screen(plates, screen.results, screen.config)
    if made is None:
        return text
    counts = f"{len(made.finished)} of {len(plates)} plates"
    return f"{text}\nlevelfield: the screen was judged by {counts}: {made.report}"
