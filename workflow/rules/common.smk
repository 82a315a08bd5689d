# The plan: config and sheets are checked here, before any job runs.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# In a clone the package lies beside this workflow, whether it is installed or not.
CLONE = Path(str(workflow.current_basedir.get_path_or_uri(secret_free=True))).parents[1]
IN_CLONE = (CLONE / "levelfield").is_dir()
if IN_CLONE and str(CLONE) not in sys.path:
    sys.path.insert(0, str(CLONE))

NOT_INSTALLED = (
    "Levelfield's Python package and what it needs are not installed in the environment that runs "
    "Snakemake: pip install levelfield there (README.md says more)."
)

try:
    from levelfield.config.plate_parameters import objects_of
    from levelfield.config.results import RULES, Results
    from levelfield.config.settings import planted_wells, threshold_wells
    from levelfield.config.sheets import SCHEMAS, read_columns
    from levelfield.config.urls import is_url
    from levelfield.execution.subprocesses import call_in_subprocess, search_first
    from levelfield.remote.settings import use_settings
    from levelfield.runs.plan import find_segmenters, look_at_images, read_plan
    from levelfield.runs.resources import read_load, segment_megabytes, segment_minutes
except ModuleNotFoundError as error:
    raise WorkflowError(NOT_INSTALLED) from error


if IN_CLONE:
    search_first(CLONE)


def checked(function, *arguments):
    """Return what a function returns; what is wrong with the config ends the run in a sentence."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise WorkflowError(str(error)) from None


# A workflow that uses this one as a module can give a prefix, which Snakemake puts before the
# relative paths of rules. What else needs those paths has to put it there itself.
PREFIX = str(workflow.modifier.modify_path("-")).removesuffix("-")
PLAN = checked(
    read_plan,
    config,
    ", ".join(str(path) for path in workflow.configfiles) or "the config",
    PREFIX,
    # Every job reads this file; what the first process has checked they take as it is.
    workflow.is_main_process,
    [str(path) for path in workflow.configfiles],
)
# The processes of jobs have it from their environment.
use_settings(PLAN.config["remote"])
if workflow.is_main_process:
    checked(look_at_images, PLAN)
config.update(PLAN.config)
PLATES, OBJECT_SETS, REFERENCES = PLAN.plates, PLAN.object_sets, PLAN.references
CHANNELS = list(config["channels"])
PATHS = Results(config["results"])


wildcard_constraints:
    plate="|".join(map(re.escape, PLATES)),
    pack=r"pack\d+",
    object_set="|".join(config["objects"]),
    channel="|".join(CHANNELS),
    classifier="[A-Za-z][A-Za-z0-9_]*",


def of_plate(wildcards):
    """The plate that a job works on."""
    return PLATES[wildcards.plate]


def images_of(wildcards):
    """The folder of a plate's images, if it is one. What users give is local: it gets no prefix."""
    path = str(of_plate(wildcards).images)
    return [] if is_url(path) else local(path)


def images_url(wildcards):
    """The URL of a plate's images, for params: it is no file whose time can be compared."""
    path = str(of_plate(wildcards).images)
    return path if is_url(path) else ""


# On clusters often only the machine that Snakemake runs on has a network.
LISTED_HERE = any(is_url(str(plate.images)) for plate in PLATES.values())


def layout_of(wildcards):
    """The layout sheet of a plate."""
    return local(str(of_plate(wildcards).layout_path))


def store_of(wildcards):
    """The store of a plate, for params: it is no file that a rule makes, but grows by fields."""
    return PLAN.results.store(wildcards.plate)


def all_packs(step, name, **wildcards):
    """An input function: the file of every pack of the plate."""

    def paths(of):
        pattern = PATHS.file(step, name, **wildcards)
        return expand(pattern, plate=of.plate, pack=list(of_plate(of).packs))

    return paths


def all_files(step, but=()):
    """All files of a rule by their names, but for some."""
    return {
        name: PATHS.file(step, name) for name in RULES[step].files if name not in but
    }


def every_plate(step, name):
    """The file of every plate."""
    return expand(PATHS.file(step, name), plate=PLATES)


def wells_with_planted(wildcards):
    """The wells of a pack that get planted errors, with their control types."""
    plate = of_plate(wildcards)
    kinds = {well: plate.control_types[well] for well in plate.packs[wildcards.pack]}
    return planted_wells(OBJECT_SETS, kinds)


def of_pack(estimate):
    """A resource of a job that segments a pack, from its plate's index; more with each attempt.

    A profile that names the resource in set-resources comes before it.
    """

    def needed(wildcards, input, threads, attempt):
        load = read_load(input.index, of_plate(wildcards).packs[wildcards.pack])
        learned = [made.method for made in OBJECT_SETS if made.weights]
        return attempt * estimate(load, learned, threads, gpu=config["device"] != "cpu")

    return needed


def review_file(wildcards):
    """The review sheet, as soon as there is one: only the QC rules read it."""
    path = PLAN.review(wildcards.plate)
    return local(str(path)) if path else []


def truth_table(wildcards):
    """What reference labels say, where the plate has some."""
    return PATHS.file("qc_truth") if wildcards.plate in REFERENCES else []


def collage_files(wildcards):
    """What was read of collages, and their pictures, where the config asks for them."""
    return [PATHS.file("qc_collages", name) for name in RULES["qc_collages"].files] * (
        PLAN.collages
    )


def science(*keys):
    """Those sections of the config, for a rule's params: a change of them runs the rule again.

    The section 'objects' is that of the job's plate.
    """

    def sections(wildcards):
        chosen = {key: config[key] for key in keys}
        if "objects" in chosen and "plate" in wildcards.keys():
            chosen["objects"] = objects_of(config, wildcards.plate)
        return chosen

    return sections


def plate_results(wildcards):
    """What a whole run makes for every plate.

    The tables of the packs are named too, so that a run makes those again that `levelfield verify`
    took away; Snakemake does not miss a file that only other files were made from.
    """
    if (
        not find_segmenters().methods
    ):  # Snakemake is alone: it can lint this workflow, no more
        raise WorkflowError(NOT_INSTALLED)
    finals = ("report_plate", "qc_plate", "provenance")
    results = [path for final in finals for path in every_plate(final, "")]
    results += every_plate("report_plate", "browser")
    results += every_plate("summarise_plate", "readouts")
    results += [
        PATHS.file("segment", plate=name, pack=pack)
        for name, plate in PLATES.items()
        for pack in plate.packs
    ]
    return results + expand(PATHS.file("evaluate", "page"), plate=REFERENCES)


def screen_results(wildcards):
    """What a whole run makes for the screen."""
    tables = [PATHS.file("qc_screen", name) for name in ("verdict", "plates")]
    return [*tables, PATHS.file("report_screen")]
