# The plan: config and sheets are checked here, before any job runs.
from pathlib import Path

from snakemake.exceptions import WorkflowError

from levelfield.execution.subprocesses import call_in_subprocess
from levelfield.config.references import plates_with_references
from levelfield.config.settings import (
    check_classifiers,
    check_measurement,
    measured_sets,
    object_sets,
    planted_wells,
    sets_with_plate_diameter,
    threshold_wells,
)
from levelfield.config.plan import read_plates
from levelfield.config.sheets import SCHEMAS, check_config, load_schema, with_defaults


def read_plan(config):
    """Check the config and the sheets; return plates, object sets and reference labels."""
    schema = load_schema(SCHEMAS / "config.yaml")
    parts = {
        name: load_schema(SCHEMAS / name)
        for name in ("segmentation.yaml", "networks.yaml")
    }
    source = ", ".join(str(path) for path in workflow.configfiles) or "the config"
    try:
        check_config(config, schema, source, parts)
        config.update(with_defaults(config, schema))
        sheets = {
            name: load_schema(SCHEMAS / f"{name}.yaml") for name in ("plates", "layout")
        }
        sets = object_sets(config)
        check_classifiers(sets, list(config["pixel_classifiers"]))
        check_measurement(config)
        if config["readouts"] and workflow.is_main_process:
            call_in_subprocess("levelfield.steps.measure", "check_readouts", config)
        # Every job reads this file; what the first process has checked they take as it is.
        plates = read_plates(config, sheets if workflow.is_main_process else None)
        return plates, sets, plates_with_references(config, plates)
    except ValueError as error:
        raise WorkflowError(str(error)) from None


PLATES, OBJECT_SETS, REFERENCES = read_plan(config)
SETS = [one.name for one in OBJECT_SETS]
MEASURED = measured_sets(config)
CHANNELS = list(config["channels"])
CLASSIFIERS = sorted({one.classifier for one in OBJECT_SETS if one.classifier})
PLATE_DIAMETERS = bool(sets_with_plate_diameter(OBJECT_SETS))
PLATE_THRESHOLDS = any(one.threshold_from != "image" for one in OBJECT_SETS)
RESULTS = config["results"]
# Where files lie, how and on what work is done and what labels are compared with changes no
# measurement: it must not make anything again.
NO_SCIENCE = (
    "plates",
    "data_folder",
    "results",
    "packs_per_plate",
    "weights_cache",
    "device",
    "evaluation",
)
SCIENCE = {key: value for key, value in config.items() if key not in NO_SCIENCE}
PLATE = f"{RESULTS}/{{plate}}"


wildcard_constraints:
    plate="|".join(map(re.escape, PLATES)),
    pack=r"pack\d+",
    object_set="|".join(SETS),
    channel="|".join(CHANNELS),
    classifier="[A-Za-z][A-Za-z0-9_]*",


def of_plate(wildcards):
    """The plate that a job works on."""
    return PLATES[wildcards.plate]


def all_packs(pattern):
    """An input function: a path for every pack of the plate."""

    def paths(wildcards):
        packs = [pack.name for pack in of_plate(wildcards).packs]
        return expand(f"{PLATE}/{pattern}", plate=wildcards.plate, pack=packs)

    return paths


def wells_with_planted(wildcards):
    """The wells of a pack that get planted errors, with their control types."""
    plate = of_plate(wildcards)
    wells = plate.pack(wildcards.pack).wells
    kinds = {well: plate.control_types[well] for well in wells}
    return planted_wells(OBJECT_SETS, kinds)


def review_file(wildcards):
    """The review sheet, as soon as there is one: only the QC rules read it."""
    path = config["qc"].get("review", "").replace("{plate}", wildcards.plate)
    return path if path and Path(path).is_file() else []


def truth_table(wildcards):
    """What reference labels say, where the plate has some."""
    return f"{PLATE}/qc/truth.csv" if wildcards.plate in REFERENCES else []


def science(*keys):
    """Those sections of the config, for a rule's params: a change of them runs the rule again."""
    return {key: config[key] for key in keys}


def plate_results(wildcards):
    """What a whole run makes for every plate.

    The tables of the packs are named too, so that a run makes those again that `levelfield verify`
    took away; Snakemake does not miss a file that only other files were made from.
    """
    names = ("report.html", "qc/verdict.csv", "readouts.csv", "ro-crate-metadata.json")
    results = [
        f"{RESULTS}/{name}/{path}"
        for name, plate in PLATES.items()
        for path in (*names, *(f"segment/{pack.name}.csv" for pack in plate.packs))
    ]
    return results + expand(f"{PLATE}/evaluation/evaluation.html", plate=REFERENCES)


def screen_results(wildcards):
    """What a whole run makes for the screen."""
    return [
        f"{RESULTS}/screen/{name}"
        for name in ("verdict.csv", "plates.csv", "report.html")
    ]
