"""Call a function in a process of its own, for the sake of memory."""

import os
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def call_in_subprocess(module: str, function: str, *arguments: Any) -> Any:
    """Return what a function returns, or raise what it raises, without importing it here.

    The process that plans a run lives as long as the run. What a check at its start imports (for
    readouts all the features, 130 MB) is gone with the process that this starts. Arguments, result
    and error must be picklable.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as process:
        return process.submit(_call, module, function, arguments).result()


def _call(module: str, function: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(import_module(module), function)(*arguments)


def search_first(folder: Path) -> None:
    """Have the Python processes that this one starts look for packages in a folder first."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [path for path in given if path and path != str(folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *kept])
