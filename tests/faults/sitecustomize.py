"""Strikes the workflow's jobs with a machine fault, and notes what they compute and where they run.

Python imports this file by itself where its folder is on PYTHONPATH, so that the product needs no
code for its tests. LEVELFIELD_FAULT holds JSON: the folder for notes, and for a fault its kind, the
step (segment, measure or qc_evidence) and the well at which it strikes, once.
"""

import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
from functools import wraps
from pathlib import Path

FAULT = json.loads(os.environ.get("LEVELFIELD_FAULT", "{}"))
FOLDER = Path(FAULT.get("folder", "/nonexistent"))


def note(name: str, **facts: object) -> None:
    """Append a line to a file of notes; short appends of several processes do not mix."""
    with (FOLDER / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(facts) + "\n")


def first_time() -> bool:
    """Say whether this is the first call in any process of the run."""
    try:
        (FOLDER / "struck").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def strike(step: str, well: str) -> None:
    """Do what the test asked for, at the field that it named."""
    if FAULT.get("step") != step or FAULT.get("well") != well:
        return
    kind = FAULT["kind"]
    if kind == "memory":  # needs so much every time: more memory helps, another attempt does not
        hold_memory(FAULT["megabytes"])
    elif kind in FAULTS and first_time():
        FAULTS[kind]()


def hold_memory(megabytes: int) -> None:
    """Hold memory for as long as Slurm needs to look (it looks every second)."""
    (FOLDER / "struck").touch()
    block = bytearray(megabytes << 20)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(6)
    del block


def wait() -> None:
    """Stay at the field until the test creates the file ``go``."""
    while not (FOLDER / "go").exists():
        time.sleep(0.2)


def segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def be_killed() -> None:
    """End as the kernel's out-of-memory killer ends a process."""
    os.kill(os.getpid(), 9)


def lose_gpu_memory() -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def read_what_never_answers() -> None:
    """Read an image whose storage never answers."""
    from threading import Event

    from levelfield.images import planes

    file = FOLDER / "hanging.tif"
    file.touch()
    planes._LONGEST_READ = 3.0
    planes.tifffile.imread = lambda *_, **__: Event().wait()
    planes.read_plane(file)


FAULTS = {
    "wait": wait,
    "segfault": segfault,
    "killed": be_killed,
    "gpu_memory": lose_gpu_memory,
    "hang": read_what_never_answers,
}


def watch_segmentation(module: object) -> None:
    look_at, make = module._look_at, module.make_labels

    @wraps(look_at)
    def watched_look(site: object, job: object) -> object:
        if FAULT.get("kind") == "hang":
            strike("segment", site.well)
        return look_at(site, job)

    @wraps(make)
    def watched_make(waiting: list, job: object) -> list:
        for one in waiting:
            note("computed", step="segment", well=one.site.well)
            strike("segment", one.site.well)
        return make(waiting, job)

    module._look_at, module.make_labels = watched_look, watched_make


def watch_fields(job_kind: type, step: str) -> None:
    compute = job_kind.compute

    @wraps(compute)
    def watched(job: object, field: tuple) -> dict:
        note("computed", step=step, well=field[1])
        strike(step, field[1])
        return compute(job, field)

    job_kind.compute = watched


def ask_often(module: object) -> None:
    """Have Snakemake ask Slurm every 2 s, and not 10 s later each time that nothing has ended."""
    executor = module.RemoteExecutor
    executor.next_seconds_between_status_checks = property(lambda _: 2, lambda _, seconds: None)


WATCHED = {
    "levelfield.steps.segment.pack": watch_segmentation,
    "levelfield.steps.measure": lambda m: watch_fields(m.MeasurementJob, "measure"),
    "levelfield.steps.qc_evidence": lambda m: watch_fields(m.EvidenceJob, "qc_evidence"),
    "snakemake_interface_executor_plugins.executors.remote": ask_often,
}


class Watcher(importlib.abc.MetaPathFinder):
    """Changes the watched modules when they are imported."""

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name not in WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module: object) -> None:
            execute(module)
            WATCHED[name](module)

        spec.loader.exec_module = exec_module
        return spec


def script_of_a_rule() -> str | None:
    """The rule that this process works for; snakemake copies its script into .snakemake."""
    scripts = [word for word in sys.orig_argv if "/.snakemake/scripts/" in word]
    return Path(scripts[0]).stem.partition(".")[2] if scripts else None


if FAULT:
    sys.meta_path.insert(0, Watcher())
    for name in WATCHED.keys() & sys.modules.keys():  # in a fork of tests/warm_python.py
        WATCHED[name](sys.modules[name])
    if script_of_a_rule():
        note(
            "jobs",
            rule=script_of_a_rule(),
            job=os.environ.get("SLURM_JOB_ID", ""),
            node=os.environ.get("SLURMD_NODENAME", ""),
            gpus=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        )
