"""The jobs of a screen, as the workflow divides them: what is planned, without Snakemake.

A test compares this table with what Snakemake plans.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from levelfield.config.networks import (
    NetworkSettings,
    generation_folder,
    network_settings,
)
from levelfield.config.plan import Plate, read_plates
from levelfield.config.references import plates_with_references
from levelfield.config.settings import (
    ObjectSetSettings,
    object_sets,
    sets_with_plate_diameter,
)
from levelfield.config.sheets import SCHEMAS, ConfigError, check_config, load_schema, with_defaults
from levelfield.segmentation.registry import METHODS
from levelfield.segmentation.schema import config_parts

PLATE_RULES = {
    "index_plate": "index.csv",
    "create_store": "store.csv",
    "fit_illumination": "illumination.npz",
    "measure_thresholds": "thresholds.csv",
    "measure_diameters": "diameters.csv",
    "summarise_plate": "sites.csv",
    "qc_plate": "qc/verdict.csv",
    "report_plate": "report.html",
    "provenance": "ro-crate-metadata.json",
    "evaluate": "evaluation/evaluation.html",
    "qc_truth": "qc/truth.csv",
}
"""One job a plate each, and the file by which it is known to be done."""

PACK_RULES = {
    "segment": "segment/{pack}.csv",
    "measure": "measure/Image/{pack}.parquet",
    "qc_evidence": "qc/evidence/{pack}.parquet",
}
"""One job a pack each."""

SCREEN_RULES = {"qc_screen": "screen/verdict.csv", "report_screen": "screen/report.html"}

NETWORK_RULES = {
    "collect_training": "collected.csv",
    "train_network": "weights.safetensors",
}
"""One job a network that is trained here, and the file in the folder of its generation."""

RULES = (
    *("fetch_weights", "train_pixel_classifier", "index_plate", "create_store"),
    *("fit_illumination", *NETWORK_RULES, "measure_thresholds", "measure_diameters", *PACK_RULES),
    *("summarise_plate", "qc_plate", "evaluate", "qc_truth", "report_plate", "provenance"),
    *SCREEN_RULES,
)
"""All rules in the order of the work."""


@dataclass(frozen=True)
class Job:
    """One job of the plan.

    Attributes
    ----------
    rule : str
        Name of the rule.
    plate : str
        Empty for the whole screen.
    pack : str
        Empty for the whole plate; the name of what is fetched or trained for the whole screen.
    wells : tuple of str
        That it works on; empty for the whole plate.
    log, output : Path
        Its log, and the file by which it is known to be done.
    """

    rule: str
    plate: str
    pack: str
    wells: tuple[str, ...]
    log: Path
    output: Path


@dataclass(frozen=True)
class Screen:
    """A config with its defaults, its plates, and where the results are.

    Attributes
    ----------
    config : mapping
        Checked, with defaults.
    plates : mapping of str to Plate
        By name.
    results : Path
        Folder of all results.
    """

    config: Mapping
    plates: Mapping[str, Plate]
    results: Path


def read_screen(path: Path, folder: Path = Path()) -> Screen:
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
    schema = load_schema(SCHEMAS / "config.yaml")
    config = yaml.safe_load(path.read_text())
    check_config(config, schema, str(path), config_parts())
    config = with_defaults(config, schema)
    sheets = {name: load_schema(SCHEMAS / f"{name}.yaml") for name in ("plates", "layout")}
    return Screen(config, read_plates(config, sheets), folder / config["results"])


def planned_jobs(screen: Screen) -> list[Job]:
    """Return every job of a screen, plate by plate in the order of the work."""
    sets = object_sets(screen.config)
    jobs = _weights_jobs(screen, sets)
    jobs += [
        _classifier_job(screen, name) for name in sorted({one.classifier for one in sets} - {""})
    ]
    references = plates_with_references(screen.config, screen.plates)
    left_out = set()
    if all(one.threshold_from == "image" for one in sets):
        left_out.add("measure_thresholds")
    if not sets_with_plate_diameter(sets, METHODS):
        left_out.add("measure_diameters")
    for name, plate in screen.plates.items():
        without = left_out if name in references else left_out | {"evaluate", "qc_truth"}
        jobs += _plate_jobs(screen, plate, without)
    return jobs + [_job(screen, rule, "") for rule in SCREEN_RULES]


def _plate_jobs(screen: Screen, plate: Plate, without: set[str]) -> Iterator[Job]:
    for rule in RULES:
        if rule in PACK_RULES:
            for pack in plate.packs:
                yield _job(screen, rule, plate.name, pack.name, pack.wells)
        elif rule in PLATE_RULES and rule not in without:
            yield _job(screen, rule, plate.name)


def _job(screen: Screen, rule: str, plate: str, pack: str = "", wells: tuple[str, ...] = ()) -> Job:
    if not plate:
        log = screen.results / "screen" / "logs" / f"{rule}.log"
        return Job(rule, "", "", (), log, screen.results / SCREEN_RULES[rule])
    folder = screen.results / plate
    output = (PACK_RULES | PLATE_RULES)[rule].format(pack=pack)
    name = f"{rule}_{pack}.log" if pack else f"{rule}.log"
    return Job(rule, plate, pack, wells, folder / "logs" / name, folder / output)


def _classifier_job(screen: Screen, name: str) -> Job:
    folder = screen.results / "classifiers"
    log, output = folder / "logs" / f"{name}.log", folder / f"{name}.npz"
    return Job("train_pixel_classifier", "", name, (), log, output)


def _weights_jobs(screen: Screen, sets: Sequence[ObjectSetSettings]) -> list[Job]:
    """Return the jobs that fetch or train what the object sets name."""
    networks = network_settings(screen.config)
    named = {one.weights for one in sets} - {""}
    used = [networks[name] for name in sorted(named & networks.keys())]
    fetched = (named - networks.keys()) | {network.start for network in used} - {""}
    jobs = [_weights_job(name) for name in sorted(fetched)]
    for network in used:
        if network.generation and network.corrections:
            jobs.append(_network_job(screen, "collect_training", network))
        if network.generation:
            jobs.append(_network_job(screen, "train_network", network))
    return jobs


def _network_job(screen: Screen, rule: str, network: NetworkSettings) -> Job:
    folder = Path(generation_folder(str(screen.results), network.name, network.generation))
    log, output = folder / "logs" / f"{rule}.log", folder / NETWORK_RULES[rule]
    return Job(rule, "", network.name, (), log, output)


def _weights_job(name: str) -> Job:
    folder = Path("resources") / "weights"
    return Job("fetch_weights", "", name, (), folder / "logs" / f"{name}.log", folder / name)
