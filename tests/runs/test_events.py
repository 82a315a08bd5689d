"""What becomes of jobs: the plugin notes it, and the commands read it."""

import logging
from pathlib import Path
from types import SimpleNamespace

from snakemake_interface_logger_plugins.common import LogEvent

from levelfield.runs.events import JobError, event_files, failed_jobs, is_noted, read_events
from levelfield.runs.jobs import Job
from levelfield.runs.status import screen_status, status_text
from snakemake_logger_plugin_levelfield import LogHandler


def handler(folder, monkeypatch, dryrun=False) -> LogHandler:
    monkeypatch.chdir(folder)
    return LogHandler(SimpleNamespace(dryrun=dryrun), None)


def tell(handler, event, **told):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", None, None)
    vars(record).update(told, event=event)
    handler.emit(record)


def tell_of_a_run(handler, segment_again=False):
    """A run in which indexing fails, and a segmentation has too little memory the first time."""
    index = {"jobid": 16, "rule_name": "index_plate", "log": ["Q/logs/index_plate.log"]}
    segment = {"jobid": 4, "rule_name": "segment", "log": ["P/logs/segment_pack1.log"]}
    tell(handler, LogEvent.WORKFLOW_STARTED, snakefile_main="Snakefile")
    tell(handler, LogEvent.JOB_INFO, **index, wildcards={"plate": "Q"})
    tell(handler, LogEvent.JOB_INFO, **segment, wildcards={"plate": "P", "pack": "pack1"})
    tell(handler, LogEvent.PROGRESS, done=0, total=2)
    tell(handler, LogEvent.JOB_ERROR, **index, rule_msg=None)
    told = "SLURM-job '12' failed, SLURM status is: 'OUT_OF_MEMORY'."
    tell(handler, LogEvent.JOB_ERROR, **segment, rule_msg=told)
    if segment_again:
        tell(handler, LogEvent.JOB_FINISHED, job_id=4)


def test_the_plugin_notes_what_becomes_of_jobs(tmp_path, monkeypatch):
    noting = handler(tmp_path, monkeypatch)
    tell_of_a_run(noting)
    path = noting.path
    noting.close()
    events = list(read_events([path]))
    kinds = ["run_started", "started", "started", "failed", "failed", "run_ended"]
    assert [event["event"] for event in events] == kinds
    assert events[4]["wildcards"] == {"plate": "P", "pack": "pack1"}
    index, segment = failed_jobs(events)
    assert (index.rule, str(index.log), index.message) == (
        "index_plate",
        "Q/logs/index_plate.log",
        "",
    )
    assert "OUT_OF_MEMORY" in segment.message


def test_a_job_that_succeeded_when_tried_again_has_not_failed(tmp_path, monkeypatch):
    noting = handler(tmp_path, monkeypatch)
    tell_of_a_run(noting, segment_again=True)
    assert [error.rule for error in failed_jobs(read_events([noting.path]))] == ["index_plate"]


def test_a_job_that_succeeded_in_a_later_run_has_not_failed(tmp_path, monkeypatch):
    for again in (False, True):
        noting = handler(tmp_path, monkeypatch)
        tell_of_a_run(noting, segment_again=again)
        noting.close()
    assert len(event_files(tmp_path)) == 2
    failed = failed_jobs(read_events(event_files(tmp_path)))
    assert [error.rule for error in failed] == ["index_plate"]


def test_an_error_that_ends_the_events_is_not_lost_by_a_line_that_was_cut_off(
    tmp_path, monkeypatch
):
    noting = handler(tmp_path, monkeypatch)
    tell_of_a_run(noting)
    with noting.path.open("a") as file:
        file.write('{"time": "2026-11')
    assert len(failed_jobs(read_events([noting.path]))) == 2


def test_all_jobs_of_a_group_that_failed_are_noted(tmp_path, monkeypatch):
    noting = handler(tmp_path, monkeypatch)
    info = [{"jobid": n, "rule_name": "measure", "log": [f"{n}.log"]} for n in (1, 2)]
    tell(noting, LogEvent.GROUP_ERROR, job_error_info=info, msg="node lost")
    failed = failed_jobs(read_events([noting.path]))
    assert failed == [JobError("measure", Path(f"{n}.log"), "node lost") for n in (1, 2)]


def test_a_dry_run_leaves_no_events(tmp_path, monkeypatch):
    noting = handler(tmp_path, monkeypatch, dryrun=True)
    tell_of_a_run(noting)
    noting.close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_the_plugin_is_said_to_be_one(tmp_path, monkeypatch):
    assert is_noted(tmp_path)
    (tmp_path / ".snakemake" / "log").mkdir(parents=True)
    (tmp_path / ".snakemake" / "log" / "2026-11-22T173756.123456.snakemake.log").touch()
    assert not is_noted(tmp_path)
    waiting = Job("segment", "P", "pack1", ("A01",), *[tmp_path / "none"] * 3)
    status = screen_status([waiting], tmp_path)
    assert "left no events" in status_text(status, tmp_path)
    noting = handler(tmp_path, monkeypatch)
    tell_of_a_run(noting)
    assert is_noted(tmp_path)
    assert "left no events" not in status_text(status, tmp_path)
