"""Work of a segmenter on the CPU, which a job may have done in other processes.

A process that serves a GPU has one thread at a time that runs Python. What takes long on the CPU
goes through `map_elsewhere`; whoever runs the job decides where that is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
Mapper = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]

_MAPPERS: list[Mapper] = []


def map_elsewhere(
    function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]
) -> list[Result]:
    """Call a function with each of some tuples of arguments; return the results in their order.

    All must be picklable. Without `mapped_by` it is this thread that calls.
    """
    if _MAPPERS:
        return _MAPPERS[-1](function, arguments)
    return [function(*each) for each in arguments]


@contextmanager
def mapped_by(mapper: Mapper) -> Iterator[None]:
    """Have a function do the work of `map_elsewhere` meanwhile, in all threads."""
    _MAPPERS.append(mapper)
    try:
        yield
    finally:
        _MAPPERS.remove(mapper)
