"""Read the plan of a screen: for the workflow and for the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from levelfield.config.plan import Plan, checked_plan
from levelfield.config.sheets import ConfigError
from levelfield.execution.subprocesses import call_in_subprocess


def read_plan(config: Mapping[str, Any], source: str, folder: str = "", check: bool = True) -> Plan:
    """Check a config and its sheets, with the features that its readouts name.

    Parameters and errors are those of `levelfield.config.plan.checked_plan`.
    """
    plan = checked_plan(config, source, folder, check)
    if check and plan.config["readouts"]:
        # Snakemake's own environment, without the package's dependencies, can show the plan.
        with suppress(ModuleNotFoundError):
            call_in_subprocess("levelfield.steps.measure", "check_readouts", plan.config)
    return plan


def read_plan_file(path: Path, folder: Path = Path()) -> Plan:
    """Read a config file and its sheets, as the workflow does.

    Parameters
    ----------
    path : Path
        The config file.
    folder : Path
        The folder in which the workflow runs.

    Raises
    ------
    ValueError
        If the config or a sheet is wrong, with the text that the workflow would print.
    """
    if not path.is_file():
        raise ConfigError(f"there is no config '{path}'. Name yours with --configfile.")
    return read_plan(yaml.safe_load(path.read_text()), str(path), _text(folder))


def _text(folder: Path) -> str:
    return "" if folder == Path() else str(folder)
