"""Mishaps of the machine: told in words, never held against an image."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd
import pytest
import tifffile
from joblib.externals.loky.process_executor import TerminatedWorkerError

from levelfield.execution.logs import job_log
from levelfield.execution.machine_faults import Stopped, is_machine_fault, machine_fault_text
from levelfield.images import planes
from levelfield.images.planes import PlaneError, StalledRead, read_header, read_plane
from levelfield.images.sites import ImageGone, Site, read_site
from levelfield.io.tables import beside, read_csv, write_csv
from levelfield.segmentation.device_faults import MachineFault


def disk_error(number: int, path: str = "/data/P/x") -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError("Unable to allocate 3 GiB"), "memory ran out (Unable to allocate 3 GiB)"),
        (TerminatedWorkerError("x"), "a process of the job was killed, or crashed"),
        (StalledRead("a.tif could not be read within 300 s."), "a.tif could not be read"),
        (Stopped("SIGTERM"), "the job was told to stop: SIGTERM"),
        (
            disk_error(errno.ENOSPC),
            "no space is left on the disk, or in the quota, for '/data/P/x'",
        ),
        (
            disk_error(errno.EDQUOT),
            "no space is left on the disk, or in the quota, for '/data/P/x'",
        ),
        (disk_error(errno.EROFS), "'/data/P/x' cannot be written or read"),
        (disk_error(errno.EACCES), "'/data/P/x' cannot be written or read"),
        (disk_error(errno.ESTALE), "the file system failed at '/data/P/x'"),
    ],
)
def test_a_machine_fault_is_told_with_what_is_kept_and_what_helps(error, says):
    text = machine_fault_text(error)
    assert text.startswith(says)
    assert "The fields that are finished are kept" in text


def test_the_memory_of_a_gpu_is_told_from_that_of_the_machine():
    torch = pytest.importorskip("torch")
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
    assert is_machine_fault(error)
    text = machine_fault_text(error)
    assert "the memory of the GPU ran out (CUDA out of memory. Tried to allocate 2.00 GiB.)" in text
    assert "more" not in text.partition(")")[0]


GPU_FAILURES = [
    "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle)`",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
    "CUDA driver error: unknown error",
    "cuda runtime error (719) : unspecified launch failure",
    "HIP error: an illegal memory access was encountered",
    "NCCL error in: ProcessGroup.cpp",
]


@pytest.mark.parametrize("text", GPU_FAILURES)
@pytest.mark.parametrize("kind", ["AcceleratorError", "RuntimeError"])
def test_a_failure_of_the_gpu_is_a_machine_fault(text, kind):
    torch = pytest.importorskip("torch")
    error = torch.AcceleratorError(text) if kind == "AcceleratorError" else RuntimeError(text)
    assert is_machine_fault(error)
    told = machine_fault_text(error)
    assert "the GPU, or its driver, failed" in told
    assert text.splitlines()[0] in told
    assert "exclude the node" in told


def test_a_machine_fault_of_a_class_of_its_own_says_what_it_says():
    error = MachineFault("the worker ended.")
    assert is_machine_fault(error)
    assert machine_fault_text(error).startswith("the worker ended. The fields that are finished")


def test_a_fault_of_an_image_or_of_the_program_is_no_machine_fault():
    for error in (ValueError("x"), KeyError("x"), RuntimeError("x"), FileNotFoundError("x")):
        assert machine_fault_text(error) is None
    assert not is_machine_fault(ValueError("x"))


def test_a_full_disk_ends_a_job_in_words_and_the_traceback_is_in_its_log(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, job_log(str(tmp_path / "log")):
        raise disk_error(errno.ENOSPC)
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert "levelfield: no space is left" in printed
    assert "Traceback" not in printed
    log = (tmp_path / "log").read_text()
    assert "Traceback" in log
    assert log.splitlines()[-2].startswith("levelfield: no space is left")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_where_the_log_cannot_be_written_the_reason_is_told_all_the_same(capsys):
    with pytest.raises(SystemExit), job_log("/dev/full") as log:
        log.info("a line that finds no room")
        raise disk_error(errno.ENOSPC)
    printed = capsys.readouterr().err
    assert "levelfield: no space is left" in printed
    assert "Traceback" not in printed


def test_a_job_that_is_told_to_stop_says_so_and_ends(tmp_path):
    code = (
        "import time; from levelfield.execution.logs import job_log\n"
        f"with job_log({str(tmp_path / 'log')!r}):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    job = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert job.stdout.readline() == "ready\n"
    job.send_signal(signal.SIGTERM)
    _, printed = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "levelfield: the job was told to stop: SIGTERM" in printed
    assert "Traceback" not in printed


def test_a_read_that_never_returns_ends_with_the_name_of_the_file(tmp_path, monkeypatch):
    path, answer = tmp_path / "hanging.tif", Event()
    path.touch()
    monkeypatch.setattr(planes.tifffile, "imread", lambda *_, **__: answer.wait())
    monkeypatch.setattr(planes, "_LONGEST_READ", 0.2)
    with pytest.raises(StalledRead, match=r"hanging\.tif could not be read within 0\.2 s"):
        read_plane(path)
    answer.set()


def test_a_pipe_is_refused_before_it_can_hang(tmp_path):
    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    with pytest.raises(PlaneError, match="a pipe, a device or a folder"):
        read_plane(pipe)
    assert "a pipe, a device or a folder" in read_header(pipe).fault


def test_a_plane_that_is_read_in_time_is_as_it_was(tmp_path):
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    assert np.array_equal(read_plane(tmp_path / "a.tif"), pixels)


def test_an_error_of_the_network_is_not_held_against_the_image(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise disk_error(errno.ESTALE)

    monkeypatch.setattr(planes.tifffile, "imread", fail)
    with pytest.raises(OSError, match="Stale"):
        read_plane(tmp_path / "a.tif")


def test_two_writers_of_a_table_do_each_other_no_harm(tmp_path):
    path = tmp_path / "table.csv"
    with beside(path) as first, beside(path) as second:
        assert first != second
        first.write_text("n\n1\n")
        second.write_text("n\n2\n")
        assert not list(tmp_path.glob("*.csv"))  # a draft is seen only when it is whole
    assert read_csv(path)["n"].tolist() == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_table_as_it_was(tmp_path):
    path = tmp_path / "table.csv"
    write_csv(pd.DataFrame({"n": [1]}), path)
    with pytest.raises(RuntimeError), beside(path) as draft:
        draft.write_text("n\n2")
        raise RuntimeError
    assert read_csv(path)["n"].tolist() == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_images_that_are_gone_end_the_job_instead_of_costing_the_plate_its_sites(tmp_path):
    path = tmp_path / "A01.tif"
    tifffile.imwrite(path, np.ones((4, 4), np.uint8))
    planes_of_site = pd.DataFrame(
        {"channel": ["DNA"], "path": [str(path)], "page": 0, "size_y": 4, "size_x": 4}
    ).assign(bytes=path.stat().st_size, checksum="")
    site = Site("A01", 1, planes_of_site)
    assert read_site(site, ["DNA"], {}).shape == (1, 4, 4)
    path.unlink()
    with pytest.raises(ImageGone, match=r"A01\.tif was there when the plate was listed"):
        read_site(site, ["DNA"], {})
