"""A GPU that was asked for or granted is used, or the job says why it is not."""

import sys

import pytest
import torch

from levelfield.segmentation import devices
from levelfield.segmentation.devices import choose_device, choose_devices


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Pretend that torch sees so many GPUs."""

    def pretend(number: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90a"])
        monkeypatch.setattr(devices, "_DEVICE_FILES", tmp_path)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return pretend


def test_cpu_is_cpu_whatever_there_is(gpus):
    gpus(2)
    assert choose_device("cpu", {"CUDA_VISIBLE_DEVICES": "0"}).torch == torch.device("cpu")


@pytest.mark.parametrize("rule", ["auto", "cuda"])
def test_a_job_uses_every_gpu_that_it_sees(gpus, rule):
    gpus(2)
    found = choose_devices(rule, {})
    assert [device.name for device in found] == ["cuda:0 (GPU 0)", "cuda:1 (GPU 1)"]
    assert choose_device(rule, {}).torch == torch.device("cuda", 0)


def test_one_gpu_can_be_named(gpus):
    gpus(2)
    assert [device.torch.index for device in choose_devices("cuda:1", {})] == [1]


@pytest.mark.parametrize("rule", ["cuda", "cuda:0", "cuda:3"])
def test_a_gpu_that_is_not_there_is_an_error_with_a_remedy(gpus, rule):
    gpus(2 if rule == "cuda:3" else 0)
    with pytest.raises(ValueError, match=rf"'{rule}', but torch sees .*device: cpu"):
        choose_device(rule, {})


def test_auto_without_a_gpu_is_the_cpu(gpus):
    gpus(0)
    assert choose_device("auto", {}).name == "cpu"


GRANTS = ["CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "NVIDIA_VISIBLE_DEVICES"]


@pytest.mark.parametrize("variable", GRANTS)
def test_a_granted_gpu_that_torch_does_not_see_is_an_error(gpus, variable):
    gpus(0)
    with pytest.raises(ValueError, match=rf"granted a GPU \({variable}=0\).*device: cpu"):
        choose_device("auto", {variable: "0"})


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_what_means_no_gpu_is_no_grant(gpus, value):
    gpus(0)
    assert choose_device("auto", {"CUDA_VISIBLE_DEVICES": value}).name == "cpu"
    assert choose_device("auto", {"SLURM_GPUS_ON_NODE": "0"}).name == "cpu"
    assert choose_device("auto", {"NVIDIA_VISIBLE_DEVICES": "all"}).name == "cpu"  # of an image


def test_a_gpu_that_the_machine_has_and_torch_does_not_see_is_an_error(gpus, tmp_path, monkeypatch):
    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    (tmp_path / "nvidiactl").touch()
    assert choose_device("auto", {}).name == "cpu"
    (tmp_path / "nvidia0").touch()
    with pytest.raises(ValueError, match=r"granted a GPU \(.*nvidia0\).*nvidia-smi"):
        choose_device("auto", {})
    assert choose_device("auto", {"CUDA_VISIBLE_DEVICES": ""}).name == "cpu"  # hidden on purpose
    monkeypatch.setattr(torch.version, "cuda", None)
    assert choose_device("auto", {}).name == "cpu"  # a torch that uses no GPU is wanted


def test_a_chip_that_torch_has_no_code_for_is_an_error_in_words(gpus, monkeypatch):
    gpus(1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (7, 0))
    with pytest.raises(ValueError, match=r"capability 7\.0.*below 7\.5.*device: cpu"):
        choose_device("auto", {})


@pytest.mark.parametrize(("chip", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_older_chips_compute_in_float32(gpus, monkeypatch, chip, has):
    gpus(1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: chip)
    assert devices.has_bfloat16(torch.device("cuda:0")) == has
    assert not devices.has_bfloat16(torch.device("cpu"))


def test_the_environment_of_the_process_is_asked(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setenv("SLURM_JOB_GPUS", "1")
    with pytest.raises(ValueError, match="SLURM_JOB_GPUS=1"):
        choose_device("auto")


def test_mps_is_refused_elsewhere(gpus):
    gpus(0)
    with pytest.raises(ValueError, match="no Apple machine"):
        choose_device("mps")


@pytest.mark.parametrize("rule", ["gpu", "cuda:", "cuda:-1", "CPU", "cuda:0x"])
def test_an_unknown_rule_is_refused(rule):
    with pytest.raises(ValueError, match="device is"):
        choose_device(rule)


def test_without_torch_auto_is_the_cpu_and_a_gpu_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(devices, "is_installed", lambda library: library != "torch")
    assert choose_device("auto", {}) == choose_device("cpu", {})
    with pytest.raises(ValueError, match=r"device 'cuda' needs .*torch.*levelfield\[gpu\]"):
        choose_device("cuda", {})
    with pytest.raises(ValueError, match=r"granted a GPU.*levelfield\[gpu\]"):
        choose_device("auto", {"CUDA_VISIBLE_DEVICES": "0"})
