"""The end of a run: failures are written down, and the screen is judged by what there is."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from levelfield.config.plan import Plan
from levelfield.config.planted import planted_note
from levelfield.runs.events import NOT_NOTED, failed_by_logs, failed_jobs, read_events
from levelfield.runs.failures import summary, write_failures
from levelfield.runs.jobs import planned_jobs
from levelfield.runs.screen import drop_partial, judge_finished


def finish_run(plan: Plan, events: Path | None, succeeded: bool) -> str:
    """Write ``failures.csv`` of every plate; after a failure, judge the screen by what there is.

    `events` are what the logger plugin noted of this run; None for a run without it. After a run
    that `succeeded` the workflow itself has judged the screen. Returns what a person reads at the
    end of the run.
    """
    jobs = planned_jobs(plan)
    if succeeded:
        errors = []
    elif events is None:
        errors = failed_by_logs(jobs)
    else:
        errors = failed_jobs(read_events([events]))
    failures = write_failures(plan.plates, plan.results, jobs, errors)
    text = summary(failures, len(plan.plates))
    if events is None and not succeeded:
        text += f"\nlevelfield: {NOT_NOTED}"
    if planted := planted_note(plan.config["objects"]):
        text += f"\nlevelfield: {planted}"
    if succeeded:
        drop_partial(plan)
        return text
    return text + _partial_verdict(plan)


def _partial_verdict(plan: Plan) -> str:
    """Judge the screen by its finished plates: one that failed must not keep the others from it."""
    with TemporaryDirectory() as folder:
        # The config as this run has it, with what was given on its command line.
        config = Path(folder, "config.json")
        config.write_text(json.dumps(plan.config))
        try:
            page = judge_finished(plan, ["--configfile", str(config)])
        except ValueError as error:
            return f"\nlevelfield: the screen could not be judged by its finished plates: {error}"
    if page is None:
        return ""
    counts = f"{len(plan.finished_plates())} of {len(plan.plates)} plates"
    return f"\nlevelfield: the screen was judged by {counts}: {page}"
