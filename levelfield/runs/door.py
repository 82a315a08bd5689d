"""The door to Snakemake: where the workflow is, and how it is called."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import levelfield

_PACKAGE = Path(levelfield.__file__).parent
_DEMO = ("config", "demo")


def workflow_folder() -> Path:
    """Return the folder of the workflow: within an installed package, or the clone it is in."""
    packaged = _PACKAGE / "_workflow"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def snakemake_command(options: Sequence[str]) -> list[str]:
    """Return the command that runs the workflow here with those options of Snakemake.

    Without ``--profile`` that of one machine is used; a profile of the workflow (``gpu``,
    ``local``, ``slurm``) can be named without its path.
    """
    folder = workflow_folder()
    given = [option.split("=")[0] for option in options]
    command = [sys.executable, "-m", "snakemake"]
    command += ["--snakefile", str(folder / "workflow" / "Snakefile")]
    if not {"--directory", "-d"} & set(given):
        command += ["--directory", "."]
    if not {"--profile", "--workflow-profile"} & set(given):
        command += ["--profile", str(folder / "profiles" / "local")]
    return command + _named_profiles(list(options), folder / "profiles")


def _named_profiles(options: list[str], profiles: Path) -> list[str]:
    """Put the path of a profile of the workflow in place of its name."""
    for at, option in enumerate(options):
        key, given, name = option.partition("=")
        if key != "--profile":
            continue
        if not given and at + 1 < len(options):
            at, key, name = at + 1, "", options[at + 1]
        if name and not Path(name).exists() and (profiles / name).is_dir():
            options[at] = f"{key}{given}{profiles / name}"
    return options


def run_workflow(options: Sequence[str], quiet: bool = False) -> int:
    """Run the workflow in this folder, and return Snakemake's exit status.

    Raises
    ------
    ValueError
        If a quiet run fails; what it printed is in the text.
    """
    command = snakemake_command(options)
    done = subprocess.run(command, check=False, capture_output=quiet, text=True)
    if quiet and done.returncode:
        raise ValueError(f"the workflow ended with an error:\n{done.stdout}{done.stderr}")
    return done.returncode


def copy_demo(folder: Path) -> Path:
    """Copy the demo (config, sheets and images) into a folder, and return its config.

    Raises
    ------
    ValueError
        If something of it is there already.
    """
    taken = [folder / name for name in _DEMO if (folder / name).exists()]
    if taken:
        raise ValueError(f"'{taken[0]}' is there already. Name another folder for the demo.")
    for name in _DEMO:
        shutil.copytree(workflow_folder() / name, folder / name)
    return folder / "config" / "config.yaml"
