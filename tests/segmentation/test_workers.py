"""Segmenters in other environments: what goes through, and what a person reads if it does not."""

import io
import json
import shutil
import sys

import numpy as np
import pytest

from levelfield.segmentation import segment_objects
from levelfield.segmentation.device_faults import MachineFault
from levelfield.segmentation.registry import segment_images
from levelfield.segmentation.workers import exchange

SCRIPT = """
import os
import numpy as np
from serve import serve

def load(path, rule):
    if path.name == "broken":
        raise ValueError("the file holds no weights")
    print("loading")
    return float(path.read_text())

def segment(level, images, parameters):
    print("a package that talks", flush=True)
    if parameters["target"] == "cells":
        raise ValueError("this model makes no cells")
    if parameters["peak_distance"] == 99:
        os.abort()
    if parameters["peak_distance"] == 98:
        return [image[0, 1:] > level for image in images]
    return [image[0] > level for image in images]

serve(load, segment)
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """An environment `instanseg` that is this one, and a script that thresholds."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    shutil.copy(exchange.SCRIPTS / "serve.py", folder)
    (folder / "run_instanseg.py").write_text(SCRIPT)
    python = tmp_path / "environments" / "instanseg" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(exchange, "SCRIPTS", folder)
    monkeypatch.setenv(exchange.ENVIRONMENTS, str(tmp_path / "environments"))
    (tmp_path / "model").write_text("0.5")
    (tmp_path / "broken").write_text("")
    return tmp_path


@pytest.fixture
def worker(scripts):
    worker = exchange.Worker("instanseg", scripts / "model", "cpu")
    yield worker
    worker.close()


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.random((1, 20 + number, 30)).astype(np.float32) for number in range(3)]


def test_labels_of_many_images_come_back_in_order(worker, images):
    results = segment_images(
        images, "instanseg", {"minimum_diameter": 0}, [{"model": worker}] * len(images)
    )
    for image, result in zip(images, results, strict=True):
        assert result.labels.dtype == np.int32
        assert (result.labels[image[0] <= 0.5] == 0).all()
        assert result.labels.max() == 1
    assert worker.device_name == "cpu"


def test_one_image_and_many_requests_work_too(worker, images):
    for image in images:
        assert segment_objects(image, "instanseg", {}, {"model": worker}).labels.any()


def test_an_error_in_the_worker_reaches_the_user_and_the_worker_lives_on(worker, images):
    with pytest.raises(ValueError, match="method instanseg: this model makes no cells"):
        segment_objects(images[0], "instanseg", {"target": "cells"}, {"model": worker})
    assert segment_objects(images[0], "instanseg", {}, {"model": worker}).labels.any()


def test_a_dead_worker_tells_its_status_and_last_words_and_is_replaced(worker, images):
    with pytest.raises(RuntimeError, match=r"ended with status -6(.|\n)*a package that talks"):
        segment_objects(images[0], "instanseg", {"peak_distance": 99}, {"model": worker})
    assert segment_objects(images[0], "instanseg", {}, {"model": worker}).labels.any()


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "OutOfMemoryError", "message": "CUDA out of memory."},
        {"kind": "AcceleratorError", "message": "CUDA error: an illegal memory access"},
        {"kind": "RuntimeError", "message": "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"},
    ],
)
def test_a_gpu_that_fails_in_the_worker_is_a_machine_fault(worker, tmp_path, monkeypatch, facts):
    (tmp_path / "error.json").write_text(json.dumps(facts))
    says = f"worker of method instanseg failed: .*{facts['kind']}"
    with monkeypatch.context() as patch, pytest.raises(MachineFault, match=says):
        patch.setattr(worker._process, "stdout", io.StringIO("failed\n"))
        worker._read_answer(tmp_path)


def test_a_worker_that_was_killed_is_a_machine_fault(worker):
    worker._process.kill()
    with pytest.raises(MachineFault, match="ended with status -9"):
        raise worker._death()


def test_labels_of_another_size_are_refused(worker, images):
    with pytest.raises(RuntimeError, match=r"returned labels of \(19, 30\) px"):
        segment_objects(images[0], "instanseg", {"peak_distance": 98}, {"model": worker})


def test_a_model_that_cannot_be_loaded_is_an_error_at_once(scripts):
    with pytest.raises(ValueError, match="the file holds no weights"):
        exchange.Worker("instanseg", scripts / "broken", "cpu")


def test_nothing_is_left_behind(scripts, images, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    worker = exchange.Worker("instanseg", scripts / "model", "cpu")
    segment_objects(images[0], "instanseg", {}, {"model": worker})
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    worker.close()
    assert not list((tmp_path / "temporary").iterdir())


def test_an_environment_that_is_not_there_says_how_to_build_it(tmp_path, monkeypatch):
    monkeypatch.setenv(exchange.ENVIRONMENTS, str(tmp_path))
    with pytest.raises(ValueError, match="make env-cellpose3"):
        exchange.Worker("cellpose3", tmp_path / "model", "cpu")


@pytest.mark.parametrize(
    ("method", "parameters", "words"),
    [
        ("instanseg", {"target": "both"}, "allowed are nuclei, cells"),
        ("instanseg", {"pixel_size": 0}, "pixel_size is 0"),
        ("cellpose3", {"diameter": -3}, "diameter is -3"),
        ("cellpose3", {"cellprob_threshold": 1}, "unknown parameter"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_sent(method, parameters, words, images):
    with pytest.raises(ValueError, match=words):
        segment_objects(images[0], method, parameters, {"model": None})
