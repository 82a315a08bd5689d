"""Finished runs that many tests look at, each made once for all of them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from real_images import REPOSITORY
from workflow_runs import Screen, made_once, small_screen


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Screen:
    """A small screen, run to its end; tests must not change it."""
    folder = made_once(tmp_path_factory, "finished", lambda path: small_screen(path).run_well())
    return Screen(folder)


@pytest.fixture
def copy(finished, tmp_path) -> Screen:
    """A finished screen that a test may change."""
    return finished.copy_to(tmp_path / "copy")


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Path:
    """The results of the demo plate, made as `make demo` does, but in a folder of their own."""
    return made_once(tmp_path_factory, "demo", run_demo) / "results"


def run_demo(folder: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--profile", "profiles/local"),
            *("--cores", "2", "--config", f"results={folder / 'results'}", "--nolock"),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]


SITES = r"(?P<well>[A-H]\d\d)_s(?P<site>\d)_w(?P<channel>\d)\.tif$"


@pytest.fixture(scope="session")
def from_zero(tmp_path_factory) -> Screen:
    """Seven wells with one site each, number 0; that of the treated well is empty.

    A review of the nuclei is asked for, and not there yet. One image is of no well of the plate.
    """
    return Screen(made_once(tmp_path_factory, "from_zero", run_from_zero))


def run_from_zero(folder: Path) -> None:
    screen = small_screen(folder)
    for path in sorted(screen.images.glob("*.tif")):
        channel, row, column = re.search(r"Channel(\d)-\d+-([A-H])-(\d\d)", path.name).groups()
        path.rename(path.with_name(f"{row}{column}_s0_w{channel}.tif"))
    tifffile.imwrite(screen.images / "C07_s0_w2.tif", np.zeros((640, 640), np.uint8))
    (screen.images / "A99_s0_w1.tif").write_bytes((screen.images / "A01_s0_w1.tif").read_bytes())
    config = screen.config
    screen.change_config(
        images=config["images"] | {"pattern": SITES},
        objects={"Nuclei": config["objects"]["Nuclei"]},
        readouts={},
        qc={"review": "review.csv", "review_per_class": 30, "excluded_sites_percent": 20},
        packs_per_plate=1,
    )
    screen.run_well()
