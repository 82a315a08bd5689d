"""Work that goes on beside the network: in threads, and on a GPU in streams of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from threading import local
from typing import TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], depth: int
) -> Iterator[Result]:
    """Apply a function to items in a thread, at most `depth` items before they are asked for.

    Results come in order; with a depth of 0 there is no thread. No more than ``depth + 1`` items
    and results are in memory.
    """
    if not depth:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(thread.submit(function, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class Stream:
    """A CUDA stream for one thread's work; on other devices nothing.

    Kernels in different streams run side by side. What one stream made, another may only use
    through `share` and after `finish`.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __enter__(self) -> Stream:
        self._context = torch.cuda.stream(self._stream) if self._stream else nullcontext()
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)

    def finish(self) -> None:
        """Wait until everything that was asked for in this stream is there."""
        if self._stream:
            self._stream.synchronize()


_STREAMS = local()


def stream_of(device: torch.device, work: str) -> Stream:
    """Return this thread's stream for a kind of work on a device, always the same.

    Memory that is free again is kept for the stream that it was allocated in: with new streams for
    every call, each would hold what the ones before have let go.
    """
    key = f"{work} on {device}"
    if not hasattr(_STREAMS, key):
        setattr(_STREAMS, key, Stream(device))
    return getattr(_STREAMS, key)


def share(tensor: Tensor) -> Tensor:
    """Say that the current stream uses a tensor made in another, so that its memory is kept."""
    if tensor.device.type == "cuda":
        tensor.record_stream(torch.cuda.current_stream(tensor.device))
    return tensor


class Mark:
    """A point in the current stream's work that another thread can wait for."""

    def __init__(self, device: torch.device) -> None:
        self.event = torch.cuda.Event() if device.type == "cuda" else None
        if self.event:
            self.event.record(torch.cuda.current_stream(device))

    def wait(self) -> None:
        """Wait until the work before the mark is done."""
        if self.event:
            self.event.synchronize()
