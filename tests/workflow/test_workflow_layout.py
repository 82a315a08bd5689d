"""A changed layout or plate sheet makes again what depends on the change, and no more."""

import re

import pandas as pd
import pytest
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


def plan(screen) -> dict[str, int]:
    """The jobs that a run would make."""
    return jobs(screen.run_well("--dry-run", "--quiet", "rules"))


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """A finished screen whose labels depend on the negative controls and on the treated well."""
    screen = small_screen(tmp_path_factory.mktemp("layout"))
    objects = screen.config["objects"]
    objects["Nuclei"]["threshold_from"] = "negcon"
    objects["Nuclei"]["planted"] = {"control_type": "trt", "drop_percent": 10}
    images = screen.config["images"] | {"left_out_percent": 20}  # a test adds a well without any
    screen.change_config(objects=objects, images=images)
    screen.run_well()
    return screen


def test_a_date_or_another_name_of_a_perturbation_plans_tables_and_pages_alone(screen):
    sheet = screen.folder / "plates.tsv"
    before = sheet.read_text()
    header, row = before.splitlines()
    for date in ("", "2026-11-25"):
        sheet.write_text(f"{header}\tdate\n{row}\t{date}\n")
        assert plan(screen) == (TABLES_AND_PAGES if date else {})
    sheet.write_text(f"{header}\tdate\n{row}\t25.11.2026\n")
    done = screen.run("--dry-run")
    sheet.write_text(before)
    assert done.returncode != 0
    assert "plates.tsv, line 2: column 'date' holds '25.11.2026'" in done.stdout
    assert "ISO 8601" in done.stdout
    screen.write_layout(LAYOUT.replace("Wortmannin", "LY294002"))
    assert plan(screen) == TABLES_AND_PAGES
    screen.write_layout(LAYOUT)


def test_they_reach_the_verdict_and_the_screen_and_make_no_labels(screen):
    fields = {path: path.stat().st_mtime_ns for path in screen.results.glob("P.zarr/*/*/1/*.json")}
    assert len(fields) == 7
    screen.write_layout(LAYOUT.replace("Wortmannin", "LY294002"))
    header, row = (screen.folder / "plates.tsv").read_text().splitlines()
    (screen.folder / "plates.tsv").write_text(f"{header}\tdate\n{row}\t2026-11-25\n")
    assert jobs(screen.run_well()) == TABLES_AND_PAGES
    assert {path: path.stat().st_mtime_ns for path in fields} == fields
    named = set(screen.table("qc/verdict.csv")["perturbation"])
    assert "LY294002" in named and "Wortmannin" not in named
    assert "Wortmannin" not in (screen.results / "report.html").read_text().split("<body>")[1]
    assert list(screen.table("plate.csv")["Metadata_Date"]) == ["2026-11-25"]
    drift = pd.read_csv(screen.folder / "results/screen/drift.csv")
    assert set(drift["date"]) == {"2026-11-25"}
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
    planned = plan(screen)
    (screen.folder / "layout.csv").write_text(before)
    n_packs = again.get("segment", 0)
    follows = dict.fromkeys(("measure", "qc_evidence"), n_packs) if n_packs else {}
    assert planned == TABLES_AND_PAGES | again | follows


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
