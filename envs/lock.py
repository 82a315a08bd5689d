"""Write the lock files of this folder, and the conda environment that Snakemake can build.

Run by `make lock`. Locks hold exact versions and hashes for every platform, and no index.
"""

import re
import subprocess
import sys
from pathlib import Path

ENVS = Path(__file__).parent
PROJECT = ENVS.parent / "pyproject.toml"


def compile_lock(name: str, *options: str) -> None:
    """Resolve the project's dependencies into ``<name>.lock``."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", str(PROJECT), *options),
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


if __name__ == "__main__":
    compile_lock("levelfield", "--extra", "build")
    constraint = ("--constraint", str(ENVS / "levelfield.lock"))
    compile_lock("levelfield-dev", "--extra", "build", "--extra", "dev", *constraint)
    write_conda("levelfield")
