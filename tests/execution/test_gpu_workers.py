"""Fields shared out among GPUs: in order, each GPU with a process of its own."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from levelfield.execution import gpu_use, gpu_workers
from levelfield.execution.gpu_use import BusyShare, GpuUse, read_gpu_use
from levelfield.execution.gpu_workers import map_on_gpus, threads_each
from levelfield.execution.logs import job_log, read_job_log
from levelfield.execution.timings import gpu_timings
from levelfield.segmentation.device_clock import DEVICE_CLOCK, DeviceClock


def where(item: int, device: str) -> tuple[int, str, int]:
    return item, device, os.getpid()


def meet_and_say_where(item: int, device: str, folder: Path, number: int) -> tuple[int, str, int]:
    """Say where an item is worked on, once every GPU has begun with one."""
    (folder / device).touch()
    ends = time.monotonic() + 60
    while len(list(folder.iterdir())) < number and time.monotonic() < ends:
        time.sleep(0.02)
    return where(item, device)


def run(function, items, devices, threads=2):
    return list(
        map_on_gpus(
            function, items, devices, threads_each(threads, len(devices)), "test", lambda item: 1
        )
    )


def test_several_gpus_have_a_process_each_and_results_keep_their_order(tmp_path):
    meet = partial(meet_and_say_where, folder=tmp_path, number=2)
    results = run(meet, list(range(40)), ["cuda:0", "cuda:1"])
    assert [item for item, _, _ in results] == list(range(40))
    processes = {
        device: {pid for _, one, pid in results if one == device} for device in ("cuda:0", "cuda:1")
    }
    assert all(len(pids) == 1 for pids in processes.values())
    assert processes["cuda:0"] != processes["cuda:1"]
    assert os.getpid() not in processes["cuda:0"] | processes["cuda:1"]


def where_one_is_slow(item: int, device: str, folder: Path) -> str:
    meet_and_say_where(item, device, folder, 2)
    time.sleep(0.6 if device == "cuda:0" else 0.02)
    return device


def test_a_gpu_that_is_done_sooner_gets_the_next_fields_sooner(tmp_path):
    """Fields lie in one queue: no GPU waits while another one has a heap of them."""
    slow = partial(where_one_is_slow, folder=tmp_path)
    used = run(slow, list(range(60)), ["cuda:0", "cuda:1"], threads=6)
    assert 3 <= used.count("cuda:0") < used.count("cuda:1") / 2


def test_every_gpu_has_work_where_there_are_few_portions(tmp_path):
    meet = partial(meet_and_say_where, folder=tmp_path, number=3)
    used = run(meet, list(range(9)), ["cuda:0", "cuda:1", "cuda:2"], threads=3)
    assert {device for _, device, _ in used} == {"cuda:0", "cuda:1", "cuda:2"}


def test_no_field_at_all_needs_no_gpu():
    assert run(where, [], ["cuda:0", "cuda:1"]) == []


def test_one_gpu_is_used_by_threads_of_this_process():
    together = threading.Barrier(3, timeout=30)

    def meet(item, device):
        together.wait()  # passes only if three threads are here at once
        return item, device

    assert run(meet, list(range(6)), ["cuda:1"]) == [(item, "cuda:1") for item in range(6)]


def fail(item: int, device: str) -> int:
    if item == 5:
        raise ValueError("field 5 is broken")
    return item


@pytest.mark.parametrize("devices", [["cuda:0"], ["cuda:0", "cuda:1"]])
def test_an_error_ends_the_job_with_its_text(devices):
    with pytest.raises(ValueError, match="field 5 is broken"):
        run(fail, list(range(12)), devices)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """An nvidia-smi that says 80, 90 and nothing sensible."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\necho "$@" > "$0.arguments"\n'
        'echo "80, 4000"\necho "90, 12000"\necho "[N/A], [N/A]"\nexec sleep 30\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def test_the_busy_share_is_the_mean_of_what_the_driver_says(nvidia_smi):
    with BusyShare(["cuda:0", "cuda:2"]) as busy:
        for _ in range(200):
            if busy.percent == 85:
                break
            time.sleep(0.05)
    assert busy.note() == ", GPU busy 85 %"
    assert busy.bytes == 12000 * 2**20
    arguments = nvidia_smi.with_name("nvidia-smi.arguments").read_text()
    assert "--id=0,2" in arguments


def test_the_driver_is_asked_for_the_gpus_that_the_job_sees_by_their_uuid(nvidia_smi, monkeypatch):
    uuids = {0: "aa-bb", 1: "cc-dd"}
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=uuids[number])
    )
    with BusyShare(["cuda:0", "cuda:1"]):
        for _ in range(200):
            if nvidia_smi.with_name("nvidia-smi.arguments").exists():
                break
            time.sleep(0.05)
    assert "--id=GPU-aa-bb,GPU-cc-dd" in nvidia_smi.with_name("nvidia-smi.arguments").read_text()


def test_an_nvidia_smi_that_does_not_end_does_not_keep_the_job(nvidia_smi, monkeypatch):
    monkeypatch.setattr(gpu_use, "_LONGEST_GOODBYE", 0.2)
    monkeypatch.setattr(subprocess.Popen, "kill", lambda process: None)
    started = time.monotonic()
    with BusyShare(["cuda:0"]) as busy:
        pass
    assert time.monotonic() - started < 10
    busy._process.terminate()


HANGING = """
import logging, sys, threading
from levelfield.execution import gpu_workers
logging.getLogger("levelfield").addHandler(logging.StreamHandler(sys.stdout))
gpu_workers.LONGEST_BATCH = float(sys.argv[1])

def work(item, device):
    if item == 3:
        never_to_be_set.wait()
    return item

never_to_be_set = threading.Event()
for result in gpu_workers.map_on_gpus(work, range(8), ["cuda:0"], 3, "test", lambda item: 1):
    print("done", result, flush=True)
"""


def test_a_job_that_hangs_ends_and_says_where_each_thread_was():
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, "1"], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert "no batch of fields was done for 1 s: the GPU, or its driver, hangs" in ended.stdout
    assert "never_to_be_set" not in ended.stdout
    assert "in work" in ended.stderr
    assert "done 2" in ended.stdout
    assert "done 3" not in ended.stdout


def test_a_job_whose_every_batch_is_in_time_is_left_alone(monkeypatch):
    monkeypatch.setattr(gpu_workers, "LONGEST_BATCH", 1.0)

    def slow(item, device):
        time.sleep(0.4)
        return item

    assert run(slow, list(range(12)), ["cuda:0"]) == list(range(12))


def test_without_nvidia_smi_there_is_no_busy_share(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with BusyShare(["cuda:0"]) as busy:
        assert busy.note() == ""


@contextmanager
def refuse(device: str):
    raise RuntimeError(f"{device} computes nonsense")
    yield


@pytest.mark.parametrize("devices", [["cuda:0"], ["cuda:0", "cuda:1"]])
def test_a_device_that_fails_its_test_gets_no_field(devices, tmp_path):
    leave_a_trace = partial(meet_and_say_where, folder=tmp_path, number=0)
    with pytest.raises(RuntimeError, match="computes nonsense"):
        list(map_on_gpus(leave_a_trace, range(4), devices, 3, "test", lambda item: 1, refuse))
    assert not list(tmp_path.iterdir())


def test_a_test_of_a_device_that_hangs_ends_the_job():
    hanging = "import contextlib\n" + HANGING.replace(
        "never_to_be_set = threading.Event()",
        "never_to_be_set = threading.Event()\n"
        "@contextlib.contextmanager\ndef hanging(device):\n    yield work(3, device)",
    ).replace("lambda item: 1)", "lambda item: 1, hanging)")
    ended = subprocess.run(
        [sys.executable, "-c", hanging, "1"], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert "done 0" not in ended.stdout
    assert "the GPU, or its driver, hangs" in ended.stdout


@contextmanager
def note(device: str, folder: Path):
    (folder / f"{device} begun").touch()
    yield
    (folder / f"{device} ended").touch()


@pytest.mark.parametrize("devices", [["cuda:0"], ["cuda:0", "cuda:1"]])
def test_a_device_is_served_in_a_context_from_the_first_field_to_the_last(devices, tmp_path):
    noting = partial(note, folder=tmp_path)
    found = list(map_on_gpus(where, range(6), devices, 3, "test", lambda item: 1, noting))
    assert [item for item, _, _ in found] == list(range(6))
    expected = {f"{device} {word}" for device in devices for word in ("begun", "ended")}
    assert {path.name for path in tmp_path.iterdir()} == expected


def work_on_the_device(item: int, device: str) -> int:
    with DEVICE_CLOCK:
        time.sleep(0.02)
    return item


@pytest.mark.parametrize("devices", [["cuda:0"], ["cuda:0", "cuda:1"]])
def test_the_table_of_jobs_says_what_each_made_of_its_gpus(devices, nvidia_smi, tmp_path):
    log = tmp_path / "P" / "logs" / "segment_pack1.log"
    log.parent.mkdir(parents=True)
    with job_log(str(log), len(devices)):
        found = map_on_gpus(work_on_the_device, range(30), devices, 2, "test", lambda item: 8)
        assert list(found) == list(range(30))
    use = read_job_log(log).gpu_use
    assert use.model == ", ".join(devices)  # torch sees none here, and so no name
    assert 0 < use.at_work_percent <= 100
    assert use.sites_per_s > 8
    (row,) = gpu_timings(tmp_path / "P").to_dict("records")
    assert row["job"] == "segment_pack1" and row["sites_per_s"] == use.sites_per_s


def test_what_nothing_could_tell_is_said_to_be_unknown():
    use = GpuUse("2 x NVIDIA H200", float("nan"), 91.0, 12.3, 8.52)
    assert use.line().endswith(
        "2 x NVIDIA H200, busy unknown %, at work 91 %, 12.3 GB at most, 8.52 sites/s"
    )
    again = read_gpu_use(use.line())
    assert again.busy_percent != again.busy_percent
    assert (again.model, again.gigabytes) == (use.model, use.gigabytes)
    assert read_gpu_use("segment P: 3 fields") is None


def test_time_on_a_device_counts_once_however_many_threads_are_there():
    now = iter([1.0, 4.0, 10.0, 11.0]).__next__
    clock = DeviceClock(now)
    with clock, clock:
        pass
    with clock:
        pass
    assert clock.seconds == 3.0 + 1.0
