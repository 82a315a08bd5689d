"""Read the plan of a screen: for the workflow and for the command line alike."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from levelfield.config.paths import base_folder
from levelfield.config.plan import NO_SEGMENTERS, Plan, Segmenters, checked_plan
from levelfield.config.sheets import ConfigError, faults_in
from levelfield.execution.subprocesses import call_in_subprocess

_FAULTS_SHOWN = 10  # of plates that will fail; `levelfield status` lists all that have


def find_segmenters() -> Segmenters:
    """Return what there is to segment with; nothing without the packages that it needs.

    Snakemake's own environment has not even numpy. There the workflow can be read and linted.
    """
    try:
        registry = import_module("levelfield.segmentation.registry")
        schema = import_module("levelfield.segmentation.schema")
        return Segmenters(registry.METHODS, schema.config_parts())
    except ModuleNotFoundError:
        return NO_SEGMENTERS


def read_plan(
    config: Mapping[str, Any],
    source: str,
    folder: str = "",
    check: bool = True,
    files: Sequence[str] = (),
) -> Plan:
    """Check a config and its sheets, with the features that its readouts name.

    Relative paths count from the folder of the `files` of the config, see
    `levelfield.config.paths.base_folder`. Other parameters and errors are those of
    `levelfield.config.plan.checked_plan`.
    """
    segmenters = find_segmenters()
    plan = checked_plan(config, source, segmenters, folder, check, base_folder(config, files))
    if check and segmenters.methods and plan.config["readouts"]:
        with faults_in(source):
            call_in_subprocess("levelfield.steps.measure", "check_readouts", plan.config)
    if check and segmenters.methods and plan.config["qc"].get("calibration"):
        with faults_in(source):
            call_in_subprocess("levelfield.steps.lab", "check_calibration", plan.config)
    return plan


def look_at_images(plan: Plan) -> None:
    """Look at the images of all plates that are not listed yet, and print what is found.

    One plate that cannot be listed is told and holds up no other: its own job will fail.

    Raises
    ------
    ConfigError
        With what is wrong with each plate, if no plate of the screen can be listed.
    """
    waiting = [
        (name, str(plate.images), str(plate.layout_path), plate.n_wells)
        for name, plate in plan.plates.items()
        if not Path(plan.results.file("index_plate", plate=name)).exists()
    ]
    if not waiting or not find_segmenters().methods:  # Snakemake is alone: it can only lint
        return
    keys = ("images", "channels", "measurement", "qc")
    config = {key: plan.config[key] for key in keys}
    notes, faults = call_in_subprocess("levelfield.runs.look", "look_at", waiting, config)
    if len(faults) == len(plan.plates):
        raise ConfigError("\n".join(faults))
    for note in [*notes, *(f"{fault} The other plates are made all the same." for fault in faults)]:
        print(note, file=sys.stderr)


def read_plan_file(path: Path) -> Plan:
    """Read a config file and its sheets, as the workflow does.

    Raises
    ------
    ConfigError, SheetError
        With the text that the workflow would print.
    """
    if not path.is_file():
        raise ConfigError(f"there is no config '{path}'. Name yours with --configfile.")
    config = yaml.safe_load(path.read_text())
    return read_plan(config, str(path), files=[str(path)])
