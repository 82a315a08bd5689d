"""How long a device was at work for this process, as the process itself sees it.

The driver says how busy a whole GPU is, but nothing of a part of one (MIG).
"""

import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType


class DeviceClock:
    """A context for what runs on the device: counts the time in which any thread is inside."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, Lock()
        self._inside, self._since, self._seconds = 0, 0.0, 0.0

    def __enter__(self) -> "DeviceClock":
        with self._lock:
            if not self._inside:
                self._since = self._now()
            self._inside += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._seconds += self._now() - self._since

    @property
    def seconds(self) -> float:
        """Seconds so far; what still goes on is not counted."""
        return self._seconds


DEVICE_CLOCK = DeviceClock()
"""That of this process; a process works on one GPU."""
