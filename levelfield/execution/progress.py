"""Work on the fields of a job, in order, with a line of progress now and then."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("levelfield")

_SECONDS_BETWEEN_LINES = 10.0


def map_fields(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    what: str,
    fields_of: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Result]:
    """Apply a function to each field; results come in the order of the fields.

    Parameters
    ----------
    function : callable
        Picklable where `workers` > 1; it must not depend on what it did before.
    items, fields_of : sequence, callable
        What describes each field; how many fields an item is.
    workers : int
        Processes; 1 works in this one.
    what : str
        What the progress line calls it, for instance ``"segment P1 pack2"``.
    """
    counts = [fields_of(item) for item in items]
    if workers == 1 or len(items) < 2:
        results: Iterator[Result] = map(function, items)
    else:
        pool: Any = Parallel(min(workers, len(items)), return_as="generator", batch_size=1)
        results = pool(delayed(function)(item) for item in items)
    yield from with_progress(results, counts, what)


def with_progress(
    results: Iterator[Result],
    counts: Sequence[int],
    what: str,
    note: Callable[[], str] = lambda: "",
) -> Iterator[Result]:
    """Pass results on, and log how far the work is.

    `counts` are the fields of each result; `note` says what else belongs into a line.
    """
    start = last = time.monotonic()
    total, done = sum(counts), 0
    for result, count in zip(results, counts, strict=True):
        done += count
        yield result
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES or done == total:
            log.info(progress_line(what, done, total, now - start) + note())
            last = now


def progress_line(what: str, done: int, total: int, seconds: float) -> str:
    """Return a line such as ``segment P1 pack2: 12/32 fields, 3.1 fields/s, 6 s left``."""
    rate = done / max(seconds, 1e-9)
    left = (total - done) / rate
    minutes, rest = divmod(round(left), 60)
    remaining = f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"
    return f"{what}: {done}/{total} fields, {rate:.1f} fields/s, {remaining}"
