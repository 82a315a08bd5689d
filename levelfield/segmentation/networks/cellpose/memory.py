"""How many things are computed at once: fewer as soon as memory runs out."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("levelfield")


class Portion:
    """A number of things that are computed at once, halved whenever memory does not suffice.

    Parameters
    ----------
    size
        The number to begin with.
    what
        The things, for the log: ``"tiles"``.
    """

    def __init__(self, size: int, what: str) -> None:
        self.size = size
        self.what = what

    def run(
        self, function: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """Return the results for all items, computed so many at a time, in their order.

        Raises
        ------
        ValueError
            If memory does not suffice even for one.
        """
        results: list[Result] = []
        while len(results) < len(items):
            portion = items[len(results) : len(results) + self.size]
            part = self._try(function, portion)
            if part is None:
                self._halve()
            else:
                results.extend(part)
        return results

    @staticmethod
    def _try(
        function: Callable[[Sequence[Item]], Sequence[Result]], portion: Sequence[Item]
    ) -> Sequence[Result] | None:
        try:
            return function(portion)
        except torch.OutOfMemoryError:
            # Not halved in here: until this handler has ended, the error keeps what was allocated.
            return None

    def _halve(self) -> None:
        if self.size == 1:
            raise ValueError(
                f"the device's memory does not suffice for even one of the {self.what}. Does "
                "another program use the GPU (nvidia-smi)? Or set 'device: cpu' in the config."
            )
        self.size //= 2
        log.warning("memory ran out: %d %s at once from now on", self.size, self.what)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
