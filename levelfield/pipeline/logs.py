"""Where a job writes what it does: its log file, and for the user the terminal."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("levelfield")


@contextmanager
def job_log(path: str) -> Iterator[logging.Logger]:
    """Log to a file and to the terminal; an error for people ends the job without a traceback.

    The traceback is in the log file. Errors that are not for people are raised as they are.
    """
    to_file = logging.FileHandler(path, mode="w")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [to_file, to_terminal]
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(to_file)
    try:
        yield log
    except ValueError as error:
        to_file.stream.write(traceback.format_exc())
        log.error("\nlevelfield: %s\n", error)
        sys.exit(1)
    except Exception:
        to_file.stream.write(traceback.format_exc())
        raise
    finally:
        to_file.close()
