"""Processes that do a job's work on the CPU, beside one that serves a GPU.

Threads of one process take turns at running Python: while one compresses, filters or hashes,
another cannot launch what the GPU waits for. These processes do it instead, each with its own
Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import psutil
from joblib.externals.loky.process_executor import ProcessPoolExecutor

from levelfield.execution.memory import give_back_memory
from levelfield.segmentation.elsewhere import mapped_by

Result = TypeVar("Result")

FIELDS_WORTH_A_HELPER = 16
"""A process takes some seconds to start: with fewer fields for each it does not pay."""

_CONTEXT: list[Any] = []
"""What the processes know of the job."""
_AT_FIRST: list[int] = []
"""Bytes that this process held after its first call."""
_GROWTH = 150_000_000  # bytes; loky ends a process that has grown by twice as much


class Helpers:
    """Processes that call functions for this one, with what they all have in common.

    Use as a context: meanwhile they do what threads of this process give to `map_with`, and what
    segmenters leave to others (`levelfield.segmentation.elsewhere`).

    Parameters
    ----------
    number : int
        Processes; with 0 the calling thread does everything.
    common : object
        Sent to each process once, and given to each function as its last argument.
    """

    def __init__(self, number: int, common: Any) -> None:
        self.number, self._common = number, common
        self._pool: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Helpers:
        if self.number:
            self._pool = ProcessPoolExecutor(
                self.number, initializer=_remember, initargs=(self._common,)
            )
            self._stack.callback(self._pool.shutdown)
            self._stack.enter_context(mapped_by(self._apart))
            _AT_WORK.append(self)
            self._stack.callback(_AT_WORK.remove, self)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def map(
        self, function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]
    ) -> list[Result]:
        """Call a function with each of some tuples of arguments and what is common to all."""
        return self._results([self._pool.submit(_with_common, function, a) for a in arguments])

    def _apart(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Any:
        return self._results([self._pool.submit(_alone, function, each) for each in arguments])

    @staticmethod
    def _results(futures: Sequence[Any]) -> list[Any]:
        return [future.result() for future in futures]


_AT_WORK: list[Helpers] = []


def map_with(
    common: Any, function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]
) -> list[Result]:
    """Call a function with each of some tuples of arguments and, last, what is common to all.

    Helpers do so where some are at work, and take what they were given for what is common; else the
    calling thread does. Results come in order.
    """
    if _AT_WORK:
        return _AT_WORK[-1].map(function, arguments)
    return [function(*each, common) for each in arguments]


def helpers_worth(fields: int, cores: int) -> int:
    """Return how many processes are worth starting for so many fields on so many cores."""
    return min(cores, fields // FIELDS_WORTH_A_HELPER) if cores > 1 else 0


def _remember(common: Any) -> None:
    _CONTEXT[:] = [common]


def _with_common(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return _alone(function, (*arguments, _CONTEXT[0]))


def _alone(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function; give back what a large field took, or loky takes the process for leaking."""
    try:
        return function(*arguments)
    finally:
        held = psutil.Process().memory_info().rss
        if not _AT_FIRST:
            _AT_FIRST.append(held)
        elif held > _AT_FIRST[0] + _GROWTH:
            give_back_memory()
