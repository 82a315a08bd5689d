"""The demo plate and a small screen, run whole: what a person then has."""

import re
import subprocess
import sys
import warnings

import ngio
import numpy as np
import pandas as pd
import pytest
import yaml
import zarr
from ome_zarr_models.v05 import HCS
from workflow_runs import small_screen

from levelfield.config.wells import row_letters
from levelfield.qc.statistics.records import columns_of
from levelfield.qc.verdict.tables import AnswerLine, VerdictLine
from levelfield.questions import MEASURES, QUESTIONS

pytestmark = pytest.mark.workflow


def levelfield(folder, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "levelfield.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.installed
def test_the_demo_ends_with_a_verdict_and_a_report(demo):
    plate = demo / "BBBC013-demo"
    verdict = pd.read_csv(plate / "qc" / "verdict.csv")
    assert list(verdict.columns) == columns_of(VerdictLine)
    drugs = {"LY294002", "Wortmannin"}
    assert set(verdict.loc[verdict["scope"] == "difference", "perturbation"]) == drugs
    rows = verdict.groupby(["object_set", "measure", "scope"]).size()
    assert len(rows) == 2 * len(MEASURES) * 3 and set(rows) == {len(drugs)}
    answers = pd.read_csv(plate / "qc" / "answers.csv")
    assert list(answers.columns) == columns_of(AnswerLine)
    assert set(zip(answers["object_set"], answers["question"], strict=True)) == {
        (name, question) for name in ("Nuclei", "Cells") for question in QUESTIONS
    }
    worst = verdict[verdict["is_worst"]]
    keys = ["object_set", "question", "verdict"]
    assert set(worst[keys].itertuples(index=False, name=None)) == set(
        answers[keys].itertuples(index=False, name=None)
    )
    page = (plate / "report.html").read_text()
    assert "<img" in page
    assert not re.search(r'(src|href)="https?://[^"]*\.(js|css|png)', page)
    told = levelfield(demo, "verdict", str(plate)).stdout
    assert "report.html" in told
    assert "Nuclei, threshold" in told


@pytest.mark.installed
def test_the_demo_assay_separates_its_controls(demo):
    readouts = pd.read_csv(demo / "BBBC013-demo" / "readouts.csv").set_index("perturbation")
    assert (readouts["z_prime"] >= 0.5).all()
    assert (readouts["median_negative"] < 1).all()
    assert (readouts["median_positive"] > 1).all()


@pytest.mark.installed
def test_the_demo_nuclei_lie_over_their_images(demo):
    store = demo / "BBBC013-demo" / "BBBC013-demo.zarr"
    HCS.from_zarr(zarr.open_group(store, mode="r"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plate = ngio.open_ome_zarr_plate(str(store))
        assert len(plate.wells_paths()) == 32
        container = plate.get_image("A", 1, "1")
    labels = np.squeeze(container.get_label("Nuclei").get_array())
    dna = container.get_image().get_array(channel_selection="DNA").squeeze()
    assert np.median(dna[labels > 0]) > 4 * np.median(dna[labels == 0])
    cells = np.squeeze(container.get_label("Cells").get_array())
    assert np.array_equal(cells[labels > 0], labels[labels > 0])


@pytest.mark.installed
def test_the_demo_tables_fit_each_other(demo):
    plate = demo / "BBBC013-demo"
    sites = pd.read_csv(plate / "sites.csv")
    nuclei = pd.read_parquet(plate / "objects" / "Nuclei.parquet")
    cells = pd.read_parquet(plate / "objects" / "Cells.parquet")
    assert len(nuclei) == sites["Count_Nuclei"].sum()
    assert (nuclei["Metadata_ObjectNumber"] == cells["Metadata_ObjectNumber"]).all()
    assert (cells["Cells_Parent_Nuclei"] == cells["Metadata_ObjectNumber"]).all()
    assert (nuclei["Nuclei_Children_Cells_Count"] == 1).all()
    wells = pd.read_csv(plate / "wells.csv").set_index("Metadata_Well")
    median = nuclei.groupby("Metadata_Well")["Nuclei_AreaShape_Area"].median()
    assert np.allclose(wells.loc[median.index, "Nuclei_AreaShape_Area"], median)
    assert len(wells) == 32
    assert (plate / "ro-crate-metadata.json").is_file()


def test_a_second_run_does_nothing(copy):
    assert "Nothing to be done" in copy.run_well()


def test_snakemakes_own_report_holds_the_pages(copy):
    path = copy.folder / "report.zip"
    copy.run_well("--report", str(path))
    assert path.stat().st_size > 100_000


def test_a_plate_of_384_wells_takes_at_most_35_jobs(tmp_path):
    screen = small_screen(tmp_path / "large")
    wells = [f"{row_letters(row)}{column:02d}" for row in range(1, 17) for column in range(1, 25)]
    screen.write_layout("".join(f"{well},trt,x,\n" for well in wells))
    sheet = screen.folder / "plates.tsv"
    sheet.write_text(sheet.read_text().replace("\t96\n", "\t384\n"))
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    del config["packs_per_plate"]
    config["images"]["left_out_percent"] = 100  # no images but those of seven wells
    (screen.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    printed = screen.run_well("--dry-run", "--quiet", "rules")
    n_jobs = int(re.search(r"^total\s+(\d+)", printed, flags=re.MULTILINE)[1])
    assert n_jobs <= 35
