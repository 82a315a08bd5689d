"""The verdict of a screen by the plates that are finished, whatever became of the others."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from levelfield.config.plan import Plan
from levelfield.runs.door import run_workflow


def judge_finished(plan: Plan, options: Sequence[str]) -> Path | None:
    """Have the workflow judge the screen by its finished plates.

    All plates make the verdict of the screen; some of them one of their own, in
    ``results/screen_partial``, which is taken away as soon as all are judged. The `options` of
    Snakemake name at least the config. Returns the page; None where no plate is finished, and
    nothing is written.
    """
    finished = plan.finished_plates()
    if not finished:
        return None
    kind = "screen" if len(finished) == len(plan.plates) else "partial"
    rules = [f"qc_{kind}", f"report_{kind}"]
    pages = [plan.results.file(rule) for rule in rules]
    # Nothing but these two rules: what the plates' tables are made from is none of their business,
    # and the failures of the run before are still to be read (no hooks).
    alone = ["--nolock", "--no-hooks", "--cores", "1", "--allowed-rules", *rules]
    run_workflow([*pages, *options, *alone], quiet=True)
    drop_partial(plan)
    return Path(pages[-1])


def drop_partial(plan: Plan) -> None:
    """Remove the verdict of some plates when that of all is there, and younger."""
    partial, whole = (Path(plan.results.file(f"report_{kind}")) for kind in ("partial", "screen"))
    if partial.is_file() and whole.is_file() and partial.stat().st_mtime < whole.stat().st_mtime:
        shutil.rmtree(partial.parent)
