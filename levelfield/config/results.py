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
    """The files of a rule.

    Attributes
    ----------
    name : str
        Of the rule.
    unit : str
        What a job works on, a key of the folders.
    files : mapping of str to str
        Patterns below the unit's folder. By the first of them a job is known to be done.
    """

    name: str
    unit: str
    files: Mapping[str, str]

    @property
    def mark(self) -> str:
        """The name of the file by which a job is known to be done."""
        return next(iter(self.files))


def _screen_rules(unit: str) -> tuple[Rule, Rule]:
    tables = {name: f"{name}.csv" for name in ("verdict", "answers", "drift", "plates")}
    return (
        Rule(f"qc_{unit}", unit, tables),
        Rule(f"report_{unit}", unit, {"report": "report.html"}),
    )


_QC_TABLES = (
    *("verdict", "answers", "sites", "wells", "estimates", "counts", "trend", "not_covered"),
    *("confounders", "reviewed", "reviewers", "review_list"),
)

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("fetch_weights", "weights", {"weights": "{weights}"}),
        Rule("train_pixel_classifier", "classifier", {"classifier": "{classifier}.npz"}),
        Rule("index_plate", "plate", {"index": "index.csv"}),
        Rule("create_store", "plate", {"planned": "store.csv"}),
        Rule(
            "fit_illumination",
            "plate",
            {
                "fields": "illumination.npz",
                "table": "illumination.csv",
                "pictures": "illumination/{channel}.png",
            },
        ),
        Rule(
            "collect_training",
            "collection",
            {
                "sheet": "collected.csv",
                "reviews": "reviews.csv",
                "corrections": "corrections.csv",
                "images": "corrected",
            },
        ),
        Rule(
            "train_network",
            "network",
            {
                "weights": "weights.safetensors",
                **{name: f"{name}.csv" for name in ("split", "history", "evaluation")},
                "generations": "generations.csv",
                "losses_picture": "losses.png",
                "generations_picture": "generations.png",
            },
        ),
        Rule("measure_thresholds", "plate", {"thresholds": "thresholds.csv"}),
        Rule("measure_diameters", "plate", {"diameters": "diameters.csv"}),
        Rule("segment", "pack", {"fields": "segment/{pack}.csv"}),
        Rule(
            "measure",
            "pack",
            {
                "image": "measure/Image/{pack}.parquet",
                "objects": "measure/{object_set}/{pack}.parquet",
            },
        ),
        Rule(
            "qc_evidence",
            "pack",
            {
                name: f"qc/{name}/{{pack}}.parquet"
                for name in ("evidence", "pairs", "candidates", "fields")
            },
        ),
        Rule(
            "summarise_plate",
            "plate",
            {
                "sites": "sites.csv",
                "wells": "wells.csv",
                "excluded": "excluded_sites.csv",
                "plate": "plate.csv",
                "readouts": "readouts.csv",
                "objects": "objects/{object_set}.{ending}",
                "anndata": "objects/{object_set}.h5ad",
            },
        ),
        Rule("check_review", "plate", {"checked": "qc/review_checked.csv"}),
        Rule(
            "qc_plate",
            "plate",
            {
                **{name: f"qc/{name}.csv" for name in _QC_TABLES},
                "objects": "qc/objects.parquet",
                "candidates": "qc/candidates.parquet",
            },
        ),
        Rule(
            "evaluate",
            "plate",
            {
                "page": "evaluation/evaluation.html",
                "picture": "evaluation/evaluation.png",
                **{
                    name: f"evaluation/{name}.csv"
                    for name in ("objects", "images", "groups", "references")
                },
            },
        ),
        Rule("qc_truth", "plate", {"truth": "qc/truth.csv"}),
        Rule("report_plate", "plate", {"report": "report.html"}),
        Rule("provenance", "plate", {"crate": "ro-crate-metadata.json"}),
        *_screen_rules("screen"),
        *_screen_rules("partial"),
    )
}
"""All rules that make results, in the order of the work."""


class _Open(dict[str, Any]):
    """Wildcards; what is not given stays open, in braces."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


@dataclass(frozen=True)
class Results:
    """The paths below a folder of results; wildcards that are not given stay open, in braces.

    Attributes
    ----------
    folder : str
        The config's ``results``.
    root : str
        That relative paths start from; where the process runs when left out. Of a workflow that
        is used as a module it is the module's ``prefix``.
    """

    folder: str
    root: str = ""

    def file(self, rule: str, name: str = "", **wildcards: str | int) -> str:
        """Return a file of a rule; without its name the one by which a job is known to be done."""
        made = RULES[rule]
        return self._path(made, made.files[name or made.mark], wildcards)

    def log(self, rule: str, **wildcards: str | int) -> str:
        """Return the log of a job."""
        return self._path(RULES[rule], f"logs/{self._job(rule)}.log", wildcards)

    def timing(self, rule: str, **wildcards: str | int) -> str:
        """Return the table of what a job took (Snakemake's benchmark)."""
        return self._path(RULES[rule], f"timings/{self._job(rule)}.tsv", wildcards)

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

    def _job(self, rule: str) -> str:
        return _JOBS.get(RULES[rule].unit, "{rule}").replace("{rule}", rule)

    def _path(self, rule: Rule, below: str, wildcards: Mapping[str, str | int]) -> str:
        known = _Open(wildcards, results=self.path, root=self._root)
        return f"{_FOLDERS[rule.unit]}/{below}".format_map(known)


def in_plate(folder: Path, rule: str, name: str = "", **wildcards: str) -> Path:
    """Return a file of a rule in the folder of a plate's results."""
    made = RULES[rule]
    return folder / made.files[name or made.mark].format_map(_Open(wildcards))


def store_in(folder: Path) -> Path:
    """Return the store in the folder of a plate's results."""
    return folder / STORE.format(plate=folder.name)


def checkpoints_of(store: Path | str) -> Path:
    """Return the folder of the checkpoints of a plate, by its store."""
    return Path(store).parent / CHECKPOINTS


def log_in(folder: Path, rule: str, pack: str = "*") -> Path:
    """Return the log of a job (or a pattern of those of all packs) in the folder of a plate."""
    return folder / "logs" / f"{_job_name(rule, pack)}.log"


def timings_in(folder: Path, rule: str) -> list[Path]:
    """Return the tables of what the jobs of a rule took, in the folder of a plate."""
    return sorted((folder / "timings").glob(f"{_job_name(rule, 'pack*')}.tsv"))


def _job_name(rule: str, pack: str) -> str:
    return _JOBS.get(RULES[rule].unit, "{rule}").format(rule=rule, pack=pack)
