"""Memory that is free again goes back to the system."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def give_back_memory() -> None:
    """Return free memory to the system, where the C library can (glibc); elsewhere do nothing.

    After a first large array, glibc keeps those that follow on its heap, where the small ones that
    outlive them leave gaps: over several fields a process grows by a fifth.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], int]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "malloc_trim", lambda _: 0)
