"""Where a job writes what it does: its log file, and for the user the terminal.

The last line of a log file says how the job ended, so that what is finished, what failed and what
was cut off can be told from the logs alone.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from levelfield.execution.checkpoints import Superseded
from levelfield.execution.gpu_use import GpuUse, read_gpu_use
from levelfield.execution.machine_faults import Stopped, machine_fault_text, stoppable

log = logging.getLogger("levelfield")

_END = "%s: %.2f s of CPU, %.2f s of it to start, on %d GPUs"
_END_LINE = re.compile(
    r"(done|failed): (?:[\d.]+ s, )?([\d.]+) s of CPU, ([\d.]+) s of it to start, on (\d+) GPUs$"
)
_REASON = re.compile(r"levelfield: (.+)$")
_TRACEBACK_END = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Kill)\b.*)$")


@dataclass(frozen=True)
class JobEnd:
    """What a log file says of its job, and of why it failed as far as it could say.

    The state is ``done``, ``failed``, or ``open``: running, or cut off before it could say more.
    Seconds are of CPU, of all its processes: to the end (Snakemake's benchmark looks every half
    minute only, and misses up to that much), and before it began to work, which it costs always.
    What it made of its GPUs is None if it used none.
    """

    state: str
    cpu_seconds: float = 0.0
    start_seconds: float = 0.0
    gpus: int = 0
    reason: str = ""
    gpu_use: GpuUse | None = None


@contextmanager
def job_log(path: str, gpus: int = 0) -> Iterator[logging.Logger]:
    """Log to a file and to the terminal; an error for people ends the job without a traceback.

    Errors for people are ``ValueError`` and faults of the machine. Their traceback is in the log
    file, before the line that starts with ``levelfield:``. Others are raised as they are. A job
    that another one has superseded ends well: what it should have written is there. `gpus` is how
    many of them the job holds.
    """
    to_file = _LogFile(path, mode="w")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [to_file, to_terminal]
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(to_file)
    start_seconds, state = _cpu_seconds(), "failed"
    try:
        with stoppable():
            yield log
        state = "done"
    except Superseded:
        log.info("the same job was started again, and has done all of the work; this one ends")
        state = "done"
    except (Exception, Stopped) as error:
        text = str(error) if isinstance(error, ValueError) else machine_fault_text(error)
        to_file.write(traceback.format_exc())
        if text is None:
            raise
        to_file.write(f"levelfield: {text}\n")
        print(f"\nlevelfield: {text}\n", file=sys.stderr, flush=True)
        sys.exit(1)
    finally:
        log.removeHandler(to_terminal)
        log.info(_END, state, _cpu_seconds(), start_seconds, gpus)
        to_file.close()


class _LogFile(logging.FileHandler):
    """A log file; where the disk is full its lines are lost, and the job's error is not."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def write(self, text: str) -> None:
        with suppress(OSError):
            if self.stream is not None:
                self.stream.write(text)
                self.stream.flush()

    def close(self) -> None:
        with suppress(OSError):
            super().close()


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and its children."""
    own = psutil.Process()
    cpu = sum(own.cpu_times()[:4])
    for child in own.children(recursive=True):
        with suppress(psutil.Error):  # it ended just now
            cpu += sum(child.cpu_times()[:4])
    return cpu


def read_job_log(path: Path) -> JobEnd | None:
    """Return what a log file says of its job; None where there is no log."""
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    ends = [match for line in lines[-3:] if (match := _END_LINE.search(line))]
    if not ends:
        return JobEnd("open", reason=_reason(lines))
    state, cpu, start, gpus = ends[-1].groups()
    reason = _reason(lines) if state == "failed" else ""
    use = next((found for line in reversed(lines) if (found := read_gpu_use(line))), None)
    return JobEnd(state, float(cpu), float(start), int(gpus), reason, use)


def _reason(lines: list[str]) -> str:
    """Return the last error for people in a log, else the last line of its last traceback."""
    for pattern in (_REASON, _TRACEBACK_END):
        for line in reversed(lines):
            if match := pattern.search(line):
                return match[1]
    return ""
