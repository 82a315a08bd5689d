"""Work on a node's GPUs: one process for each, with threads that read and write meanwhile."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Generic, NoReturn, TypeVar

from joblib.externals.loky import ProcessPoolExecutor

from levelfield.execution.gpu_use import BusyShare, DeviceUse, device_use, whole_use
from levelfield.execution.progress import with_progress

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("levelfield")

LONGEST_BATCH = 1800.0
"""Seconds; if no batch of fields was done for so long, a kernel or the driver hangs."""
_LEAST_THREADS = 3  # with fewer the GPU waits while fields are read and written


def threads_each(threads: int, n_gpus: int) -> int:
    """Return how many threads serve each GPU, of those that a job has."""
    return max(_LEAST_THREADS, threads // n_gpus)


def _nothing(device: str) -> AbstractContextManager[Any]:
    """Begin without any test of the device."""
    return nullcontext()


def map_on_gpus(
    function: Callable[[Item, str], Result],
    items: Sequence[Item],
    devices: Sequence[str],
    threads: int,
    what: str,
    fields_of: Callable[[Item], int],
    serving: Callable[[str], AbstractContextManager[Any]] = _nothing,
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
        Rules of the GPUs, and how many threads work for each of them.
    what, fields_of : str, callable
        As for `levelfield.execution.progress.map_fields`.
    serving : callable
        From a device to a context that its process enters before anything else, for instance to
        test it, and leaves at the end.
    """
    if not items:
        return
    counts = [fields_of(item) for item in items]
    uses: list[DeviceUse] = []
    started = time.monotonic()
    with BusyShare(devices) as busy:
        if len(devices) == 1:
            server = _Threads(function, devices[0], threads, serving)
            results = _in_order(_of_threads(server, items, uses))
        else:
            results = _in_order(_of_processes((function, threads, serving), items, devices, uses))
        yield from with_progress(results, counts, what, busy.note)
        log.info(whole_use(uses, busy, sum(counts), time.monotonic() - started).line())


def _of_processes(
    server: tuple[Any, ...], items: Sequence[Item], devices: Sequence[str], uses: list[DeviceUse]
) -> Iterator[dict[int, Result]]:
    """Share items out among GPUs: each gets the next one as soon as it has a thread for it."""
    function, threads, serving = server
    queue = enumerate(items)
    with ExitStack() as stack:
        # A pool of one process for every GPU: none of them ever sees two.
        pools = [stack.enter_context(ProcessPoolExecutor(1)) for _ in devices]
        at_work = {
            pool.submit(_open, function, device, threads, serving): pool
            for pool, device in zip(pools, devices, strict=True)
        }
        while at_work:
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                pool = at_work.pop(future)
                finished = future.result()
                if isinstance(finished, DeviceUse):  # closed
                    uses.append(finished)
                    continue
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

    def __init__(
        self,
        function: Callable[[Item, str], Result],
        device: str,
        threads: int,
        serving: Callable[[str], AbstractContextManager[Any]],
    ) -> None:
        self._function, self._device, self._number = function, device, threads
        self._serving = serving(device)
        self._pool = ThreadPoolExecutor(threads)
        self._at_work: dict[Future[Result], int] = {}

    def open(self) -> None:
        """Get ready to serve, and wait for that no longer than for a batch."""
        ready = self._pool.submit(self._serving.__enter__)
        if not wait([ready], LONGEST_BATCH).done:
            _end_hanging(LONGEST_BATCH)
        ready.result()

    def close(self) -> DeviceUse:
        """End serving; return what was made of the device."""
        self._serving.__exit__(None, None, None)
        return device_use(self._device)

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
            for future in done:
                number = self._at_work.pop(future)
                if error := future.exception():
                    self._let_others_end(error)
                    raise error
                results[number] = future.result()
        return results

    def _let_others_end(self, error: BaseException) -> None:
        """Wait for the threads that are still at work, so that what they write is whole.

        Where one failed, another may hang.
        """
        if wait(self._at_work, LONGEST_BATCH).not_done:
            log.error("%s: %s", type(error).__name__, error)
            _end_hanging(LONGEST_BATCH)


_THREADS: list[_Threads[Any, Any]] = []
"""Those of this process, where it serves a GPU."""


def _open(*server: Any) -> dict[int, Any]:
    _THREADS[:] = [_Threads(*server)]
    _THREADS[0].open()
    return {}


def _begin(number: int, item: Any) -> dict[int, Any]:
    return _THREADS[0].begin(number, item)


def _close() -> dict[int, Any] | DeviceUse:
    """Return what is left, and at the second call what was made of the GPU."""
    return _THREADS[0].finished(0) or _THREADS[0].close()


def _of_threads(
    at_work: _Threads[Item, Result], items: Sequence[Item], uses: list[DeviceUse]
) -> Iterator[dict[int, Result]]:
    """Work on one GPU in threads of this process."""
    at_work.open()
    try:
        for number, item in enumerate(items):
            yield at_work.begin(number, item)
        yield at_work.finished(0)
    finally:
        uses.append(at_work.close())


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
