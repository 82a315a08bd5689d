"""The real workflow on real images: whole, repeated, interrupted, and with bad input."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings

import ngio
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
import zarr
from conftest import REPOSITORY
from ome_zarr_models.v05 import HCS
from workflow_runs import LAYOUT, digests, small_screen

from levelfield.config.wells import row_letters
from levelfield.qc.measures import MEASURES, QUESTIONS
from levelfield.qc.statistics.records import columns_of
from levelfield.qc.verdict.tables import AnswerLine, VerdictLine
from levelfield.qc.wording.advice import WITHHELD

pytestmark = pytest.mark.workflow


def levelfield(*arguments: str, folder) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "levelfield.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small screen, run to its end; tests must not change it."""
    screen = small_screen(tmp_path_factory.mktemp("finished"))
    screen.run_well()
    return screen


@pytest.fixture
def copy(finished, tmp_path):
    """A finished screen that a test may damage."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    screen = type(finished)(tmp_path / "copy")
    for name in ("config.yaml", "plates.tsv"):
        path = screen.folder / name
        path.write_text(path.read_text().replace(str(finished.folder), str(screen.folder)))
    screen.run_well("--touch")
    return screen


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo plate as `make demo` runs it, but in a folder of its own."""
    results = tmp_path_factory.mktemp("demo") / "results"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--profile", "profiles/local"),
            *("--config", f"results={results}", "--nolock"),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return results


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
    told = levelfield("verdict", str(plate), folder=demo).stdout
    assert "report.html" in told
    assert "Nuclei, threshold" in told


def test_the_demo_assay_separates_its_controls(demo):
    readouts = pd.read_csv(demo / "BBBC013-demo" / "readouts.csv").set_index("perturbation")
    assert (readouts["z_prime"] >= 0.5).all()
    assert (readouts["median_negative"] < 1).all()
    assert (readouts["median_positive"] > 1).all()


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


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run_well()


def test_snakemakes_own_report_holds_the_pages(finished):
    path = finished.folder / "report.zip"
    finished.run_well("--report", str(path))
    assert path.stat().st_size > 100_000


@pytest.mark.parametrize(("cores", "packs", "threads"), [("1", 1, 1), ("2", 12, 1), ("2", 2, 2)])
def test_results_are_the_same_bytes_however_work_is_divided(
    finished, tmp_path, cores, packs, threads
):
    other = small_screen(tmp_path / "other")
    steps = ("segment", "measure", "qc_evidence", "fit_illumination")
    other.run_well(
        *("--cores", cores, "--config", f"packs_per_plate={packs}"),
        *("--set-threads", *(f"{step}={threads}" for step in steps)),
    )
    expected, found = digests(finished.results), digests(other.results)
    expected.pop("index.csv"), found.pop("index.csv")  # it holds the paths of the images
    assert found == expected


def test_damaged_labels_are_named_and_only_they_are_made_again(copy):
    before = digests(copy.results)
    store = copy.results / "P.zarr"
    shutil.rmtree(store / "C" / "07" / "1" / "labels")
    labels = zarr.open_array(store / "A" / "12" / "1" / "labels" / "Nuclei" / "0", mode="r+")
    labels[100:110, 100:110] = 7
    told = levelfield("verify", "P", folder=copy.folder)
    assert told.returncode == 1
    assert re.search(r"A12 +1 +Nuclei altered", told.stdout)
    assert re.search(r"C07 +1 +Cells missing", told.stdout)
    untouched = (store / "A" / "01" / "1" / "zarr.json").stat().st_mtime_ns
    printed = copy.run_well()
    assert printed.count("1 fields made") == 2
    assert "0 fields to do" in printed
    assert digests(copy.results) == before
    assert (store / "A" / "01" / "1" / "zarr.json").stat().st_mtime_ns == untouched
    assert levelfield("verify", "P", folder=copy.folder).returncode == 0


def test_verify_of_an_unknown_plate_says_where_it_looked(finished):
    told = levelfield("verify", "Q", folder=finished.folder)
    assert told.returncode == 2
    assert "there is no segmented plate 'Q'" in told.stderr


def test_a_run_killed_in_the_middle_ends_as_an_undisturbed_one(finished, tmp_path):
    screen = small_screen(tmp_path / "killed")
    process = subprocess.Popen(
        screen.arguments(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list(screen.results.glob("P.zarr/*/*/1")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(screen.results.glob("P.zarr/*/*/1")), "no field was written before the deadline"
    assert not (screen.results / "report.html").exists()
    screen.run_well("--unlock")
    screen.run_well()
    expected, found = digests(finished.results), digests(screen.results)
    expected.pop("index.csv"), found.pop("index.csv")
    assert found == expected


def spoil(screen) -> None:
    """Spoil five of the seven wells, each in another way."""
    images = screen.images
    truncated = images / "Channel2-01-A-01.tif"
    truncated.write_bytes(truncated.read_bytes()[:9000])
    tifffile.imwrite(images / "Channel1-13-B-01.tif", np.zeros((640, 640), np.uint8))
    (images / "Channel2-12-A-12.tif").unlink()
    tifffile.imwrite(images / "Channel1-31-C-07.tif", np.ones((512, 640), np.uint8))
    shutil.copy(images / "Channel1-36-C-12.tif", images / "Channel2-36-C-12.tif")


def test_bad_sites_are_left_out_with_a_reason_and_too_many_cost_the_verdict(tmp_path):
    screen = small_screen(tmp_path / "bad")
    spoil(screen)
    printed = screen.run_well()
    excluded = screen.table("excluded_sites.csv").set_index("Metadata_Well")
    assert list(excluded.index) == ["A01", "A12", "B01", "C07", "C12"]
    for well, reason in {
        "A01": "truncated|damaged",
        "A12": "no image of this channel",
        "B01": "every pixel is 0",
        "C07": "512 × 640 px",
        "C12": "same image as channel",
    }.items():
        assert re.search(reason, excluded.loc[well, "reason"]), excluded.loc[well, "reason"]
    assert list(excluded["rule"]) == ["index_plate"] * 2 + ["segment", "index_plate", "segment"]
    assert "Channel2-01-A-01.tif" in excluded.loc["A01", "file"]
    assert set(screen.table("sites.csv")["Metadata_Well"]) == {"B12", "C01"}
    assert "gets no verdict" in printed
    verdict = screen.table("qc/verdict.csv")
    assert set(verdict["verdict"]) == {"undecided"}
    assert set(verdict["reason"]) == {"excluded_sites"}
    assert verdict["advice"].str.startswith(WITHHELD).all()
    assert set(screen.table("qc/answers.csv")["headline"]) == {WITHHELD}
    assert len(screen.table("wells.csv")) == 7


def test_one_bad_site_within_the_limit_keeps_the_verdict(tmp_path):
    screen = small_screen(tmp_path / "one_bad")
    screen.change_config(qc={"excluded_sites_percent": 20})
    tifffile.imwrite(screen.images / "Channel2-31-C-07.tif", np.zeros((640, 640), np.uint8))
    shutil.copy(screen.images / "Channel1-01-A-01.tif", screen.images / "Channel1-99-A-99.tif")
    screen.run_well()
    assert list(screen.table("excluded_sites.csv")["Metadata_Well"]) == ["", "C07"]
    assert int(screen.table("plate.csv").loc[0, "n_excluded"]) == 1  # A99 is no part of the plate
    assert screen.table("plate.csv").loc[0, "within_limit"] in (True, "True")
    assert "excluded_sites" not in set(screen.table("qc/verdict.csv")["reason"])


def test_a_plate_without_positive_controls_runs_to_the_end(tmp_path):
    screen = small_screen(tmp_path / "no_poscon")
    screen.write_layout(LAYOUT.replace("poscon", "trt"))
    screen.run_well()
    verdict = screen.table("qc/verdict.csv")
    difference = verdict[verdict["scope"] == "difference"]
    assert set(difference["verdict"]) == {"undecided"}
    assert set(difference["reason"]) == {"no_wells"}
    assert (screen.results / "report.html").is_file()


def refused(screen, *more: str) -> str:
    """Run a wrong screen; nothing may be written."""
    done = screen.run(*more)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    return done.stdout


def test_an_unknown_config_key_is_refused_before_anything_is_written(tmp_path):
    screen = small_screen(tmp_path / "key")
    screen.change_config(objcts={})
    told = refused(screen)
    assert "'objcts' is not known. Did you mean 'objects'?" in told
    assert not (screen.folder / "results").exists()


def test_a_readout_of_a_feature_that_is_not_measured_is_refused_before_anything_is_written(
    tmp_path,
):
    screen = small_screen(tmp_path / "readout")
    rule = {"numerator": "Nuclei_AreaShape_Aera", "denominator": "Cells_AreaShape_Area"}
    screen.change_config(readouts={"share": rule})
    told = refused(screen)
    assert "readouts.share.numerator" in told
    assert "Did you mean 'Nuclei_AreaShape_Area'?" in told
    assert not (screen.folder / "results").exists()


def test_a_well_that_stands_twice_is_refused(tmp_path):
    screen = small_screen(tmp_path / "twice")
    screen.write_layout(LAYOUT + "a1,trt,x,\n")
    assert "line 9: well A01 stands there a second time (first on line 2)" in refused(screen)
    assert not (screen.folder / "results").exists()


def test_a_missing_layout_column_is_refused(tmp_path):
    screen = small_screen(tmp_path / "column")
    (screen.folder / "layout.csv").write_text("well,perturbation\nA01,x\n")
    assert "the column 'control_type' is missing" in refused(screen)


def test_controls_without_images_stop_the_plate_with_their_names(tmp_path):
    screen = small_screen(tmp_path / "controls")
    screen.write_layout(LAYOUT + "H12,poscon,Wortmannin,\n")
    assert "controls that have no images: H12 (poscon)" in refused(screen)
    assert not (screen.results / "index.csv").exists()


def test_a_pattern_that_matches_nothing_shows_a_file_name(tmp_path):
    screen = small_screen(tmp_path / "pattern")
    images = yaml.safe_load((screen.folder / "config.yaml").read_text())["images"]
    screen.change_config(images=images | {"pattern": r"nothing(?P<well>A01)"})
    told = refused(screen)
    assert "matches none of the 14 images" in told
    assert "Channel1-01-A-01.tif" in told


def test_a_plate_of_384_wells_takes_at_most_35_jobs(tmp_path):
    screen = small_screen(tmp_path / "large")
    wells = [f"{row_letters(row)}{column:02d}" for row in range(1, 17) for column in range(1, 25)]
    screen.write_layout("".join(f"{well},trt,x,\n" for well in wells))
    sheet = screen.folder / "plates.tsv"
    sheet.write_text(sheet.read_text().replace("\t96\n", "\t384\n"))
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    del config["packs_per_plate"]
    (screen.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    printed = screen.run_well("--dry-run", "--quiet", "rules")
    n_jobs = int(re.search(r"^total\s+(\d+)", printed, flags=re.MULTILINE)[1])
    assert n_jobs <= 35
