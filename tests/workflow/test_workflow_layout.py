"""A changed layout or plate sheet makes again what depends on the change, and no more."""

import re

import pandas as pd
import pytest
import yaml
from workflow_runs import LAYOUT, small_screen

pytestmark = pytest.mark.workflow

TABLES_AND_PAGES = {
    **dict.fromkeys(("summarise_plate", "qc_plate", "report_plate", "provenance"), 1),
    **dict.fromkeys(("qc_screen", "report_screen", "whole_screen"), 1),
}


def jobs(printed: str) -> dict[str, int]:
    """Read Snakemake's table of the jobs that it runs."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", printed, re.MULTILINE | re.DOTALL)
    rows = (line.split() for line in table[1].splitlines()) if table else ()
    return {name: int(count) for name, count in rows}


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """A finished screen whose labels depend on the negative controls and on the treated well."""
    screen = small_screen(tmp_path_factory.mktemp("layout"))
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    config["objects"]["Nuclei"]["threshold_from"] = "negcon"
    config["objects"]["Nuclei"]["planted"] = {"control_type": "trt", "drop_percent": 10}
    screen.change_config(**config)
    screen.run_well()
    return screen


def test_another_name_of_a_perturbation_reaches_the_verdict_and_makes_no_labels(screen):
    fields = {path: path.stat().st_mtime_ns for path in screen.results.glob("P.zarr/*/*/1/*.json")}
    assert len(fields) == 7
    screen.write_layout(LAYOUT.replace("Wortmannin", "LY294002"))
    assert jobs(screen.run_well()) == TABLES_AND_PAGES
    assert {path: path.stat().st_mtime_ns for path in fields} == fields
    named = set(screen.table("qc/verdict.csv")["perturbation"])
    assert "LY294002" in named and "Wortmannin" not in named
    assert "Wortmannin" not in (screen.results / "report.html").read_text().split("<body>")[1]
    assert "Nothing to be done" in screen.run_well()


@pytest.mark.parametrize(
    ("well", "control_type", "again"),
    [
        ("A12", "empty", {}),  # neither sampled for the threshold nor planted into
        ("B01", "empty", {"measure_thresholds": 1, "segment": 2}),
        ("A12", "trt", {"segment": 1}),  # planted into from now on, in the first pack
        ("C07", "poscon", {"segment": 1}),
        ("C07", "negcon", {"measure_thresholds": 1, "segment": 2}),
    ],
)
def test_control_types_make_labels_again_only_where_these_depend_on_them(
    screen, well, control_type, again
):
    before = (screen.folder / "layout.csv").read_text()
    after = re.sub(rf"^{well},\w+", f"{well},{control_type}", before, flags=re.MULTILINE)
    assert after != before
    (screen.folder / "layout.csv").write_text(after)
    planned = jobs(screen.run_well("--dry-run", "--quiet", "rules"))
    (screen.folder / "layout.csv").write_text(before)
    n_packs = again.get("segment", 0)
    follows = dict.fromkeys(("measure", "qc_evidence"), n_packs) if n_packs else {}
    assert planned == TABLES_AND_PAGES | again | follows


def test_a_date_of_imaging_reaches_the_screen_and_makes_no_labels(screen):
    sheet = screen.folder / "plates.tsv"
    header, row = sheet.read_text().splitlines()
    for date in ("", "2026-11-25"):
        sheet.write_text(f"{header}\tdate\n{row}\t{date}\n")
        planned = jobs(screen.run_well("--dry-run", "--quiet", "rules"))
        assert planned == (TABLES_AND_PAGES if date else {})
    assert jobs(screen.run_well()) == TABLES_AND_PAGES
    assert list(screen.table("plate.csv")["Metadata_Date"]) == [date]
    assert set(pd.read_csv(screen.folder / "results/screen/drift.csv")["date"]) == {date}
    sheet.write_text(f"{header}\tdate\n{row}\t25.11.2026\n")
    done = screen.run("--dry-run")
    sheet.write_text(f"{header}\tdate\n{row}\t{date}\n")
    assert done.returncode != 0
    assert f"{sheet}, line 2: column 'date' holds '25.11.2026'" in done.stdout
    assert "ISO 8601" in done.stdout


def test_a_well_that_is_called_a_control_later_must_have_images(screen):
    before = (screen.folder / "layout.csv").read_text()
    with_gap = before + "H12,trt,nothing,\n"
    screen.write_layout(with_gap.split("\n", 1)[1])
    screen.run_well("--", "results/P/index.csv")
    (screen.folder / "layout.csv").write_text(with_gap.replace("H12,trt", "H12,poscon"))
    done = screen.run("--", "results/P/wells.csv")
    (screen.folder / "layout.csv").write_text(before)
    assert done.returncode != 0
    assert "controls that have no images: H12 (poscon)" in done.stdout
