"""Write the lock files of this folder, and from them the conda environments.

Run by `make lock`. Locks hold exact versions and hashes for every platform, and no index. Beside
the project's own there is one for every ``<name>.in``: what clashes with the project gets an
environment of its own, which `make env-<name>` builds. Names given as arguments are those to lock.
"""

import re
import subprocess
import sys
from pathlib import Path

ENVS = Path(__file__).parent
PROJECT = ENVS.parent / "pyproject.toml"


def compile_lock(source: Path, name: str, *options: str) -> None:
    """Resolve what a file asks for into ``<name>.lock``."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", str(source), *options),
        *("--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
        *("--no-header", "--no-annotate", "--output-file", str(ENVS / f"{name}.lock")),
    ]
    subprocess.run(command, check=True)


def write_conda(name: str) -> None:
    """Write ``<name>.yaml`` from ``<name>.lock``: Python from conda, everything else by pip."""
    lock = (ENVS / f"{name}.lock").read_text()
    pins = re.findall(r"^([\w.\-\[\]]+==[^\\\n]+?)\s*\\?$", lock, flags=re.MULTILINE)
    lines = [
        "# Written by envs/lock.py from the lock file of the same name. Do not edit.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python =3.11",
        "  - pip",
        "  - pip:",
        *(f"      - {pin}" for pin in pins),
    ]
    (ENVS / f"{name}.yaml").write_text("\n".join(lines) + "\n")


def lock_project() -> None:
    """Lock what runs Levelfield, and what its tests need beside."""
    compile_lock(PROJECT, "levelfield", "--extra", "build")
    constraint = ("--constraint", str(ENVS / "levelfield.lock"))
    compile_lock(PROJECT, "levelfield-dev", "--extra", "build", "--extra", "dev", *constraint)
    write_conda("levelfield")


def lock_other(name: str) -> None:
    """Lock an environment beside the project's."""
    compile_lock(ENVS / f"{name}.in", name)
    write_conda(name)


if __name__ == "__main__":
    others = sorted(path.stem for path in ENVS.glob("*.in"))
    wanted = sys.argv[1:] or ["levelfield", *others]
    for name in wanted:
        lock_project() if name == "levelfield" else lock_other(name)
