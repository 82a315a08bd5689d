"""The test that a job makes of its GPU before any field: that it computes what it should.

A device that works is told from one that computes nonsense by the nuclei of a stored tile, which
the small network must find again, whatever the job itself is made with. Then the job's own models
see the tile, twice.
"""

from __future__ import annotations

import logging
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Picture

from levelfield.arrays import Image, Labels
from levelfield.config.settings import ObjectSetSettings
from levelfield.labels.overlap import count_overlap, number_labels
from levelfield.segmentation.device_faults import MachineFault
from levelfield.segmentation.registry import METHODS, load_model, segment_images

if TYPE_CHECKING:
    from levelfield.steps.segment.job import SegmentationJob

log = logging.getLogger("levelfield")

_TILE = Path(__file__).parent / "tile"
_WEIGHTS = Path(__file__).parents[1] / "weights" / "nuclei.safetensors"
_DIAMETER = 20.0  # px, of the tile's nuclei
_IOU = 0.7
# Of the stored nuclei; bfloat16, other kernels and newer weights move outlines, and lose none.
_LEAST_FOUND = 0.9
_BROKEN = (
    "The GPU, its driver or torch computes something else than it should, and no label of it can "
    "be trusted. No field was touched. Ask who looks after the node to test the GPU (dcgmi diag, "
    "nvidia-smi -q, dmesg); the profile can exclude the node."
)


@cache
def stored_tile() -> tuple[Image, Labels]:
    """Return the tile (1, Y, X) float32, and the nuclei (Y, X) that a CPU found on it."""
    with Picture.open(_TILE / "image.png") as image, Picture.open(_TILE / "labels.png") as labels:
        return np.asarray(image, np.float32)[None] / np.float32(255), np.asarray(labels, np.int32)


def check_device(rule: str) -> None:
    """Have a device (``cuda:1``) find the nuclei of the stored tile.

    Raises
    ------
    MachineFault
        If they are not those that are stored.
    ValueError
        If the device is not there, or too old.
    """
    started = time.monotonic()
    image, expected = stored_tile()
    model = load_model("network", _WEIGHTS, rule)
    name = _description(rule, model.device_name)
    parameters = {"diameter": _DIAMETER}
    found = segment_images([image], "network", parameters, [{"model": model}])[0].labels
    n_found, n_stored = _found_again(found, expected), int(expected.max())
    told = f"{n_found} of {n_stored} nuclei of the stored tile were found again"
    if n_found < _LEAST_FOUND * n_stored or found.max() > n_stored / _LEAST_FOUND:
        n_other = int(found.max()) - n_found
        raise MachineFault(
            f"the start-up test of {name} failed: {told}, and {n_other} that are not there. "
            f"{_BROKEN}"
        )
    log.info("start-up test of %s: %s, in %.1f s", name, told, time.monotonic() - started)


def check_job(rule: str, job: SegmentationJob) -> None:
    """Test a device as `check_device` does, and then the job's own models on it.

    Each segments the stored tile twice; the same must come out.

    Raises
    ------
    MachineFault
        If the nuclei are not those that are stored, or a model makes two things of one image.
    ValueError
        If a model cannot be loaded.
    """
    check_device(rule)
    job = job.on(rule)
    for object_set in job.sets:
        if object_set.weights:
            _check_model(object_set, job)


def _check_model(object_set: ObjectSetSettings, job: SegmentationJob) -> None:
    image, nuclei = stored_tile()
    model = job.model(object_set)
    inputs: dict[str, Any] = dict.fromkeys(METHODS[object_set.method].builds_on, nuclei)
    seen = np.repeat(image, len(object_set.channels), axis=0)
    # One after the other: what differs is no matter of batches.
    first = _labels(seen, object_set, inputs | {"model": model})
    second = _labels(seen, object_set, inputs | {"model": model})
    if n_pixels := int(np.count_nonzero(first != second)):
        raise MachineFault(
            f"the start-up test of {model.device_name} failed: the model of objects."
            f"{object_set.name} labelled {n_pixels} px of the stored tile differently the second "
            f"time. {_BROKEN}"
        )


def _labels(image: Image, object_set: ObjectSetSettings, inputs: dict[str, Any]) -> Labels:
    try:
        made = segment_images([image], object_set.method, object_set.parameters, [inputs])[0]
    except ValueError as error:  # of the parameters or the model: every site will say so
        log.warning("objects.%s cannot segment the stored tile: %s", object_set.name, error)
        return np.zeros(image.shape[1:], np.int32)
    return made.labels


def _found_again(found: Labels, expected: Labels) -> int:
    pairs = count_overlap(number_labels(found, "found"), number_labels(expected, "stored"))
    return int(np.count_nonzero(pairs.iou >= _IOU))


def _description(rule: str, name: str) -> str:
    """Return a device's name, its compute capability, and how much of its memory is free."""
    if not rule.startswith("cuda"):
        return name
    import torch

    major, minor = torch.cuda.get_device_capability(rule)
    free, whole = (amount / 2**30 for amount in torch.cuda.mem_get_info(rule))
    return f"{name}, compute capability {major}.{minor}, {free:.1f} of {whole:.1f} GiB free"
