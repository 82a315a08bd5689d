"""Which jobs are done, running, failed and waiting, and what they took."""

import pytest

from levelfield.execution.logs import JobEnd
from levelfield.runs.jobs import Job
from levelfield.runs.status import job_state, screen_status, status_table


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
