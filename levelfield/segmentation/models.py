"""Load what a learned segmenter needs. Only this room, and only when asked, loads torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from levelfield.config.extras import needs_extra


def _network(path: Path, rule: str) -> Any:
    from levelfield.segmentation.small_network.inference import load_model

    return load_model(path, rule)


def _stardist(path: Path, rule: str) -> Any:
    from levelfield.segmentation.networks.stardist import load_stardist

    return load_stardist(path, rule)


def _mask_rcnn(path: Path, rule: str) -> Any:
    from levelfield.segmentation.networks.mask_rcnn import load_mask_rcnn

    return load_mask_rcnn(path, rule)


def _segment_anything(path: Path, rule: str) -> Any:
    from levelfield.segmentation.networks.segment_anything import load_segment_anything

    return load_segment_anything(path, rule)


def _cellpose(path: Path, rule: str) -> Any:
    from levelfield.segmentation.devices import choose_device
    from levelfield.segmentation.networks.cellpose.model import CellposeModel

    return CellposeModel(path, choose_device(rule))


def _cellpose3(path: Path, rule: str) -> Any:
    return _worker("cellpose3", path, rule)


def _instanseg(path: Path, rule: str) -> Any:
    return _worker("instanseg", path, rule)


def _worker(name: str, path: Path, rule: str) -> Any:
    # The device is chosen here: a worker must not fall back to the CPU where a GPU was granted.
    from levelfield.segmentation.devices import choose_device
    from levelfield.segmentation.workers.exchange import Worker

    device = choose_device(rule)
    worker = Worker(name, path, device.place)
    worker.device_name = device.name
    return worker


# A loader takes the file of weights and the config's rule for the device; what it returns has a
# `device_name`, and the `fields_at_once` that it wants to see.
MODEL_LOADERS: dict[str, Callable[[Path, str], Any]] = {
    "network": _network,
    "stardist": _stardist,
    "mask_rcnn": _mask_rcnn,
    "segment_anything": _segment_anything,
    "segment_anything_cells": _segment_anything,
    "cellpose": _cellpose,
    "cellpose3": _cellpose3,
    "instanseg": _instanseg,
}


# Of these several threads may use one model at the same time.
METHODS_FOR_THREADS = ("network", "cellpose")


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
        Rule of `levelfield.segmentation.devices.choose_device`.

    Raises
    ------
    ValueError
        If the file is not of that method, or the device is not there.
    """
    with needs_extra(f"method {method}"):
        return MODEL_LOADERS[method](path, device)
