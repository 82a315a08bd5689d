"""Work on a node's GPUs: one process for each, with threads that read and write meanwhile."""

from __future__ import annotations

import faulthandler
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from typing import Any, Generic, NoReturn, TypeVar

from joblib.externals.loky import ProcessPoolExecutor

from levelfield.execution.progress import with_progress

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("levelfield")

LONGEST_BATCH = 1800.0
"""Seconds; if no batch of fields was done for so long, a kernel or the driver hangs."""
_LEAST_THREADS = 3  # with fewer the GPU waits while fields are read and written
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
    """Share items out among GPUs: each gets the next one as soon as it has a thread for it."""
    yield from _in_order(_of_processes(function, enumerate(items), devices, threads))


def _of_processes(
    function: Callable[[Item, str], Result],
    queue: Iterator[tuple[int, Item]],
    devices: Sequence[str],
    threads: int,
) -> Iterator[dict[int, Result]]:
    with ExitStack() as stack:
        # A pool of one process for every GPU: none of them ever sees two.
        pools = [stack.enter_context(ProcessPoolExecutor(1)) for _ in devices]
        at_work = {
            pool.submit(_open, function, device, threads): pool
            for pool, device in zip(pools, devices, strict=True)
        }
        while at_work:
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                pool = at_work.pop(future)
                finished = future.result()
                if finished is None:
                    continue  # closed
                following = next(queue, None)
                task = (_close,) if following is None else (_begin, *following)
                at_work[pool.submit(*task)] = pool
                yield finished


def _in_order(finished: Iterable[dict[int, Result]]) -> Iterator[Result]:
    """Pass results on in the order of their numbers, each as soon as those before it are there."""
    waiting, number = dict[int, Result](), 0
    for results in finished:
        waiting.update(results)
        while number in waiting:
            yield waiting.pop(number)
            number += 1


class _Threads(Generic[Item, Result]):
    """The threads of the process of one GPU, and what they work on."""

    def __init__(self, function: Callable[[Item, str], Result], device: str, threads: int) -> None:
        self._function, self._device, self._number = function, device, threads
        self._pool = ThreadPoolExecutor(threads)
        self._at_work: dict[Future[Result], int] = {}

    def begin(self, number: int, item: Item) -> dict[int, Result]:
        """Begin with an item; return what is finished as soon as a thread is free for the next."""
        self._at_work[self._pool.submit(self._function, item, self._device)] = number
        return self.finished(self._number - 1)

    def finished(self, at_most: int) -> dict[int, Result]:
        """Wait until at most so many items are worked on; return the results of the others."""
        results = {}
        while len(self._at_work) > at_most:
            done = wait(self._at_work, LONGEST_BATCH, FIRST_COMPLETED).done
            if not done:
                _end_hanging(LONGEST_BATCH)
            results.update({self._at_work.pop(future): future.result() for future in done})
        return results


_THREADS: list[_Threads[Any, Any]] = []
"""Those of this process, where it serves a GPU."""


def _open(function: Callable[[Any, str], Any], device: str, threads: int) -> dict[int, Any]:
    _THREADS[:] = [_Threads(function, device, threads)]
    return {}


def _begin(number: int, item: Any) -> dict[int, Any]:
    return _THREADS[0].begin(number, item)


def _close() -> dict[int, Any] | None:
    """Return what is left, and at the second call nothing."""
    return _THREADS[0].finished(0) or None


def _in_threads(
    function: Callable[[Item, str], Result],
    items: Sequence[Item],
    devices: Sequence[str],
    threads: int,
) -> Iterator[Result]:
    """Work on one GPU in threads of this process."""
    yield from _in_order(_of_threads(_Threads(function, devices[0], threads), items))


def _of_threads(
    at_work: _Threads[Item, Result], items: Sequence[Item]
) -> Iterator[dict[int, Result]]:
    for number, item in enumerate(items):
        yield at_work.begin(number, item)
    yield at_work.finished(0)


def _end_hanging(seconds: float) -> NoReturn:
    """End the process, and say where each thread was.

    A thread that waits for the GPU cannot be interrupted, so nothing gentler ends such a job.
    """
    log.error(
        "levelfield: no batch of fields was done for %.0f s: the GPU, or its driver, hangs. "
        "The fields that are finished are kept. If it happens again on this node, ask who "
        "looks after it; the profile can exclude the node.",
        seconds,
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
