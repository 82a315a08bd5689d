"""Where results lie: every file of every rule, in the order of the work.

The rules of the workflow take their paths from here, as do the command line and the report. A rule
works on a unit (a pack of wells, a plate, the screen), which has a folder, and in it a log and a
table of what the job took.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDERS = {
    "weights": "{root}resources/weights",
    "classifier": "{results}/classifiers",
    "collection": "{results}/networks/{collection}",
    "network": "{results}/networks/{network}/generation_{generation}",
    "plate": "{results}/{plate}",
    "pack": "{results}/{plate}",
    "screen": "{results}/screen",
    "partial": "{results}/screen_partial",
}
"""The folder of each kind of unit that a job works on."""

_JOBS = {"weights": "{weights}", "classifier": "{classifier}", "pack": "{rule}_{pack}"}
"""Names of logs and timings in the folder of a unit; elsewhere that of the rule."""

SCREEN_FOLDERS = ("screen", "screen_partial", "classifiers", "networks")
"""Folders of results that are not of a plate."""

STORE = "{plate}.zarr"
"""In the folder of a plate: images and labels."""

FAILURES = "failures.csv"
"""In the folder of a plate: what failed, written at the end of a run."""

CHECKPOINTS = "unfinished"
"""In the folder of a plate: fields of jobs that were cut off."""

EVENTS = ".snakemake/levelfield"
"""In the folder of a run: what the logger plugin notes, a file of JSON lines for each run."""


@dataclass(frozen=True)
class Rule:
    """The files of a rule: patterns below the folder of the unit that a job works on."""

    name: str
    unit: str
    files: Mapping[str, str]

    @property
    def mark(self) -> str:
        """The name of the file by which a job is known to be done."""
        return next(iter(self.files))


def _rule(name: str, unit: str, /, **files: str) -> Rule:
    return Rule(name, unit, files)


def _alike(pattern: str, *names: str) -> dict[str, str]:
    """Return files whose pattern has their name in place of the asterisk."""
    return {name: pattern.replace("*", name) for name in names}


_QC_TABLES = (
    *("verdict", "answers", "sites", "wells", "estimates", "counts", "trend", "not_covered"),
    *("confounders", "reviewed", "reviewers", "review_list"),
)
_SCREEN_TABLES = _alike("*.csv", "verdict", "answers", "drift", "plates")

_IN_ORDER = (
    _rule("fetch_weights", "weights", weights="{weights}"),
    _rule("train_pixel_classifier", "classifier", classifier="{classifier}.npz"),
    _rule("index_plate", "plate", index="index.csv"),
    _rule("create_store", "plate", planned="store.csv"),
    _rule(
        "fit_illumination",
        "plate",
        fields="illumination.npz",
        table="illumination.csv",
        pictures="illumination/{channel}.png",
    ),
    _rule(
        "collect_training",
        "collection",
        sheet="collected.csv",
        **_alike("*.csv", "reviews", "corrections"),
        images="corrected",
    ),
    _rule(
        "train_network",
        "network",
        weights="weights.safetensors",
        **_alike("*.csv", "split", "history", "evaluation", "generations"),
        losses_picture="losses.png",
        generations_picture="generations.png",
    ),
    _rule("measure_thresholds", "plate", thresholds="thresholds.csv"),
    _rule("measure_diameters", "plate", diameters="diameters.csv"),
    _rule("segment", "pack", fields="segment/{pack}.csv"),
    _rule(
        "measure",
        "pack",
        image="measure/Image/{pack}.parquet",
        objects="measure/{object_set}/{pack}.parquet",
    ),
    _rule(
        "qc_evidence",
        "pack",
        **_alike("qc/*/{pack}.parquet", "evidence", "pairs", "candidates", "fields"),
    ),
    _rule(
        "summarise_plate",
        "plate",
        **_alike("*.csv", "sites", "wells", "plate", "readouts"),
        excluded="excluded_sites.csv",
        objects="objects/{object_set}.{ending}",
        anndata="objects/{object_set}.h5ad",
    ),
    _rule("check_review", "plate", checked="qc/review_checked.csv"),
    _rule(
        "qc_plate",
        "plate",
        **_alike("qc/*.csv", *_QC_TABLES),
        **_alike("qc/*.parquet", "objects", "candidates"),
    ),
    _rule(
        "evaluate",
        "plate",
        page="evaluation/evaluation.html",
        picture="evaluation/evaluation.png",
        **_alike("evaluation/*.csv", "objects", "images", "groups", "references"),
    ),
    _rule("qc_truth", "plate", truth="qc/truth.csv"),
    _rule("report_plate", "plate", report="report.html"),
    _rule("provenance", "plate", crate="ro-crate-metadata.json"),
    _rule("qc_screen", "screen", **_SCREEN_TABLES),
    _rule("report_screen", "screen", report="report.html"),
    _rule("qc_partial", "partial", **_SCREEN_TABLES),
    _rule("report_partial", "partial", report="report.html"),
)
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _IN_ORDER}
"""All rules that make results, in the order of the work."""


class _Open(dict[str, Any]):
    """Wildcards; what is not given stays open, in braces."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


@dataclass(frozen=True)
class Results:
    """The paths below a folder of results; wildcards that are not given stay open, in braces.

    Relative paths start from `root`: of a workflow that is used as a module its ``prefix``, else
    where the process runs.
    """

    folder: str
    root: str = ""

    def file(self, rule: str, name: str = "", **wildcards: str | int) -> str:
        """Return a file of a rule; without its name the one by which a job is known to be done."""
        made = RULES[rule]
        return self._path(made, made.files[name or made.mark], wildcards)

    def log(self, rule: str, **wildcards: str | int) -> str:
        """Return the log of a job."""
        return self._path(RULES[rule], f"logs/{_job_name(rule)}.log", wildcards)

    def timing(self, rule: str, **wildcards: str | int) -> str:
        """Return the table of what a job took (Snakemake's benchmark)."""
        return self._path(RULES[rule], f"timings/{_job_name(rule)}.tsv", wildcards)

    def store(self, plate: str = "{plate}") -> str:
        """Return the store of a plate."""
        return f"{self.path}/{plate}/{STORE.format(plate=plate)}"

    @property
    def path(self) -> str:
        """The folder of results, with the root that it starts from."""
        # As Snakemake does with the prefix of a module.
        fixed = self.folder.startswith(("/", ".."))
        return self.folder if fixed else self._root + self.folder

    @property
    def _root(self) -> str:
        return f"{self.root.rstrip('/')}/" if self.root else ""

    def _path(self, rule: Rule, below: str, wildcards: Mapping[str, str | int]) -> str:
        known = _Open(wildcards, results=self.path, root=self._root)
        return f"{_FOLDERS[rule.unit]}/{below}".format_map(known)


def _job_name(rule: str) -> str:
    return _JOBS.get(RULES[rule].unit, "{rule}").replace("{rule}", rule)


def in_plate(folder: Path, rule: str, name: str = "", **wildcards: str) -> Path:
    """Return a file of a rule in the folder of a plate's results."""
    return Path(Results(str(folder.parent)).file(rule, name, plate=folder.name, **wildcards))


def packs_in(folder: Path, rule: str, name: str = "") -> list[Path]:
    """Return the files that the jobs of a rule have made of the packs of a plate."""
    return matching(in_plate(folder, rule, name, pack="pack*"))


def matching(pattern: Path) -> list[Path]:
    """Return the files that fit a path whose name has an asterisk, sorted."""
    return sorted(pattern.parent.glob(pattern.name))


def store_in(folder: Path) -> Path:
    """Return the store in the folder of a plate's results."""
    return folder / STORE.format(plate=folder.name)


def checkpoints_of(store: Path | str) -> Path:
    """Return the folder of the checkpoints of a plate, by its store."""
    return Path(store).parent / CHECKPOINTS


def log_in(folder: Path, rule: str, pack: str = "pack*") -> Path:
    """Return the log of a job (or a pattern of those of all packs) in the folder of a plate."""
    return Path(Results(str(folder.parent)).log(rule, plate=folder.name, pack=pack))


def timings_in(folder: Path, rule: str) -> list[Path]:
    """Return the tables of what the jobs of a rule took, in the folder of a plate."""
    results = Results(str(folder.parent))
    return matching(Path(results.timing(rule, plate=folder.name, pack="pack*")))
