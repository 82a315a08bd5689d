"""Runs the real workflow, through snakemake as a subprocess, in a folder of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
import zarr
from filelock import FileLock
from pytest import TempPathFactory
from real_images import BBBC013 as DEMO_IMAGES
from real_images import REPOSITORY
from warm_python import warm_python


@dataclass
class Screen:
    """A folder with a config, sheets and images, in which the workflow runs."""

    folder: Path

    @property
    def images(self) -> Path:
        return self.folder / "images" / "P"

    @property
    def results(self) -> Path:
        return self.folder / "results" / "P"

    def copy_to(self, folder: Path) -> Screen:
        """Copy all of it, times and Snakemake's records included: in the copy nothing is to do."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return type(self)(folder)

    def arguments(self, *more: str) -> list[str]:
        config = str(self.folder / "config.yaml")
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(self.folder)),
            *("--profile", str(REPOSITORY / "profiles" / "local"), "--cores", "2"),
            *("--configfile", config, *more),
        ]

    def run(self, *more: str) -> subprocess.CompletedProcess:
        """Run the workflow; stdout and stderr come back together."""
        return subprocess.run(
            [warm_python(), *self.arguments(*more)[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run_well(self, *more: str) -> str:
        """Run the workflow, which must succeed; return what it printed."""
        done = self.run(*more)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def levelfield(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the command line in the screen's folder."""
        command = [warm_python(), "-m", "levelfield.cli", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    @property
    def config(self) -> dict:
        return yaml.safe_load((self.folder / "config.yaml").read_text())

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.results / name, keep_default_na=False)

    def change_config(self, **sections: object) -> None:
        text = yaml.safe_dump(self.config | sections, sort_keys=False)
        (self.folder / "config.yaml").write_text(text)

    def write_layout(self, rows: str) -> None:
        header = "well,control_type,perturbation,control_group\n"
        (self.folder / "layout.csv").write_text(header + rows)


LAYOUT = """\
A01,negcon,no drug,
A12,poscon,Wortmannin,
B01,negcon,no drug,
B12,poscon,Wortmannin,
C01,negcon,no drug,
C07,trt,Wortmannin,
C12,poscon,Wortmannin,
"""


# Whole fields and tables, up to the verdict; after `--`, or they would be further config files.
VERDICT = ("--", "results/P/qc/verdict.csv", "results/P/readouts.csv")
# What a review does again.
QC_RULES = {"check_review", "qc_plate", "qc_screen", "report_plate", "report_screen", "provenance"}
ONE_PACK = ("--", "results/P/segment/pack1.csv")


def small_screen(folder: Path, **sections: object) -> Screen:
    """Make a screen of one plate with seven wells of the demo plate.

    All paths in it are relative, so that a copy of its folder is a screen of its own. The sections
    replace those of the config.
    """
    screen = Screen(folder)
    screen.images.mkdir(parents=True)
    for row in LAYOUT.splitlines():
        well = row.split(",")[0]
        for path in DEMO_IMAGES.glob(f"*-{well[0]}-{well[1:]}.tif"):
            shutil.copy(path, screen.images)
    screen.write_layout(LAYOUT)
    sheet = "plate\timages\tlayout\twells\nP\timages/P\tlayout.csv\t96\n"
    (folder / "plates.tsv").write_text(sheet)
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config |= {
        "plates": "plates.tsv",
        "measurement": {"families": ["AreaShape", "Intensity", "Location"]},
        "packs_per_plate": 2,
    }
    config |= sections
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return screen


def made_once(factory: TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first of pytest's workers fills, while the others wait for it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            assert not folder.exists(), f"{folder} could not be made by another worker"
            make(folder)
            done.touch()
    return folder


IDENTICAL = ("index.csv", "sites.csv", "wells.csv", "readouts.csv", "excluded_sites.csv")


def digests(results: Path) -> dict[str, str]:
    """Return the sha256 of all that must be the same bytes in every run."""
    tables = [results / name for name in IDENTICAL]
    tables += [*(results / "objects").iterdir(), *(p for p in (results / "qc").iterdir())]
    found = {
        path.name if path.parent == results else f"{path.parent.name}/{path.name}": _sha256(
            path.read_bytes()
        )
        for path in sorted(tables)
        if path.is_file()
    }
    for array in sorted(results.glob("*.zarr/*/*/[0-9]*/labels/*/0")):
        pixels = np.asarray(zarr.open_array(array, mode="r"))
        found["/".join(array.parts[-6:-1])] = _sha256(pixels.tobytes())
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
