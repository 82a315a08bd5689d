"""Collages by the real workflow."""

import pandas as pd
import pytest
from PIL import Image

from levelfield.config.layouts import read_layout
from levelfield.config.settings import Science
from levelfield.io.tables import read_csv, write_csv
from levelfield.qc.collage.read_back import PLANTED
from levelfield.qc.collage.reading import MEASURES_READ
from levelfield.runs.plan import read_plan
from levelfield.steps.collages import collage_job, plate_collages, plate_references, sound_classes
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.qc_evidence import judged_sets
from levelfield.steps.segment import JobInputs

pytestmark = pytest.mark.workflow


def test_collages_are_read_and_shown_and_the_verdict_stays(copy, monkeypatch):
    verdict = (copy.results / "qc" / "verdict.csv").read_bytes()
    copy.change_config(qc={"collages": {"make": True, "plant": True, "windows_per_class": 4}})
    copy.run_well()
    assert (copy.results / "qc" / "verdict.csv").read_bytes() == verdict
    table = copy.table("qc/collages.csv")
    nuclei, cells = (table[table["object_set"] == name] for name in ("Nuclei", "Cells"))
    assert len(nuclei) == len(cells) == 2 * len(MEASURES_READ)
    assert set(nuclei["scope"]) == {"negcon", "poscon"}
    assert (nuclei["n_collages"] == 4).all()
    # A good segmentation of isolated objects: few errors, and none that is read as many.
    assert (nuclei["n_objects"] > 50).all()
    assert nuclei[["reading", "truth"]].astype(float).abs().max().max() < 15
    assert cells["note"].str.contains("grown from others").all()
    width, height = Image.open(copy.results / "qc" / "collages.png").size
    assert width > 6 * 190
    assert height > 2 * 190
    assert '<section id="collages">' in (copy.results / "report.html").read_text()
    check_what_was_planted(copy.table("qc/planted_read.csv"))
    check_that_processes_do_not_matter(copy, monkeypatch)


def check_what_was_planted(table):
    """Errors planted into good labels are read, the larger as more, and outlines best."""
    assert set(table["object_set"]) == {"Nuclei"}
    assert len(table) == 2 * len(PLANTED)
    for _, own in table.groupby("scope"):
        by_error = own.set_index(["error", "amount"])
        for error in ("split_percent", "merge_percent"):
            small, large = (by_error.loc[(error, amount)] for amount in (5, 10))
            assert 2 < small["planted"] < large["planted"] < 13
            assert 0 < small["read"] < large["read"]
        for amount in (1, -1):
            moved = by_error.loc[("grow_px", amount)]
            assert abs(moved["planted"] - amount) < 0.4
            assert abs(moved["read"] - moved["planted"]) < 0.4
        dropped = by_error.loc[("drop_percent", 10)]
        assert dropped["read"] > 0.4 * dropped["planted"] > 3


def check_that_processes_do_not_matter(screen, monkeypatch):
    """The same in this process, from what the run left."""
    monkeypatch.chdir(screen.folder)
    plan = read_plan(screen.config, "config.yaml")
    science, results = Science(plan.config), screen.results
    index = read_csv(results / "index.csv")
    flat_fields = read_flat_fields(results / "illumination.npz")
    packs = sorted((results / "qc" / "evidence").glob("*.parquet"))
    job = collage_job(
        *("P", results / "P.zarr", index, science, flat_fields, JobInputs()),
        plate_references(packs[::-1]),
    )
    segmented = pd.concat([read_csv(path) for path in sorted((results / "segment").glob("*.csv"))])
    layout = read_layout(screen.folder / "layout.csv", 96)
    classes = sound_classes(layout, segmented, judged_sets(science))
    made = plate_collages(classes, job, 1)
    for table, name in ((made.table, "collages"), (made.planted, "planted_read")):
        again = screen.folder / f"{name}_again.csv"
        write_csv(table, again)
        assert again.read_bytes() == (results / "qc" / f"{name}.csv").read_bytes()
    assert made.sheet == (results / "qc" / "collages.png").read_bytes()
