"""Images, layouts and configs that are wrong: what is left out, what is refused, and how."""

import re
import shutil

import numpy as np
import pytest
import tifffile
from workflow_runs import LAYOUT, small_screen

from levelfield.qc.wording.advice import WITHHELD

pytestmark = pytest.mark.workflow


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
    screen = small_screen(tmp_path / "bad", packs_per_plate=1)
    spoil(screen)
    # Unusable images are left out when they are listed, and with too many the run stops there.
    screen.change_config(images=screen.config["images"] | {"left_out_percent": 60})
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


def test_a_plate_without_positive_controls_runs_to_the_end(copy):
    copy.write_layout(LAYOUT.replace("poscon", "trt"))
    (copy.results / "report.html").unlink()
    copy.run_well()
    verdict = copy.table("qc/verdict.csv")
    difference = verdict[verdict["scope"] == "difference"]
    assert set(difference["verdict"]) == {"undecided"}
    assert set(difference["reason"]) == {"no_wells"}
    assert (copy.results / "report.html").is_file()


def test_verify_of_an_unknown_plate_says_where_it_looked(finished):
    told = finished.levelfield("verify", "Q")
    assert told.returncode == 2
    assert "there is no segmented plate 'Q'" in told.stderr


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


@pytest.mark.parametrize(
    ("row", "says", "unwritten"),
    [
        ("a1,trt,x,", "line 9: well A01 is a duplicate (first on line 2)", "results"),
        ("H12,poscon,Wortmannin,", "controls that have no images: H12 (poscon)", "index.csv"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(tmp_path, row, says, unwritten):
    screen = small_screen(tmp_path / "layout")
    screen.write_layout(f"{LAYOUT}{row}\n")
    assert says in refused(screen)
    assert not list(screen.folder.rglob(unwritten))


def test_a_missing_layout_column_is_refused(tmp_path):
    screen = small_screen(tmp_path / "column")
    (screen.folder / "layout.csv").write_text("well,perturbation\nA01,x\n")
    assert "the column 'control_type' is missing" in refused(screen)


def test_a_pattern_that_matches_nothing_shows_a_file_name(tmp_path):
    screen = small_screen(tmp_path / "pattern")
    screen.change_config(images=screen.config["images"] | {"pattern": r"nothing(?P<well>A01)"})
    told = refused(screen)
    assert "matches none of the 14 images" in told
    assert "Channel1-01-A-01.tif" in told


def test_weights_with_a_wrong_checksum_stop_before_the_first_job(tmp_path):
    screen = small_screen(tmp_path)
    (tmp_path / "mine.pth").write_bytes(b"changed")
    screen.change_config(
        objects={"Nuclei": {"method": "cellpose", "weights": "mine"}},
        readouts={},
        weights={"mine": {"source": str(tmp_path / "mine.pth"), "sha256": "0" * 64}},
        weights_cache=str(tmp_path / "cache"),
    )
    assert "mine.pth' is not the file that the config names" in refused(screen)
    assert not (tmp_path / "results").exists()
