"""Fields shared out among GPUs: in order, each GPU with a process of its own."""

import os
import threading
import time

import pytest

from levelfield.execution.gpu_workers import BusyShare, map_on_gpus


def where(item: int, device: str) -> tuple[int, str, int]:
    return item, device, os.getpid()


def run(function, items, devices, threads=2):
    return list(map_on_gpus(function, items, devices, threads, "test", lambda item: 1))


def test_several_gpus_have_a_process_each_and_results_keep_their_order():
    results = run(where, list(range(40)), ["cuda:0", "cuda:1"])
    assert [item for item, _, _ in results] == list(range(40))
    processes = {
        device: {pid for _, one, pid in results if one == device} for device in ("cuda:0", "cuda:1")
    }
    assert all(len(pids) == 1 for pids in processes.values())
    assert processes["cuda:0"] != processes["cuda:1"]
    assert os.getpid() not in processes["cuda:0"] | processes["cuda:1"]


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
        '#!/bin/sh\necho "$@" > "$0.arguments"\necho 80\necho 90\necho "[N/A]"\nexec sleep 30\n'
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
    arguments = nvidia_smi.with_name("nvidia-smi.arguments").read_text()
    assert "--id=0,2" in arguments


def test_without_nvidia_smi_there_is_no_busy_share(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with BusyShare(["cuda:0"]) as busy:
        assert busy.note() == ""
