"""Load what a learned segmenter needs. Only this room, and only when asked, loads torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any


def _network(path: Path, rule: str) -> Any:
    from levelfield.segmentation.inference import load_model

    return load_model(path, rule)


# A loader takes the file of weights and the config's rule for the device; what it returns has a
# `device_name`, and the `fields_at_once` that it wants to see.
MODEL_LOADERS: dict[str, Callable[[Path, str], Any]] = {"network": _network}


@lru_cache(maxsize=4)
def load_model(method: str, path: Path, device: str) -> Any:
    """Load the model of a learned method, once per process.

    Parameters
    ----------
    method
        A name in `MODEL_LOADERS`.
    path
        File of its weights.
    device
        Rule of `levelfield.devices.choose_device`.

    Raises
    ------
    ValueError
        If the file is not of that method, or the device is not there.
    """
    return MODEL_LOADERS[method](path, device)
