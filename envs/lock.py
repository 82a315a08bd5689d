"""Write the lock files of this folder, and from them the conda environments.

Run by `make lock`. Locks hold exact versions and hashes for every platform, and no index. Beside
the project's own there is one for every ``<name>.in``: what clashes with the project gets an
environment of its own, which `make env-<name>` builds. Names given as arguments are those to lock.
"""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

ENVS = Path(__file__).parent
PROJECT = ENVS.parent / "pyproject.toml"

_CUDA = r"nvidia-|cuda-|triton"
_NOT_RUN = """
#
# Not run yet: no machine with conda was at hand. What was checked is that all pins are those of
# the lock"""
_PINS_ONLY = f"{_NOT_RUN}."
_RUN_WITH = """
# The package itself is not in it: in the project's folder, run
#   PYTHONPATH=$PWD snakemake --sdm conda --conda-not-block-search-path-envvars ..."""
_OF_STAGES = f"{_PINS_ONLY}{_RUN_WITH}"
_OF_CORE = f"{_NOT_RUN}, and that its stages import without the extras.{_RUN_WITH}"


def compile_lock(source: Path, name: str, *options: str) -> None:
    """Resolve what a file asks for into ``<name>.lock``."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", str(source), *options),
        *("--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
        *("--no-header", "--no-annotate", "--output-file", str(ENVS / f"{name}.lock")),
    ]
    subprocess.run(command, check=True)


def pins_of(name: str, leave_out: str = "") -> list[str]:
    """Return what ``<name>.lock`` pins, without packages whose name fits a pattern."""
    lock = (ENVS / f"{name}.lock").read_text()
    pins = re.findall(r"^([\w.\-\[\]]+==[^\\\n]+?)\s*\\?$", lock, flags=re.MULTILINE)
    return [pin for pin in pins if not (leave_out and re.match(leave_out, pin))]


def conda_text(lock: str, pins: list[str], conda: tuple[str, ...] = (), note: str = "") -> str:
    """Return a conda environment: Python (and `conda`) from conda, everything else by pip."""
    lines = [
        f"# Written by envs/lock.py from {lock}.lock. Do not edit.{note}",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python =3.11",
        *(f"  - {package}" for package in conda),
        "  - pip",
        "  - pip:",
        *(f"      - {pin}" for pin in pins),
    ]
    return "\n".join(lines) + "\n"


def other_text(name: str) -> str:
    """Return the conda environment of a segmenter beside the project, from ``<name>.lock``."""
    return conda_text(name, pins_of(name), note=_PINS_ONLY)


def stage_texts() -> dict[str, str]:
    """Return the conda environments of the stages, from the project's locks.

    ``levelfield-core.yaml`` is the base installation, without torch: for all stages that run no
    network of torch.
    ``levelfield.yaml`` has the extras, with torch for CUDA: for the segmentation and training.
    ``levelfield-cpu.yaml`` is the same with torch for the CPU, which saves 3 GB of CUDA.
    """
    torch = dict(pin.split("==") for pin in pins_of("levelfield-gpu") if pin.startswith("torch"))
    from_conda = tuple(
        f"{name} ={torch[pip].strip()}"
        for name, pip in (("pytorch-cpu", "torch"), ("torchvision", "torchvision"))
    )
    without_cuda = pins_of("levelfield-gpu", f"{_CUDA}|torch")
    return {
        "levelfield": conda_text("levelfield-gpu", pins_of("levelfield-gpu"), (), _OF_STAGES),
        "levelfield-cpu": conda_text("levelfield-gpu", without_cuda, from_conda, _OF_STAGES),
        "levelfield-core": conda_text("levelfield", pins_of("levelfield"), (), _OF_CORE),
    }


# What each lock of the project holds beside the base installation.
_EXTRAS = {
    "levelfield": ("build",),
    "levelfield-gpu": ("build", "gpu", "train", "dask", "anndata"),
    "levelfield-dev": ("build", "dev"),
}


def lock_project() -> None:
    """Lock what runs Levelfield, with torch and without, and what its tests need beside.

    The largest comes first, and the others pin the same versions.
    """
    constraint: tuple[str, ...] = ()
    for name in reversed(_EXTRAS):
        extras = [word for extra in _EXTRAS[name] for word in ("--extra", extra)]
        compile_lock(PROJECT, name, *extras, *constraint)
        constraint = ("--constraint", str(ENVS / f"{name}.lock"))
    lock_cuda12()
    for name, text in stage_texts().items():
        (ENVS / f"{name}.yaml").write_text(text)


def lock_cuda12() -> None:
    """Lock what ``levelfield-gpu.lock`` holds with a torch for older drivers.

    Everything but torch and what it brings is pinned to the same versions.
    """
    brought = rf"{_CUDA}|torch|setuptools|sympy|fsspec|filelock"
    pins = ENVS / "cuda12_pins.txt"
    pins.write_text("\n".join(pins_of("levelfield-gpu", brought)) + "\n")
    extras = [word for extra in _EXTRAS["levelfield-gpu"] for word in ("--extra", extra)]
    constraints = ("--constraint", str(ENVS / "cuda12.txt"), "--constraint", str(pins))
    try:
        compile_lock(PROJECT, "levelfield-cuda12", *extras, *constraints)
    finally:
        pins.unlink()


def lock_other(name: str) -> None:
    """Lock an environment beside the project's."""
    compile_lock(ENVS / f"{name}.in", name)
    if name not in ("audit", "uv"):  # no job runs in them
        (ENVS / f"{name}.yaml").write_text(other_text(name))


if __name__ == "__main__":
    others = sorted(path.stem for path in ENVS.glob("*.in"))
    wanted = sys.argv[1:] or ["levelfield", *others]
    for name in wanted:
        own = {"levelfield": lock_project, "levelfield-cuda12": lock_cuda12}
        own.get(name, partial(lock_other, name))()
