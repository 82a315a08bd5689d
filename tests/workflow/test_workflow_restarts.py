"""Results are the same bytes however work is divided, interrupted, damaged and begun again."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import zarr
from workflow_runs import VERDICT, digests, small_screen

pytestmark = pytest.mark.workflow

STEPS = ("segment", "measure", "qc_evidence", "fit_illumination")


def test_results_are_the_same_bytes_however_work_is_divided(finished, tmp_path):
    """One core, and four packs, of which the last is one well."""
    other = small_screen(tmp_path / "other", packs_per_plate=4)
    other.run_well("--cores", "1", *VERDICT)
    assert digests(other.results) == digests(finished.results)


def test_a_run_killed_in_the_middle_ends_as_an_undisturbed_one(finished, tmp_path):
    """One pack, on whose fields two processes work: as in no other run."""
    screen = small_screen(tmp_path / "killed", packs_per_plate=1)
    divided = ("--set-threads", *(f"{step}=2" for step in STEPS), *VERDICT)
    process = subprocess.Popen(
        screen.arguments(*divided),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list(screen.results.glob("P.zarr/*/*/1")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(screen.results.glob("P.zarr/*/*/1")), "no field was written before the deadline"
    assert not (screen.results / "segment" / "pack1.csv").exists()
    screen.run_well("--unlock")
    screen.run_well(*divided)
    assert digests(screen.results) == digests(finished.results)


def test_damaged_labels_are_named_and_only_they_are_made_again(copy):
    before = digests(copy.results)
    store = copy.results / "P.zarr"
    shutil.rmtree(store / "C" / "07" / "1" / "labels")
    labels = zarr.open_array(store / "A" / "12" / "1" / "labels" / "Nuclei" / "0", mode="r+")
    labels[100:110, 100:110] = 7
    told = copy.levelfield("verify", "P")
    assert told.returncode == 1
    assert re.search(r"A12 +1 +Nuclei altered", told.stdout)
    assert re.search(r"C07 +1 +Cells missing", told.stdout)
    untouched = (store / "A" / "01" / "1" / "zarr.json").stat().st_mtime_ns
    printed = copy.run_well()
    assert printed.count("1 fields made") == 2
    assert "0 fields to do" in printed
    assert digests(copy.results) == before
    assert (store / "A" / "01" / "1" / "zarr.json").stat().st_mtime_ns == untouched
    assert copy.levelfield("verify", "P").returncode == 0
