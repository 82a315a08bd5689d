"""How many things are computed at once: fewer while memory runs out."""

import logging
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

import torch

from levelfield.segmentation.device_clock import DEVICE_CLOCK
from levelfield.segmentation.device_faults import MachineFault

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("levelfield")

# After so many full portions without trouble a larger one is tried; after each failure twice as
# many, since memory that another program holds may or may not become free.
_PATIENCE = 50
_FREE_SHARE = 0.6  # of the free memory is planned with; the rest is for the allocator's gaps


def fitting(device: torch.device, bytes_each: int, largest: int) -> int:
    """Return how many things to compute at once: as many as the free memory of a GPU is enough for.

    A power of two of at most `largest`, so that the same card without other users gives the same
    number each time; on other devices 1.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    number = int(_FREE_SHARE * free / max(bytes_each, 1))
    return max(1, min(largest, 1 << max(number.bit_length() - 1, 0)))


class Portion:
    """A number of things (``"tiles"``) computed at once, halved whenever memory is too small.

    Threads may share it. It grows back, to at most the number that it began with, when memory has
    been enough for long.
    """

    def __init__(self, size: int, what: str) -> None:
        self.size, self.largest, self.what = size, size, what
        self._lock = Lock()
        self._successes, self._patience = 0, _PATIENCE

    def run(
        self, function: Callable[[Sequence[Item], int], Sequence[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """Return the results for all items, computed so many at a time, in their order.

        `function` is given some items, and how many there are at most.

        Raises
        ------
        MachineFault
            If memory is too small even for one.
        """
        results: list[Result] = []
        while len(results) < len(items):
            size = self.size
            try:
                with DEVICE_CLOCK:
                    part = function(items[len(results) : len(results) + size], size)
            except torch.OutOfMemoryError:
                part = ()
            # Not halved above: until a handler has ended, its error keeps what was allocated.
            if len(part) == 0:
                self._halve(size)
            results.extend(part)
            self._grow(size, len(part))
        return results

    def _halve(self, failed: int) -> None:
        with self._lock:
            if failed == 1:
                raise MachineFault(
                    f"the device's memory is not enough for even one of the {self.what}. Does "
                    "another program use the GPU (nvidia-smi)? Or set 'device: cpu' in the config."
                )
            if self.size == failed:  # else another thread was faster
                self.size = failed // 2
                self._successes, self._patience = 0, 2 * self._patience
                log.warning("memory ran out: %d %s at once from now on", self.size, self.what)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _grow(self, size: int, done: int) -> None:
        with self._lock:
            if size != self.size or done < size or size == self.largest:
                return
            self._successes += 1
            if self._successes >= self._patience:
                self.size, self._successes = min(2 * size, self.largest), 0
                log.info("memory was enough: %d %s at once from now on", self.size, self.what)
