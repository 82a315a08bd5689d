"""The real workflow on an export whose sites are numbered from 0."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from workflow_runs import small_screen

from levelfield.io.store import read_labels

pytestmark = pytest.mark.workflow

PATTERN = r"(?P<well>[A-H]\d\d)_s(?P<site>\d)_w(?P<channel>\d)\.tif$"


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """Seven wells with one site each, number 0; that of the treated well is empty."""
    screen = small_screen(tmp_path_factory.mktemp("from_zero"))
    for path in sorted(screen.images.glob("*.tif")):
        channel, row, column = re.search(r"Channel(\d)-\d+-([A-H])-(\d\d)", path.name).groups()
        path.rename(path.with_name(f"{row}{column}_s0_w{channel}.tif"))
    tifffile.imwrite(screen.images / "C07_s0_w1.tif", np.zeros((640, 640), np.uint8))
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    screen.change_config(images=config["images"] | {"pattern": PATTERN})
    screen.run_well()
    return screen


def levelfield(screen, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "levelfield.cli", *arguments],
        cwd=screen.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_tables_have_the_number_of_the_export(screen):
    for table in ("sites.csv", "qc/sites.csv", "qc/review_list.csv"):
        sites = screen.table(table)
        column = "site" if "site" in sites else "Metadata_Site"
        assert set(sites[column]) == {0}, table
    assert set(pd.read_parquet(screen.results / "objects/Nuclei.parquet")["Metadata_Site"]) == {0}
    assert read_labels(screen.results / "P.zarr", "A01", 0, "Nuclei").any()


def test_a_site_0_that_is_left_out_is_a_site_and_no_job(screen):
    excluded = screen.table("excluded_sites.csv")
    assert excluded[["Metadata_Well", "Metadata_Site"]].to_numpy().tolist() == [["C07", 0]]
    failures = screen.table("failures.csv")
    assert list(failures["site"]) == [0]
    assert failures["log"].str.contains("segment_").all()
    page = (screen.results / "report.html").read_text()
    assert '<td>C07</td><td class="number">0</td>' in page


def test_the_commands_take_sites_from_0(screen):
    assert levelfield(screen, "verify", "P").returncode == 0
    assert levelfield(screen, "verdict", "P").returncode == 0
    told = levelfield(screen, "status", "--configfile", "config.yaml")
    assert told.returncode == 0, told.stderr
    labels = screen.results / "P.zarr" / "A" / "12" / "0" / "labels" / "Cells"
    for path in sorted(labels.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    told = levelfield(screen, "verify", "P")
    assert told.returncode == 1
    assert re.search(r"A12 +0 +Cells missing", told.stdout)
