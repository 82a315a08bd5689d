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

REVIEW = "review.csv"
"""In the folder of a plate: what people said of it, where the config names no other sheet."""

CHECKPOINTS = "unfinished"
"""In the folder of a plate: fields of jobs that were cut off."""

EVENTS = ".snakemake/levelfield"
"""In the folder of a run: what the logger plugin notes, a file of JSON lines for each run."""


@dataclass(frozen=True)
class Rule:
    """The files of a rule: patterns below the folder of the unit that a job works on."""

    name: str
    unit: str
    files: dict[str, str]

    @property
    def mark(self) -> str:
        """The name of the file by which a job is known to be done."""
        return next(iter(self.files))


# Every job reads this file, so it knows the files of levelfield.qc.tables by their names alone.
_OTHER_TABLES = sorted(
    path.stem
    for path in (Path(__file__).parents[1] / "qc" / "tables").glob("*.py")
    if path.stem[0] != "_"
)
_QC_TABLES = "verdict answers sites wells estimates not_covered reviewed reviewers review_list"
# Every rule, in the order of the work: the unit that a job works on, and the files that it makes
# below the unit's folder, with their names in place of an asterisk. By the first file of a rule a
# job is known to be done.
_FILES = (
    ("fetch_weights", "weights", "{weights}", "weights"),
    ("train_pixel_classifier", "classifier", "{classifier}.npz", "classifier"),
    ("index_plate", "plate", "*.csv", "index"),
    ("create_store", "plate", "store.csv", "planned"),
    ("fit_illumination", "plate", "illumination.npz", "fields"),
    ("fit_illumination", "plate", "illumination.csv", "table"),
    ("fit_illumination", "plate", "illumination/{channel}.png", "pictures"),
    ("collect_training", "collection", "collected.csv", "sheet"),
    ("collect_training", "collection", "*.csv", "reviews corrections"),
    ("collect_training", "collection", "corrected", "images"),
    ("train_network", "network", "*.safetensors", "weights"),
    ("train_network", "network", "*.csv", "split history evaluation generations"),
    ("train_network", "network", "losses.png", "losses_picture"),
    ("train_network", "network", "generations.png", "generations_picture"),
    ("measure_thresholds", "plate", "*.csv", "thresholds"),
    ("measure_diameters", "plate", "*.csv", "diameters"),
    ("segment", "pack", "segment/{pack}.csv", "fields"),
    ("measure", "pack", "measure/Image/{pack}.parquet", "image"),
    ("measure", "pack", "measure/{object_set}/{pack}.parquet", "objects"),
    ("measure", "pack", "thumbnails/{pack}.parquet", "thumbnails"),
    ("qc_evidence", "pack", "qc/*/{pack}.parquet", "evidence pairs candidates fields"),
    ("qc_collages", "plate", "qc/*.csv", "collages planted_read"),
    ("qc_collages", "plate", "qc/collages.png", "sheet"),
    ("summarise_plate", "plate", "*.csv", "sites wells plate readouts image_quality"),
    ("summarise_plate", "plate", "excluded_sites.csv", "excluded"),
    ("summarise_plate", "plate", "objects/{object_set}.{ending}", "objects"),
    ("summarise_plate", "plate", "objects/{object_set}.h5ad", "anndata"),
    ("check_review", "plate", "qc/review_checked.csv", "checked"),
    ("qc_plate", "plate", "qc/*.csv", _QC_TABLES),
    ("qc_plate", "plate", "qc/*.csv", " ".join(_OTHER_TABLES)),
    ("qc_plate", "plate", "qc/*.parquet", "objects candidates"),
    ("review_page", "plate", "qc/review.html", "page"),
    ("evaluate", "plate", "evaluation/evaluation.html", "page"),
    ("evaluate", "plate", "evaluation/evaluation.png", "picture"),
    ("evaluate", "plate", "evaluation/*.csv", "objects images groups references"),
    ("qc_truth", "plate", "qc/*.csv", "truth"),
    ("report_plate", "plate", "*.html", "report"),
    ("report_plate", "plate", "browser", "browser"),
    ("provenance", "plate", "ro-crate-metadata.json", "crate"),
    ("qc_screen", "screen", "*.csv", "verdict answers drift plates review_plan"),
    ("report_screen", "screen", "*.html", "report"),
    ("qc_partial", "partial", "*.csv", "verdict answers drift plates review_plan"),
    ("report_partial", "partial", "*.html", "report"),
)


def _rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for rule, unit, pattern, names in _FILES:
        files = rules.setdefault(rule, Rule(rule, unit, {})).files
        files.update({name: pattern.replace("*", name) for name in names.split()})
    return rules


RULES = _rules()
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
