"""Logs, failures, status, costs and room: what a run says of itself."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.execution.logs import JobEnd, job_log, read_job_log
from levelfield.io.tables import beside, read_csv, write_csv
from levelfield.runs.estimate import fit_line
from levelfield.runs.failures import COLUMNS, failures_of_plate, reason_of, summary
from levelfield.runs.jobs import Job
from levelfield.runs.snakemake_log import failed_jobs
from levelfield.runs.space import check_space, predicted_bytes, removable
from levelfield.runs.status import job_state, screen_status, status_table
from levelfield.steps.qc_evidence import TABLES


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
    (tmp_path / "log").write_text(text[: text.rindex(" s,")])
    assert read_job_log(tmp_path / "log") == JobEnd("open")
    assert read_job_log(tmp_path / "none") is None
    assert "killed" in reason_of(tmp_path / "log")
    assert "OUT_OF_MEMORY" in reason_of(tmp_path / "log", "status is: OUT_OF_MEMORY")
    assert "before it wrote its log" in reason_of(tmp_path / "none")


SNAKEMAKE_LOG = """\
[Sun Nov 22 17:37:56 2026]
Error in rule index_plate:
    message: None
    jobid: 16
    input: /images/Q, /layout_q.csv
    output: results/Q/index.csv
    log: results/Q/logs/index_plate.log (check log file(s) for error details)
[Sun Nov 22 17:37:57 2026]
Error in rule segment:
    message: SLURM-job '12' failed, SLURM status is: 'OUT_OF_MEMORY'.
    jobid: 4
    output: results/P/segment/pack1.csv
    log: results/P/logs/segment_pack1.log (check log file(s) for error details)
    external_jobid: 12
Trying to restart job 4.
[Sun Nov 22 17:38:32 2026]
Finished jobid: 6 (Rule: create_store)
"""


def test_failed_jobs_are_read_from_snakemakes_log(tmp_path):
    (tmp_path / "log").write_text(SNAKEMAKE_LOG)
    index, segment = failed_jobs(tmp_path / "log")
    assert (index.rule, str(index.log)) == ("index_plate", "results/Q/logs/index_plate.log")
    assert index.message == ""
    assert "OUT_OF_MEMORY" in segment.message


def test_a_job_that_succeeded_when_tried_again_has_not_failed(tmp_path):
    (tmp_path / "log").write_text(SNAKEMAKE_LOG + "Finished jobid: 4 (Rule: segment)\n")
    assert [error.rule for error in failed_jobs(tmp_path / "log")] == ["index_plate"]


def test_an_error_that_ends_the_log_is_not_lost(tmp_path):
    (tmp_path / "log").write_text(SNAKEMAKE_LOG.split("[Sun Nov 22 17:37:57")[0].rstrip())
    assert len(failed_jobs(tmp_path / "log")) == 1


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
    job = Job("measure", "P", "pack2", ("C07", "C08", "C09"), logs / "measure_pack2.log", logs)
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
    return Job(rule, "P", "pack1", ("A01",), tmp_path / f"{rule}.log", output)


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
    one = job(tmp_path)
    assert job_state(one, JobEnd("open"), True, {str(one.log)}) == "failed"


def test_status_counts_jobs_and_hours_by_plate_and_rule(tmp_path):
    jobs = [job(tmp_path, done=True), job(tmp_path, "measure")]
    line = "done: 7200.00 s, 3600.00 s of CPU, 2.00 s of it to start, on 2 GPUs"
    jobs[0].log.write_text(f"2026-01-01 INFO {line}\n")
    status = screen_status(jobs, tmp_path)
    by_plate = status_table(status, "plate").iloc[0]
    assert (by_plate["done"], by_plate["waiting"], by_plate["failed"]) == (1, 1, 0)
    assert (by_plate["hours"], by_plate["cpu_hours"], by_plate["gpu_hours"]) == (2, 1, 4)
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


def index_of(n_sites: int) -> pd.DataFrame:
    rows = [
        {"well": "A01", "site": site, "size_y": 1000, "size_x": 1000, "dtype": "uint16"}
        for site in range(n_sites)
        for _ in range(2)
    ]
    return pd.DataFrame(rows).assign(fault="")


def test_a_plate_without_room_is_not_begun(tmp_path):
    needed = predicted_bytes(index_of(10), 3)
    assert 40e6 < needed < 100e6  # 40 MB of raw pixels
    check_space("P", needed, tmp_path / "P", free=2 * needed)
    with pytest.raises(ValueError, match=r"plate P needs about 0\.1 GB.*Nothing of the plate was"):
        check_space("P", needed, tmp_path / "P", free=needed // 2)


def test_what_is_done_already_needs_no_room(tmp_path):
    (tmp_path / "P").mkdir()
    (tmp_path / "P" / "pixels").write_bytes(b"0" * 1000)
    check_space("P", 1000, tmp_path / "P", free=1)


def test_what_could_be_removed_is_of_finished_plates_and_stays(tmp_path):
    for plate in ("done", "begun"):
        (tmp_path / plate / f"{plate}.zarr").mkdir(parents=True)
        (tmp_path / plate / f"{plate}.zarr" / "pixels").write_bytes(b"0" * 100)
    (tmp_path / "done" / "ro-crate-metadata.json").write_text("{}")
    listed = removable(tmp_path)
    assert list(listed["path"]) == [str(tmp_path / "done" / "done.zarr")]
    assert (tmp_path / "done" / "done.zarr" / "pixels").is_file()


def test_every_folder_of_packs_of_the_qc_could_be_removed(tmp_path):
    (tmp_path / "P").mkdir()
    (tmp_path / "P" / "ro-crate-metadata.json").write_text("{}")
    folders = [tmp_path / "P" / "qc" / name for name in TABLES]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "pack1.parquet").write_bytes(b"0" * 100)
    assert set(removable(tmp_path)["path"]) == {str(folder) for folder in folders}


def test_a_draft_is_seen_only_when_it_is_whole(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(KeyError), beside(path) as draft:
        draft.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_table_do_no_harm(tmp_path):
    path = tmp_path / "table.csv"
    with beside(path) as first, beside(path) as second:
        assert first != second
        first.write_text("a\n1\n")
        second.write_text("a\n2\n")
        assert not list(tmp_path.glob("*.csv"))
    assert read_csv(path)["a"].tolist() in ([1], [2])
    assert np.size(list(tmp_path.iterdir())) == 1
