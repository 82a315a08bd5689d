"""Folders of images are recognised or a pattern is proposed; config and sheets are written."""

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
import vendor_exports
import yaml
from conftest import DEMO_IMAGES

from levelfield.cli import main
from levelfield.io.pattern_proposal import propose_pattern
from levelfield.runs.plan import read_plan_file

WELLS = [f"{row}{column:02d}" for row in "ABC" for column in (1, 2, 12)]


@pytest.mark.parametrize(
    "write",
    [
        *(vendor_exports.imagexpress, vendor_exports.operetta, vendor_exports.operetta_v6),
        *(vendor_exports.incell, vendor_exports.companion, vendor_exports.ome_tiff),
        vendor_exports.loaddata,
    ],
)
def test_what_is_written_is_a_config_that_can_run(tmp_path, monkeypatch, write):
    folder = tmp_path / "P"
    folder.mkdir()
    write(folder)
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(folder)]) == 0
    plan = read_plan_file(Path("config/config.yaml"))
    (plate,) = plan.plates.values()
    assert plate.images == folder
    assert len(plate.wells) == 2 if write is not vendor_exports.operetta else 1
    assert plan.config["channels"]


def test_what_is_there_is_not_overwritten_unless_asked(tmp_path, capsys):
    folder = tmp_path / "P"
    folder.mkdir()
    vendor_exports.incell(folder)
    into = ["--into", str(tmp_path / "config")]
    assert main(["init", str(folder), *into]) == 0
    sheet = tmp_path / "config" / "plates.tsv"
    sheet.write_text("mine")
    assert main(["init", str(folder), *into]) == 2
    assert "is there already, and nothing was written" in capsys.readouterr().err
    assert sheet.read_text() == "mine"
    assert main(["init", str(folder), *into, "--force"]) == 0
    assert sheet.read_text() != "mine"


def test_stacks_times_and_sizes_are_in_the_config(tmp_path):
    folder = tmp_path / "P"
    vendor_exports.imagexpress(folder)
    assert main(["init", str(folder), "--into", str(tmp_path)]) == 0
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["images"] == {"format": "imagexpress"}
    assert config["channels"]["TexasRed"]["match"] == "3"
    assert config["channels"]["DAPI"]["projection"] == "stored"
    nuclei = config["objects"]["Nuclei"]
    assert nuclei["channels"] == ["DAPI"]
    assert nuclei["parameters"]["minimum_diameter"] == pytest.approx(5 / 1.3672, rel=1e-2)


def test_plates_that_differ_are_told_apart(tmp_path, capsys):
    vendor_exports.imagexpress(tmp_path / "one")
    (tmp_path / "two").mkdir()
    vendor_exports.incell(tmp_path / "two")
    assert main(["inspect", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for part in ("2 plates", "ImageXpress, 96 wells", "B02, B03", "IN Cell", "1.367 µm"):
        assert part in printed
    assert main(["init", str(tmp_path), "--into", str(tmp_path / "config")]) == 2
    assert "different formats or channels" in capsys.readouterr().err


def test_missing_planes_are_named(tmp_path, capsys):
    vendor_exports.imagexpress(tmp_path)
    next(tmp_path.glob("TimePoint_1/ZStep_2/*B03_s2_w3*")).unlink()
    assert main(["inspect", str(tmp_path)]) == 0
    assert "1 planes: B03 site 2, channel 3 (Texas Red), z 2, time 1" in capsys.readouterr().out


def test_a_pattern_is_proposed_and_what_it_matches_is_shown(tmp_path, capsys):
    assert main(["inspect", str(DEMO_IMAGES)]) == 0
    printed = capsys.readouterr().out
    assert "No format is recognised. A pattern" in printed
    assert "It reads 64 of 64 images" in printed
    assert "Channel1-01-A-01.tif: well A01, site 1, channel 1" in printed


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (
            [f"x_{w}_s{s}_w{c}.TIF" for w in WELLS for s in (1, 2) for c in (1, 2, 3)],
            {"row", "column", "site", "channel"},
        ),
        (
            [f"P-{w}-f{s:02d}-{c}.tif" for w in WELLS for s in (1, 2) for c in ("DAPI", "GFP")],
            {"row", "column", "site", "channel"},
        ),
        (
            [
                f"r0{r}c0{c}f0{s}p0{z}.tif"
                for r in (1, 2)
                for c in (1, 3)
                for s in (1, 2)
                for z in (1, 2)
            ],
            {"row", "column", "site", "channel"},
        ),
        (
            [
                f"exp12_{w}_f{s}_{c}_{uuid5(NAMESPACE_URL, f'{w}{s}{c}')}.TIF"
                for w in WELLS
                for s in (1, 2)
                for c in ("DAPI", "GFP")
            ],
            {"row", "column", "site", "channel"},
        ),
        (
            [
                f"{w}_{s}_{c}_z{z}_t{t}.png"
                for w in WELLS
                for s in (1, 2)
                for c in (1, 2)
                for z in (1, 2)
                for t in (1, 2)
            ],
            {"row", "column", "site", "channel", "z", "time"},
        ),
    ],
)
def test_patterns_come_from_the_names(names, groups):
    import re

    proposal = propose_pattern(names)
    pattern = re.compile(proposal.pattern)
    assert set(pattern.groupindex) == groups
    assert all(pattern.search(name) for name in names)
    assert len({tuple(pattern.search(name).groupdict().items()) for name in names}) == len(names)


def test_names_without_a_well_are_told(tmp_path, capsys):
    for number in range(3):
        vendor_exports.write_image(tmp_path / f"IMG_{number}.tif", number)
    assert main(["init", str(tmp_path), "--into", str(tmp_path / "config")]) == 2
    assert "nothing in their names looks like a well" in capsys.readouterr().err


def test_a_wavelength_without_the_steps_of_another_has_nothing_to_choose(tmp_path):
    export = vendor_exports.imagexpress(tmp_path / "export")
    for step in export.rglob("ZStep_*"):
        for file in step.glob("*_w2*"):
            file.unlink()
    config = tmp_path / "config"
    assert main(["init", str(export), "--into", str(config)]) == 0
    channels = yaml.safe_load((config / "config.yaml").read_text())["channels"].values()
    assert sorted("projection" in channel for channel in channels) == [False, True, True]


@pytest.mark.parametrize(
    "url, told",
    [
        ("s3://someone:hunter2@bucket/plate", "holds a password or token"),
        ("ftp://server/plate", "is no URL that can be read"),
    ],
)
def test_urls_that_cannot_be_used_are_refused_and_no_password_is_repeated(url, told, capsys):
    assert main(["inspect", url]) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert "hunter2" not in printed.err + printed.out


def test_a_folder_without_files_is_told(tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 2
    assert "holds no file" in capsys.readouterr().err
