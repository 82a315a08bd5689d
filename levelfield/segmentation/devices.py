"""Which device a network runs on: no silent fall-back from a GPU to the CPU."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from levelfield.config.extras import is_installed, needs_extra

if TYPE_CHECKING:
    import torch

DEVICE_RULE = r"^(auto|cpu|cuda|cuda:\d+|mps)$"

# What schedulers and containers say of the GPUs that a job was granted. Slurm names none as
# "NoDevFiles". Many images say "all", whether or not there is a GPU to be seen.
_GRANTS = (
    *("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE"),
    "NVIDIA_VISIBLE_DEVICES",
)
_NOTHING_GRANTED = ("-1", "NoDevFiles", "none", "void")
_NOTHING_BY_VARIABLE = {"SLURM_GPUS_ON_NODE": ("0",), "NVIDIA_VISIBLE_DEVICES": ("all",)}
_DEVICE_FILES = Path("/dev")
_BFLOAT16_SINCE = (8, 0)  # the oldest chips that compute in bfloat16 (Ampere)


@dataclass(frozen=True)
class Device:
    """A device: as torch calls it (``cuda:0``), and for reports (``cuda:0 (NVIDIA H200)``)."""

    place: str
    name: str

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.place.split(":")[0]

    @property
    def torch(self) -> torch.device:
        """The device as torch knows it."""
        import torch

        return torch.device(self.place)


_CPU = Device("cpu", "cpu")
_CHIP = re.compile(r"(?:sm|compute)_(\d+)")


def choose_device(rule: str, environment: Mapping[str, str] | None = None) -> Device:
    """Return the device that a rule names, by the environment variables of this process or others.

    Rules are ``cpu``, ``cuda`` (the first GPU), ``cuda:N``, ``mps`` (Apple), and ``auto``: the
    first GPU where there is one, else the CPU.

    Raises
    ------
    ValueError
        If the rule is unknown, if it asks for a device that is not there, or if it is ``auto`` in a
        job that was granted a GPU of which torch sees nothing.
    """
    return choose_devices(rule, environment)[0]


def choose_devices(rule: str, environment: Mapping[str, str] | None = None) -> list[Device]:
    """Return all devices that a rule lets a job use: every GPU for ``auto`` and ``cuda``.

    Parameters and errors are those of `choose_device`.
    """
    environment = os.environ if environment is None else environment
    if not re.match(DEVICE_RULE, rule):
        raise ValueError(
            f"device is {rule!r}; allowed are auto, cpu, cuda, cuda:0 (1, ...) and mps"
        )
    if rule == "cpu":
        return [_CPU]
    if rule == "auto" and not is_installed("torch"):
        _refuse_lost_grant(environment)
        return [_CPU]
    with needs_extra(f"device {rule!r}"):
        import torch
    if rule == "mps":
        return [_apple()]
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if rule == "auto" and not n_gpus:
        _refuse_lost_grant(environment)
        return [_apple() if torch.backends.mps.is_available() else _CPU]
    wanted = [int(rule[5:])] if rule.startswith("cuda:") else list(range(max(n_gpus, 1)))
    if wanted[-1] >= n_gpus:
        raise ValueError(
            f"device is {rule!r}, but torch sees {n_gpus} GPU(s) on this machine. {_why_no_gpu()} "
            "Or set 'device: cpu' in the config."
        )
    return [_gpu(number) for number in wanted]


def _gpu(number: int) -> Device:
    import torch

    name = torch.cuda.get_device_name(number)
    own = torch.cuda.get_device_capability(number)
    built = [int(found[1]) for each in torch.cuda.get_arch_list() if (found := _CHIP.match(each))]
    if built and 10 * own[0] + own[1] < min(built):
        raise ValueError(
            f"the GPU cuda:{number} ({name}) is of compute capability {own[0]}.{own[1]}, and the "
            f"torch that is installed ({torch.__version__}) has no code for any below "
            f"{min(built) / 10}. Install one for an older CUDA, use another GPU, or set "
            "'device: cpu' in the config."
        )
    return Device(f"cuda:{number}", f"cuda:{number} ({name})")


def has_bfloat16(device: torch.device) -> bool:
    """Say whether a GPU computes in bfloat16; older ones must in float32."""
    import torch

    on_gpu = device.type == "cuda"
    return on_gpu and torch.cuda.get_device_capability(device) >= _BFLOAT16_SINCE


def _apple() -> Device:
    import torch

    if not torch.backends.mps.is_available():
        raise ValueError(
            "device is 'mps', but this is no Apple machine whose GPU torch can use. Set "
            "'device: auto' or 'device: cpu' in the config."
        )
    return Device("mps", "mps")


def _refuse_lost_grant(environment: Mapping[str, str]) -> None:
    """Raise if a scheduler granted this job a GPU: to use the CPU would waste it unnoticed."""
    if grant := _grant(environment):
        raise ValueError(
            f"this job was granted a GPU ({grant}), but torch sees none, and on the CPU the job "
            f"would take many times as long. {_why_no_gpu()} To use the CPU all the same, set "
            "'device: cpu' in the config and ask the scheduler for no GPU."
        )


def _grant(environment: Mapping[str, str]) -> str:
    """Return what says that this job may use a GPU; empty if nothing does."""
    given = {name: environment[name] for name in _GRANTS if environment.get(name)}
    for name, value in given.items():
        if value not in (*_NOTHING_GRANTED, *_NOTHING_BY_VARIABLE.get(name, ())):
            return f"{name}={value}"
    # A GPU that is hidden on purpose, or that a torch without CUDA cannot use, is not lost.
    hidden = environment.get("CUDA_VISIBLE_DEVICES") in ("", *_NOTHING_GRANTED)
    if hidden or not is_installed("torch"):
        return ""
    import torch

    files = sorted(_DEVICE_FILES.glob("nvidia[0-9]*")) if torch.version.cuda else []
    return str(files[0]) if files else ""


def _why_no_gpu() -> str:
    if not is_installed("torch"):
        return "torch is not installed: pip install 'levelfield[gpu]' brings it."
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return (
            f"The torch that is installed ({torch.__version__}) is one without CUDA: install one "
            "with it."
        )
    return (
        f"The torch that is installed ({torch.__version__}) has CUDA {torch.version.cuda}: "
        "run nvidia-smi on that machine, and see whether its driver is at least as new and the "
        "job may use the GPU (Slurm: --gres=gpu:1)."
    )
