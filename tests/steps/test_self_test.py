"""The start-up test of a GPU, on devices that compute nonsense."""

import logging

import numpy as np
import pytest

from levelfield.segmentation.device_faults import MachineFault
from levelfield.segmentation.small_network.inference import NetworkModel
from levelfield.steps import self_test
from levelfield.steps.self_test import check_device, check_job, stored_tile


class Job:
    """A job of one object set, on whatever device."""

    def __init__(self, object_set, model):
        self.sets, self._model = [object_set], model

    def on(self, device):
        return self

    def model(self, object_set):
        return self._model


def network_job():
    from pathlib import Path

    from levelfield.config.settings import ObjectSetSettings
    from levelfield.segmentation.registry import load_model

    made = ObjectSetSettings("Nuclei", "network", ("DNA",), {"diameter": 20.0}, weights="nuclei")
    return Job(made, load_model("network", Path(self_test._WEIGHTS), "cpu"))


def test_a_device_that_works_finds_the_stored_nuclei(caplog):
    with caplog.at_level(logging.INFO):
        check_job("cpu", network_job())
    n_nuclei = stored_tile()[1].max()
    assert f"{n_nuclei} of {n_nuclei} nuclei of the stored tile were found again" in caplog.text


def test_a_device_that_computes_nonsense_is_refused_in_words(monkeypatch):
    predict = NetworkModel.predict

    def nonsense(self, images, *more):
        return predict(self, [image[::-1].copy() for image in images], *more)

    monkeypatch.setattr(NetworkModel, "predict", nonsense)
    says = r"start-up test of cpu failed: \d of \d+ nuclei .* No field was touched.* exclude"
    with pytest.raises(MachineFault, match=says):
        check_device("cpu")


def test_a_device_that_sees_nothing_is_refused(monkeypatch):
    predict = NetworkModel.predict

    def blind(self, images, *more):
        return predict(self, [np.zeros_like(image) for image in images], *more)

    monkeypatch.setattr(NetworkModel, "predict", blind)
    with pytest.raises(MachineFault, match="0 of"):
        check_device("cpu")


def test_a_model_that_makes_two_things_of_one_image_is_refused(monkeypatch):
    job = network_job()
    check_device("cpu")
    monkeypatch.setattr(self_test, "check_device", lambda rule: None)
    tile, calls = stored_tile()[0][0], []
    predict = NetworkModel.predict

    def unsteady(self, images, *more):
        calls.append(1)
        return predict(self, [np.roll(tile, len(calls), 0)], *more)

    monkeypatch.setattr(NetworkModel, "predict", unsteady)
    with pytest.raises(MachineFault, match="differently the second time"):
        check_job("cpu", job)


def test_parameters_that_no_image_fits_are_left_to_the_sites(caplog):
    from dataclasses import replace

    job = network_job()
    job.sets = [replace(job.sets[0], channels=("DNA", "FKHR"))]
    check_job("cpu", job)
    assert "objects.Nuclei cannot segment the stored tile" in caplog.text


def test_a_gpu_is_named_with_its_capability_and_its_free_memory(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda rule: (9, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda rule: (100 * 2**30, 140 * 2**30))
    told = self_test._description("cuda:0", "cuda:0 (fake)")
    assert told == "cuda:0 (fake), compute capability 9.0, 100.0 of 140.0 GiB free"
