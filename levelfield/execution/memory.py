"""Memory that is free again goes back to the system."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache

_MMAP_THRESHOLD = -3  # as malloc.h has it


def give_back_memory() -> None:
    """Return free memory to the system, where the C library can (glibc); elsewhere do nothing.

    After a first large array, glibc keeps those that follow on its heap, where the small ones that
    outlive them leave gaps: over several fields a process grows by a fifth.
    """
    _trim()(0)


@cache
def give_back_arrays_at_once() -> None:
    """Let arrays of 1 MB and more have memory of their own, which goes back with them (glibc).

    Said once in a process. It costs no time that could be measured, and a process that segments
    then needs no more memory for the tenth field than for the first.
    """
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        set_option(_MMAP_THRESHOLD, 1 << 20)


@cache
def _trim() -> Callable[[int], int]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "malloc_trim", lambda _: 0)
