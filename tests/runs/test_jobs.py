"""Logs, failures, status and costs: what a run says of itself."""

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_logger_plugins.common import LogEvent

from levelfield.config.results import RULES, Results, in_plate, log_in
from levelfield.execution.logs import JobEnd, job_log, read_job_log
from levelfield.execution.timings import read_timing
from levelfield.io.tables import write_csv
from levelfield.runs.estimate import fit_line
from levelfield.runs.events import JobError, event_files, failed_jobs, is_noted, read_events
from levelfield.runs.failures import COLUMNS, failures_of_plate, reason_of, summary
from levelfield.runs.jobs import Job
from levelfield.runs.status import job_state, screen_status, status_table, status_text
from snakemake_logger_plugin_levelfield import LogHandler


@pytest.fixture(autouse=True)
def _quiet():
    yield
    logging.getLogger("levelfield").handlers = []


def run(path, error=None, gpus=0):
    with job_log(str(path), gpus):
        if error is not None:
            raise error


def test_the_log_of_a_job_says_how_it_ended_and_what_it_took(tmp_path):
    run(tmp_path / "log", gpus=2)
    end = read_job_log(tmp_path / "log")
    assert end.state == "done"
    assert end.gpus == 2
    assert 0 < end.start_seconds <= end.cpu_seconds
    assert end.reason == ""


def test_the_log_of_a_failed_job_says_why(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path / "people", ValueError("well Z99 does not exist. Correct it."))
    end = read_job_log(tmp_path / "people")
    assert (end.state, end.reason) == ("failed", "well Z99 does not exist. Correct it.")
    with pytest.raises(SystemExit):
        run(tmp_path / "memory", MemoryError("no 3 GB left"))
    assert read_job_log(tmp_path / "memory").reason.startswith("memory ran out (no 3 GB left).")
    with pytest.raises(IndexError):
        run(tmp_path / "other", IndexError("a fault of the program"))
    assert read_job_log(tmp_path / "other").reason == "IndexError: a fault of the program"


def test_a_log_that_was_cut_off_is_open(tmp_path):
    run(tmp_path / "log")
    text = (tmp_path / "log").read_text()
    (tmp_path / "log").write_text(text[: text.rindex(" s of CPU")])
    assert read_job_log(tmp_path / "log") == JobEnd("open")
    assert read_job_log(tmp_path / "none") is None
    assert "killed" in reason_of(tmp_path / "log")
    assert "OUT_OF_MEMORY" in reason_of(tmp_path / "log", "status is: OUT_OF_MEMORY")
    assert "before it wrote its log" in reason_of(tmp_path / "none")


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
    status = screen_status([job(tmp_path)], tmp_path)
    assert "left no events" in status_text(status, tmp_path)
    noting = handler(tmp_path, monkeypatch)
    tell_of_a_run(noting)
    assert is_noted(tmp_path)
    assert "left no events" not in status_text(status, tmp_path)


def test_what_a_job_took_is_read_from_snakemakes_benchmark(tmp_path):
    header = "s\th:m:s\tmax_rss\tmax_vms\tmean_load\tcpu_time\n"
    (tmp_path / "a.tsv").write_text(f"{header}3.00\t0:00:03\t280.64\t738.82\t47.38\t1.78\n")
    (tmp_path / "b.tsv").write_text(f"{header}0.2\t0:00:00\tNA\tNA\tNA\tNA\n")
    assert read_timing(tmp_path / "a.tsv").seconds == 3
    assert read_timing(tmp_path / "a.tsv").megabytes == 280.64
    assert np.isnan(read_timing(tmp_path / "b.tsv").megabytes)
    assert read_timing(tmp_path / "none.tsv") is None


def test_results_are_where_the_root_is_unless_they_are_absolute():
    results = Results("out", "first/")
    assert results.file("segment", plate="P", pack="pack1") == "first/out/P/segment/pack1.csv"
    assert results.file("fetch_weights", weights="nuclei") == "first/resources/weights/nuclei"
    assert results.store("P") == "first/out/P/P.zarr"
    assert Results("/data/out", "first").file("qc_screen") == "/data/out/screen/verdict.csv"
    assert Results("out").log("measure", plate="P") == "out/P/logs/measure_{pack}.log"
    assert Results("out").timing("index_plate", plate="P") == "out/P/timings/index_plate.tsv"


def test_the_paths_of_a_plate_are_those_of_its_folder():
    results = Results("out")
    for rule in RULES.values():
        if rule.unit == "plate":
            paths = [in_plate(Path("out/P"), rule.name, name) for name in rule.files]
            made = [Path(results.file(rule.name, name, plate="P")) for name in rule.files]
            assert paths == made
            assert log_in(Path("out/P"), rule.name) == Path(results.log(rule.name, plate="P"))


def test_no_two_rules_make_the_same_file():
    made = [Results("out").file(rule.name, name) for rule in RULES.values() for name in rule.files]
    assert len(made) == len(set(made))


def excluded(folder, reason):
    folder.mkdir(parents=True)
    row = {"Metadata_Plate": "P", "Metadata_Well": "C07", "Metadata_Site": 3, "reason": reason}
    table = pd.DataFrame([row | {"rule": "segment", "file": "a.tif"}])
    write_csv(table, folder / "excluded_sites.csv")


def test_failures_name_plate_well_site_rule_reason_and_log(tmp_path):
    excluded(tmp_path / "P", "FKHR: every pixel is 0")
    logs = tmp_path / "P" / "logs"
    logs.mkdir()
    (logs / "segment_pack1.log").write_text("site A01 1 is fine")
    (logs / "segment_pack2.log").write_text("site C07 3 is excluded: FKHR: every pixel is 0")
    job = Job(
        "measure", "P", "pack2", ("C07", "C08", "C09"), logs / "measure_pack2.log", logs, logs
    )
    table = failures_of_plate("P", tmp_path / "P", [(job, "SLURM status is: 'TIMEOUT'")])
    assert tuple(table.columns) == COLUMNS
    site, whole = table.to_dict("records")
    assert (site["well"], site["site"], site["rule"]) == ("C07", 3, "segment")
    assert site["log"] == str(logs / "segment_pack2.log")
    assert (whole["well"], whole["site"], whole["rule"]) == ("C07 to C09", -1, "measure")
    assert "TIMEOUT" in whole["reason"]
    told = summary(table, 4)
    assert "of 4 plates, 1 have failures" in told
    assert told.index("P C07 to C09, measure") < told.index("P C07 3, segment")


def test_a_site_numbered_0_is_a_site(tmp_path):
    row = {"plate": "P", "well": "C07", "site": 0, "rule": "segment", "file": "a.tif"}
    table = pd.DataFrame([row | {"reason": "FKHR: every pixel is 0", "log": "x.log"}])
    told = summary(table[list(COLUMNS)], 1)
    assert "1 sites left out, 0 jobs or wells failed" in told
    assert "P C07 0, segment: FKHR" in told


def test_a_run_without_failures_says_so():
    assert "nothing failed" in summary(pd.DataFrame(columns=list(COLUMNS)), 2)


def job(tmp_path, rule="segment", done=False) -> Job:
    output = tmp_path / f"{rule}.csv"
    if done:
        output.write_text("x")
    log, timing = tmp_path / f"{rule}.log", tmp_path / f"{rule}.tsv"
    return Job(rule, "P", "pack1", ("A01",), log, timing, output)


@pytest.mark.parametrize(
    ("end", "done", "active", "expected"),
    [
        (None, False, False, "waiting"),
        (JobEnd("open"), False, True, "running"),
        (JobEnd("open"), False, False, "failed"),
        (JobEnd("failed"), False, True, "failed"),
        (JobEnd("done"), True, False, "done"),
        (JobEnd("done"), False, False, "waiting"),  # `levelfield verify` took its table away
    ],
)
def test_the_state_of_a_job(tmp_path, end, done, active, expected):
    assert job_state(job(tmp_path, done=done), end, active, set()) == expected


def test_a_job_that_the_executor_gave_up_is_not_running(tmp_path):
    given_up = job(tmp_path)
    assert job_state(given_up, JobEnd("open"), True, {str(given_up.log)}) == "failed"


def test_status_counts_jobs_and_hours_by_plate_and_rule(tmp_path):
    jobs = [job(tmp_path, done=True), job(tmp_path, "measure")]
    line = "done: 3600.00 s of CPU, 2.00 s of it to start, on 2 GPUs"
    jobs[0].timing.write_text("s\tmax_rss\n7200.00\t2500.0\n")
    jobs[0].log.write_text(f"2026-01-01 INFO {line}\n")
    status = screen_status(jobs, tmp_path)
    by_plate = status_table(status, "plate").iloc[0]
    assert (by_plate["done"], by_plate["waiting"], by_plate["failed"]) == (1, 1, 0)
    assert (by_plate["hours"], by_plate["cpu_hours"], by_plate["gpu_hours"]) == (2, 1, 4)
    assert by_plate["gigabytes"] == 2.5
    assert list(status_table(status, "rule")["rule"]) == ["segment", "measure", "all"]


@given(
    fixed=st.floats(0, 100),
    each=st.floats(0, 10),
    sites=st.lists(st.integers(1, 500), min_size=2, max_size=8).filter(
        lambda n: max(n) >= 2 * min(n)
    ),
)
def test_a_cost_is_found_again_from_jobs_of_different_size(fixed, each, sites):
    line = fit_line(sites, [fixed + each * n for n in sites])
    assert line(1000) == pytest.approx(fixed + each * 1000, rel=1e-6, abs=1e-6)


def test_jobs_of_one_size_keep_the_known_cost_of_starting():
    line = fit_line([4, 4], [6.0, 6.0], fixed=2.0)
    assert (line.fixed, line.each) == (2.0, 1.0)
    assert fit_line([4, 4], [1.0, 1.0], fixed=2.0)(8) == pytest.approx(1.0)
