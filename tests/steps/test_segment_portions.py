"""How many fields a GPU gets at once, and that the process that shares them out opens no GPU."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from levelfield.config.settings import ObjectSetSettings
from levelfield.segmentation import devices, registry
from levelfield.segmentation.devices import Device
from levelfield.segmentation.registry import METHODS
from levelfield.steps.segment import job as jobs
from levelfield.steps.segment import pack
from levelfield.steps.segment.job import JobInputs, SegmentationJob
from levelfield.steps.segment.rows import KEPT

GPUS = [Device(f"cuda:{number}", f"cuda:{number} (fake)") for number in range(2)]


def job_of(method: str) -> SegmentationJob:
    sets = (ObjectSetSettings("Nuclei", method, ("DNA",), {}, weights="some"),)
    inputs = JobInputs(weights={"some": Path("weights")}, device="auto")
    return SegmentationJob("P", Path("P.zarr"), None, sets, 25.0, None, inputs, {})


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(devices, "choose_devices", lambda rule: GPUS)


@pytest.mark.parametrize(
    ("method", "pixels", "expected"),
    [
        ("cellpose", 3 * 1080**2, 32),
        ("cellpose", 4 * 2160**2, 6),  # large fields: fewer, or host memory would run out
        ("cellpose", 10**9, 1),
        ("network", 1080**2, 8),
        ("stardist", 1080**2, 8),
        ("mask_rcnn", 1080**2, 8),
        ("segment_anything", 1080**2, 4),
        ("instanseg", 1080**2, 8),
    ],
)
def test_a_gpu_gets_as_many_fields_as_keep_it_busy_and_fit_into_memory(
    two_gpus, method, pixels, expected
):
    assert job_of(method).fields_at_once(pixels) == expected


def test_on_a_cpu_fields_come_one_by_one(monkeypatch):
    monkeypatch.setattr(devices, "choose_devices", lambda rule: [Device("cpu", "cpu")])
    assert job_of("cellpose").fields_at_once(1080**2) == 1


@pytest.mark.parametrize(
    "method", ["cellpose", "network", "stardist", "mask_rcnn", "segment_anything", "instanseg"]
)
def test_the_process_that_shares_fields_out_loads_no_model(method, two_gpus, monkeypatch):
    """A GPU in exclusive mode serves one process alone, which must be the one that computes."""
    monkeypatch.setattr(jobs, "load_model", lambda *_: pytest.fail("the parent loaded a model"))
    given = []

    def share_out(function, items, gpus, threads, what, fields_of, serving):
        given.extend(items)
        assert gpus == ["cuda:0", "cuda:1"] and threads == 3
        return [[{KEPT: 0, "fault": ""} for _ in item] for item in items]

    monkeypatch.setattr(pack, "map_on_gpus", share_out)
    rows = 70
    index = pd.DataFrame(
        {"well": "A01", "site": np.arange(rows), "channel": "DNA", "fault": ""}
        | {"size_y": 1080, "size_x": 1080}
    )
    table = pack.segment_pack(index, ["A01"], job_of(method), 4, "test")
    together = METHODS[method].fields_at_once["cuda"]
    assert {len(item) for item in given[:-1]} == {together} and len(table) == rows


def test_every_method_with_weights_shares_gpus_among_threads_and_fills_batches():
    learned = [method for method in METHODS.values() if method.load]
    assert len(learned) >= 7
    for method in learned:
        assert method.for_threads and method.fields_at_once["cuda"] > 1, method.name


def test_models_that_are_not_for_threads_get_one_on_each_gpu(two_gpus, monkeypatch):
    """A method of another package may say that threads must not share its model."""
    given = []

    def share_out(function, items, gpus, threads, what, fields_of, serving):
        given.append((tuple(gpus), threads))
        return [[{KEPT: 0, "fault": ""} for _ in item] for item in items]

    monkeypatch.setattr(pack, "map_on_gpus", share_out)
    monkeypatch.setattr(SegmentationJob, "models_are_for_threads", False)
    planes = {"well": "A01", "channel": "DNA", "fault": "", "size_y": 1080, "size_x": 1080}
    index = pd.DataFrame({"site": np.arange(4)} | planes)
    pack.segment_pack(index, ["A01"], job_of("stardist"), 4, "test")
    assert given == [(("cuda:0", "cuda:1"), 1)]


def test_threads_that_want_a_model_at_once_load_it_once(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace
    from threading import Event

    loaded, seen = [], Event()

    def load(path, device):
        loaded.append(device)
        seen.wait(0.3)  # long enough for the others to come
        return object()

    slow = replace(registry.METHODS["network"], load=load)
    monkeypatch.setattr(registry, "find_method", lambda name: slow)
    registry.forget_models()
    with ThreadPoolExecutor(4) as threads:
        models = list(
            threads.map(lambda _: registry.load_model("network", Path("x"), "cuda:0"), range(4))
        )
    registry.forget_models()
    assert loaded == ["cuda:0"] and len(set(map(id, models))) == 1
