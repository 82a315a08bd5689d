"""What a job made of its GPUs: which they were, how busy, how much memory, how many sites a second.

One line of the job's log says it; `levelfield.execution.timings` reads it for the table of jobs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import nan
from typing import Any

from levelfield.segmentation.device_clock import DEVICE_CLOCK

_LONGEST_GOODBYE = 5.0  # s, for nvidia-smi to end
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class GpuUse:
    """What a job made of its GPUs; NaN where nothing could tell.

    Attributes
    ----------
    model : str
        As the driver calls it, with their number where there are several: ``2 x NVIDIA H200``.
    busy_percent : float
        Share of the time in which kernels ran, as the driver sees the GPUs.
    at_work_percent : float
        Share of the time in which the job itself waited for its GPUs; on a part of a GPU (MIG), of
        which the driver says nothing, the only one.
    gigabytes : float
        The most memory that was in use on one of them.
    sites_per_s : float
        Sites that were finished per second.
    """

    model: str
    busy_percent: float
    at_work_percent: float
    gigabytes: float
    sites_per_s: float

    def line(self) -> str:
        """Return the line of the log."""
        busy = f"busy {_told(self.busy_percent, 0)} %, at work {_told(self.at_work_percent, 0)} %"
        memory = f"{_told(self.gigabytes, 1)} GB at most"
        return f"GPU use: {self.model}, {busy}, {memory}, {_told(self.sites_per_s, 2)} sites/s"


_LINE = re.compile(
    r"GPU use: (.+), busy (\S+) %, at work (\S+) %, (\S+) GB at most, (\S+) sites/s$"
)


def _told(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value == value else _UNKNOWN


def read_gpu_use(line: str) -> GpuUse | None:
    """Return what a line of a log says of the GPUs; None if it is another one."""
    if not (found := _LINE.search(line)):
        return None
    numbers = (nan if text == _UNKNOWN else float(text) for text in found.groups()[1:])
    return GpuUse(found[1], *numbers)


@dataclass(frozen=True)
class DeviceUse:
    """What the process of a GPU knows of it: its name, its peak of memory, its seconds at work."""

    name: str
    bytes: int
    seconds: float


def device_use(device: str) -> DeviceUse:
    """Return what this process knows of its GPU (``cuda:1``)."""
    torch: Any = sys.modules.get("torch")
    name, reserved = device, 0
    with suppress(AttributeError, RuntimeError, AssertionError, ValueError):  # none to be seen
        name = torch.cuda.get_device_name(device)
        reserved = torch.cuda.max_memory_reserved(device)
    return DeviceUse(name, reserved, DEVICE_CLOCK.seconds)


def whole_use(parts: Sequence[DeviceUse], share: BusyShare, sites: int, seconds: float) -> GpuUse:
    """Return the use of all GPUs of a job that took so many seconds for its sites."""
    names = sorted({part.name for part in parts})
    model = ", ".join(
        f"{n} x {name}" if (n := sum(part.name == name for part in parts)) > 1 else name
        for name in names
    )
    at_work = 100 * sum(part.seconds for part in parts) / (len(parts) * max(seconds, 1e-9))
    most = max([*(part.bytes for part in parts), share.bytes])
    busy = nan if share.percent is None else share.percent
    gigabytes = most / 1e9 if most else nan
    return GpuUse(model, busy, min(at_work, 100.0), gigabytes, sites / max(seconds, 1e-9))


class BusyShare:
    """Measures how busy the GPUs are while a job runs, and their memory, as the driver sees it.

    Use as a context. Where there is no ``nvidia-smi`` there is no share.
    """

    def __init__(self, devices: Sequence[str], seconds: int = 1) -> None:
        names = ",".join(_driver_name(device) for device in devices)
        self._command = [
            *("nvidia-smi", f"--id={names}", "--query-gpu=utilization.gpu,memory.used"),
            *("--format=csv,noheader,nounits", f"--loop={seconds}"),
        ]
        self._sum, self._count, self._megabytes = 0.0, 0, 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def bytes(self) -> int:
        """The most memory that was in use on one of the GPUs so far; 0 where nobody says."""
        return self._megabytes * 2**20

    @property
    def percent(self) -> float | None:
        """Mean over the time and the GPUs so far."""
        return self._sum / self._count if self._count else None

    def note(self) -> str:
        """Return the share as the end of a progress line."""
        return "" if self.percent is None else f", GPU busy {self.percent:.0f} %"

    def __enter__(self) -> BusyShare:
        with suppress(OSError):
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        return self

    def _read(self) -> None:
        for line in self._process.stdout or () if self._process else ():
            busy, _, memory = (part.strip() for part in line.partition(","))
            if busy.isdigit():  # of a GPU that is divided it is "[N/A]"
                self._sum, self._count = self._sum + int(busy), self._count + 1
            if memory.isdigit():
                self._megabytes = max(self._megabytes, int(memory))

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # a driver that hangs must not keep the job
                self._process.wait(_LONGEST_GOODBYE)
            self._reader.join(_LONGEST_GOODBYE)


def _driver_name(device: str) -> str:
    """Return what the driver calls a GPU of torch's: its UUID, whichever GPUs the job may see."""
    number = device.removeprefix("cuda:")
    torch: Any = sys.modules.get("torch")
    try:
        return f"GPU-{torch.cuda.get_device_properties(int(number)).uuid}"
    except (AttributeError, RuntimeError, AssertionError, ValueError):  # none to be seen
        return number
