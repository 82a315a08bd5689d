"""Work on a node's GPUs: one process for each, with threads that read and write meanwhile."""

from __future__ import annotations

import faulthandler
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import ProcessPoolExecutor

from levelfield.execution.progress import with_progress

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("levelfield")

LONGEST_BATCH = 1800.0
"""Seconds; if no batch of fields was done for so long, a kernel or the driver hangs."""
_LEAST_THREADS = 3  # with fewer the GPU waits while fields are read and written
_ITEMS_PER_THREAD = 2  # that a process of a GPU gets at a time
_LONGEST_GOODBYE = 5.0  # s, for nvidia-smi to end


def map_on_gpus(
    function: Callable[[Item, str], Result],
    items: Sequence[Item],
    devices: Sequence[str],
    threads: int,
    what: str,
    fields_of: Callable[[Item], int],
) -> Iterator[Result]:
    """Apply a function to each item on one of some GPUs; results come in the order of the items.

    Parameters
    ----------
    function : callable
        Takes an item and the rule of a device (``cuda:1``). Several threads call it at once: one
        reads and one writes while a third keeps the GPU busy. With several GPUs, picklable.
    items : sequence
        What describes the fields that are worked on together.
    devices, threads : sequence of str, int
        Rules of the GPUs, and threads of the whole job.
    what, fields_of : str, callable
        As for `levelfield.execution.progress.map_fields`.
    """
    counts = [fields_of(item) for item in items]
    each = max(_LEAST_THREADS, threads // len(devices))
    work = _in_threads if len(devices) == 1 else _in_processes
    with BusyShare(devices) as busy:
        yield from with_progress(work(function, items, devices, each), counts, what, busy.note)


def _in_processes(
    function: Callable[[Item, str], Result],
    items: Sequence[Item],
    devices: Sequence[str],
    threads: int,
) -> Iterator[Result]:
    step = threads * _ITEMS_PER_THREAD
    with ExitStack() as stack:
        # A pool of one process for every GPU: none of them ever sees two.
        pools = [stack.enter_context(ProcessPoolExecutor(1)) for _ in devices]
        waiting: deque[Future[list[Result]]] = deque()
        for number, first in enumerate(range(0, len(items), step)):
            place = number % len(devices)
            part = function, items[first : first + step], [devices[place]], threads
            waiting.append(pools[place].submit(_part, *part))
            if len(waiting) > 2 * len(devices):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _part(*arguments: Any) -> list[Any]:
    return list(_in_threads(*arguments))


def _in_threads(
    function: Callable[[Item, str], Result],
    items: Sequence[Item],
    devices: Sequence[str],
    threads: int,
) -> Iterator[Result]:
    pool = Parallel(threads, backend="threading", return_as="generator", pre_dispatch=threads)
    with _Watchdog(LONGEST_BATCH) as watchdog:

        def work(item: Item) -> Result:
            result = function(item, devices[0])
            watchdog.pat()
            return result

        yield from pool(delayed(work)(item) for item in items)


class _Watchdog:
    """Ends the process if it is not patted for some seconds, and says where each thread was.

    A thread that waits for the GPU cannot be interrupted, so nothing gentler ends such a job.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._patted, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def pat(self) -> None:
        self._patted.set()

    def __enter__(self) -> _Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._patted.set()

    def _watch(self) -> None:
        while self._patted.wait(self._seconds):
            if self._over.is_set():
                return
            self._patted.clear()
        log.error(
            "levelfield: no batch of fields was done for %.0f s: the GPU, or its driver, hangs. "
            "The fields that are finished are kept. If it happens again on this node, ask who "
            "looks after it; the profile can exclude the node.",
            self._seconds,
        )
        faulthandler.dump_traceback(sys.__stderr__ or 2)
        os._exit(1)


class BusyShare:
    """Measures how busy the GPUs are while a job runs, as the driver sees it.

    Use as a context. Where there is no ``nvidia-smi`` there is no share.
    """

    def __init__(self, devices: Sequence[str], seconds: int = 1) -> None:
        names = ",".join(_driver_name(device) for device in devices)
        self._command = [
            *("nvidia-smi", f"--id={names}", "--query-gpu=utilization.gpu"),
            *("--format=csv,noheader,nounits", f"--loop={seconds}"),
        ]
        self._sum, self._count = 0.0, 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def percent(self) -> float | None:
        """Mean over the time and the GPUs so far."""
        return self._sum / self._count if self._count else None

    def note(self) -> str:
        """Return the share as the end of a progress line."""
        return "" if self.percent is None else f", GPU busy {self.percent:.0f} %"

    def __enter__(self) -> BusyShare:
        with suppress(OSError):
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        return self

    def _read(self) -> None:
        for line in self._process.stdout or () if self._process else ():
            if line.strip().isdigit():
                self._sum, self._count = self._sum + int(line), self._count + 1

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # a driver that hangs must not keep the job
                self._process.wait(_LONGEST_GOODBYE)
            self._reader.join(_LONGEST_GOODBYE)


def _driver_name(device: str) -> str:
    """Return what the driver calls a GPU of torch's: its UUID, whichever GPUs the job may see."""
    number = device.removeprefix("cuda:")
    torch: Any = sys.modules.get("torch")
    try:
        return f"GPU-{torch.cuda.get_device_properties(int(number)).uuid}"
    except (AttributeError, RuntimeError, AssertionError, ValueError):  # none to be seen
        return number
