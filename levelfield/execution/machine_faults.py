"""Faults of the machine, as opposed to those of images: in words, with what to do."""

import errno
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from joblib.externals.loky.process_executor import TerminatedWorkerError

from levelfield.images.planes import StalledRead
from levelfield.remote.files import RemoteFault
from levelfield.segmentation.device_faults import MachineFault, is_gpu_failure, is_gpu_memory_error

_KEPT = "The fields that are finished are kept; start the run again and it goes on from there."
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class Stopped(BaseException):
    """The job was told to stop, by SIGTERM or Ctrl-C; nothing but the job's log may catch it."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM and Ctrl-C into `Stopped`, and so into an orderly end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in the main thread only
        return
    before = {
        number: signal.signal(number, _stop)
        for number in (signal.SIGTERM, signal.SIGINT)
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(signal.Signals(number).name)


def is_machine_fault(error: BaseException) -> bool:
    """Say whether an error tells of the machine: the same field may well succeed elsewhere.

    Such an error must end the job, so that it is tried again. Were the field left out as a bad
    one, a full disk would cost a plate its sites.
    """
    machine = MemoryError | OSError | StalledRead | RemoteFault | MachineFault
    machine |= TerminatedWorkerError
    return isinstance(error, machine) or is_gpu_memory_error(error) or is_gpu_failure(error)


def machine_fault_text(error: BaseException) -> str | None:
    """Return what happened, what follows and what helps; None if it is no machine fault."""
    if isinstance(error, RemoteFault):
        return str(error)
    if isinstance(error, StalledRead | MachineFault):
        return f"{error} {_KEPT}"
    if isinstance(error, Stopped):
        return (
            f"the job was told to stop: {error}. A time limit, a cancelled or requeued job, a "
            f"lost node and Ctrl-C do this. {_KEPT} If it was the time limit, raise 'runtime' in "
            "the profile."
        )
    if isinstance(error, TerminatedWorkerError):
        return (
            "a process of the job was killed, or crashed. The system kills where memory runs "
            f"out; a library can crash. {_KEPT} If it happens again, give the rule more 'mem_mb' "
            "or fewer threads in the profile."
        )
    if is_gpu_memory_error(error):
        return (
            f"the memory of the GPU ran out ({_first_line(error)}). {_KEPT} If it happens again, "
            "see with nvidia-smi who shares the GPU, or let fewer jobs use it (gpu in the profile)."
        )
    if is_gpu_failure(error):
        return (
            f"the GPU, or its driver, failed ({_first_line(error)}). {_KEPT} If it happens again "
            "on this node, ask who looks after it to read the kernel's log (dmesg, Xid) and "
            "nvidia-smi -q; the profile can exclude the node."
        )
    if isinstance(error, MemoryError):
        return (
            f"memory ran out ({_first_line(error)}). {_KEPT} Give the rule more 'mem_mb' or fewer "
            "threads in the profile."
        )
    return _disk_text(error) if isinstance(error, OSError) else None


def _disk_text(error: OSError) -> str | None:
    where = f"'{error.filename}'" if error.filename else "a file of the results"
    if error.errno in _FULL:
        return (
            f"no space is left on the disk, or in the quota, for {where} ({error.strerror}). "
            f"Make room. {_KEPT}"
        )
    if error.errno in _FORBIDDEN:
        return (
            f"{where} cannot be written or read ({error.strerror}). Look at the permissions, and "
            f"at whether the disk is mounted for writing. {_KEPT}"
        )
    if error.errno and not isinstance(error, FileNotFoundError):
        return f"the file system failed at {where} ({error.strerror}). {_KEPT}"
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
