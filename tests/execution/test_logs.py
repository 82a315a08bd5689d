"""The log of a job: how it ended, and what it took."""

import logging

import pytest

from levelfield.execution.logs import JobEnd, job_log, read_job_log
from levelfield.runs.failures import reason_of


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
