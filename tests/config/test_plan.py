"""Wells, layouts, plates and packs, and what is said of wrong sheets."""

from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from levelfield.config.layouts import read_layout
from levelfield.config.plate_parameters import objects_of
from levelfield.config.plates import divide_into_packs, read_plates
from levelfield.config.sheets import ConfigError, SheetError
from levelfield.config.wells import (
    PLATE_SHAPES,
    check_well_on_plate,
    parse_well,
    row_column,
    row_letters,
)
from levelfield.runs.plan import read_plan, read_plan_file

LAYOUT = "well,control_type,perturbation\nA01,negcon,DMSO\nA02,poscon,drug\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", ["A01", "a1", "A1", "A-01", "r01c01", "R1C1", " a01 "])
def test_a_well_is_read_however_it_is_written(text):
    assert parse_well(text) == "A01"


@pytest.mark.parametrize("text", ["AG01", "A49", "A00", "1A", "", "A", "r33c01", "ABC1"])
def test_what_is_no_well_is_refused(text):
    with pytest.raises(ValueError, match="well"):
        parse_well(text)


@given(st.integers(1, 32), st.integers(1, 48), st.booleans())
def test_every_well_of_the_largest_plate_comes_back(row, column, by_number):
    text = f"r{row:02d}c{column:02d}" if by_number else f"{row_letters(row)}{column}"
    assert row_column(parse_well(text)) == (row, column)


@pytest.mark.parametrize(("n_wells", "last"), [(6, "B03"), (96, "H12"), (1536, "AF48")])
def test_the_last_well_exists_and_the_next_does_not(n_wells, last):
    check_well_on_plate(last, n_wells)
    row, column = row_column(last)
    with pytest.raises(ValueError, match=f"cannot exist on a {n_wells}-well plate"):
        check_well_on_plate(f"{row_letters(row)}{column + 1:02d}", n_wells)


def test_plate_formats_have_as_many_wells_as_they_say():
    assert all(rows * columns == n for n, (rows, columns) in PLATE_SHAPES.items())


@given(st.integers(1, 384), st.integers(1, 40))
def test_packs_hold_every_well_once_and_in_order(n_wells, n_packs):
    wells = [f"W{i}" for i in range(n_wells)]
    packs = divide_into_packs(wells, n_packs)
    assert [well for pack in packs.values() for well in pack] == wells
    sizes = [len(pack) for pack in packs.values()]
    assert len(packs) == min(n_packs, n_wells)
    assert max(sizes) - min(sizes) <= 1
    assert list(packs) == sorted(packs)


def test_a_layout_is_read_in_plate_order(tmp_path, schemas):
    text = "well,control_type\nb1,trt\nA10,negcon\nA2,poscon\n"
    layout = read_layout(write(tmp_path / "l.csv", text), 96, schemas["layout"])
    assert list(layout["Metadata_Well"]) == ["A02", "A10", "B01"]
    assert list(layout["Metadata_Perturbation"]) == ["poscon", "negcon", "trt"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("well,perturbation\nA01,DMSO\n", ["line 1", "'control_type' is missing"]),
        ("well,control_typ\nA01,negcon\n", ["line 1", "'control_type' is missing"]),
        (
            "well,control_type,pertubation\nA01,negcon,x\n",
            ["'pertubation' is not known", "Did you mean 'perturbation'"],
        ),
        ("well,control_type\nA01,negcon\na1,trt\n", ["line 3", "A01 is a duplicate"]),
        ("well,control_type\nA01,negativ\n", ["line 2", "'negativ'", "negcon, poscon, trt, empty"]),
        ("well,control_type\nI01,negcon\n", ["line 2", "I01 cannot exist on a 96-well plate"]),
        ("well,control_type\nA01,\n", ["line 2", "control_type"]),
        ("well,control_type,concentration\nA01,trt,high\n", ["line 2", "'high'", "a number"]),
        ("well,control_type\n", ["no rows"]),
        ("well,control_type,Metadata_Well\nA01,trt,x\n", ["'Metadata_Well'", "Rename it"]),
        ("", ["cannot be read"]),
    ],
)
def test_a_wrong_layout_is_refused_with_file_line_and_remedy(tmp_path, schemas, text, says):
    path = write(tmp_path / "layout.csv", text)
    with pytest.raises(SheetError) as error:
        read_layout(path, 96, schemas["layout"])
    assert all(part in str(error.value) for part in [str(path), *says])


def test_a_missing_layout_names_its_path(tmp_path, schemas):
    with pytest.raises(SheetError, match="there is no such file"):
        read_layout(tmp_path / "nowhere.csv", 96, schemas["layout"])


def plates_config(tmp_path: Path, plates: str) -> dict:
    (tmp_path / "images").mkdir(exist_ok=True)
    layout = write(tmp_path / "layout.csv", LAYOUT)
    sheet = write(tmp_path / "plates.tsv", plates.replace("LAYOUT", str(layout)))
    return {"plates": str(sheet), "data_folder": str(tmp_path), "packs_per_plate": 8}


def test_the_plan_of_a_screen(tmp_path, schemas):
    text = "plate\timages\tlayout\twells\nP1\timages\tLAYOUT\t96\nP2\timages\tLAYOUT\t384\n"
    plates = read_plates(plates_config(tmp_path, text), schemas)
    assert list(plates) == ["P1", "P2"]
    assert plates["P1"].wells == ("A01", "A02")
    assert plates["P1"].packs == {"pack1": ("A01",), "pack2": ("A02",)}
    assert plates["P2"].n_wells == 384


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("P 1\timages\tLAYOUT\t96", ["line 2", "'P 1'"]),
        ("P1\tnowhere\tLAYOUT\t96", ["line 2", "no folder of images", "data_folder"]),
        ("P1\timages\tLAYOUT\t100", ["line 2", "'100'", "6, 12, 24, 48, 96, 384, 1536"]),
        ("P1\timages\tLAYOUT\t96\nP1\timages\tLAYOUT\t96", ["line 3", "P1", "duplicate"]),
    ],
)
def test_a_wrong_plate_sheet_is_refused(tmp_path, schemas, row, says):
    config = plates_config(tmp_path, f"plate\timages\tlayout\twells\n{row}\n")
    with pytest.raises(SheetError) as error:
        read_plates(config, schemas)
    assert all(part in str(error.value) for part in says)


def sheet_of(tmp_path, **changed):
    """Write a plate sheet of one plate with a layout of its own; return the config."""
    (tmp_path / "data" / "raw").mkdir(parents=True, exist_ok=True)
    (tmp_path / "layout.csv").write_text("well,control_type\nA01,negcon\nB02,trt\n")
    row = {"plate": "P", "images": "raw", "layout": str(tmp_path / "layout.csv"), "wells": "96"}
    row |= changed
    (tmp_path / "plates.tsv").write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    data, sheet = str(tmp_path / "data"), str(tmp_path / "plates.tsv")
    return {"plates": sheet, "data_folder": data, "packs_per_plate": 8}


@pytest.mark.parametrize(
    "date", ["", "2026-11-25", "2026-11-25T09:30", "2026-11-25T09:30:05Z", "2024-02-29T23:59+05:30"]
)
def test_a_plate_carries_its_date(tmp_path, schemas, date):
    config = sheet_of(tmp_path, date=date)
    assert read_plates(config, schemas)["P"].date == read_plates(config)["P"].date == date
    assert read_plates(sheet_of(tmp_path), schemas)["P"].date == ""


@pytest.mark.parametrize(
    "date",
    [
        *("25.11.2026", "2026-1-5", "20261125", "2026-11-25 09:30", "11/25/2026", "today"),
        *("2026-02-30", "2026-11-25T24:30", "2026-11-25T09:30+25:00", "2026-11-25T", "0000-01-01"),
    ],
)
def test_a_wrong_date_is_refused_with_file_line_value_and_form(tmp_path, schemas, date):
    config = sheet_of(tmp_path, date=date)
    with pytest.raises(SheetError) as error:
        read_plates(config, schemas)
    said = str(error.value)
    for part in (config["plates"], "line 2", "'date'", f"'{date}'", "ISO 8601", "2026-11-25T09:30"):
        assert part in said, said


@pytest.mark.parametrize("images", ["../raw", "raw/../../other", ".."])
def test_a_folder_of_images_cannot_leave_the_data_folder(tmp_path, schemas, images):
    with pytest.raises(SheetError, match=r"line 2: images: .* leads out of the folder"):
        read_plates(sheet_of(tmp_path, images=images), schemas)


def test_a_layout_cannot_leave_the_working_folder_unless_its_path_is_absolute(tmp_path, schemas):
    with pytest.raises(SheetError, match=r"layout: '\.\./layout\.csv' leads out"):
        read_plates(sheet_of(tmp_path, layout="../layout.csv"), schemas)
    assert read_plates(sheet_of(tmp_path), schemas)["P"].wells == ("A01", "B02")


@pytest.mark.parametrize("name", ["..", "../P", "/P", ".P", "a/b", "screen", "Classifiers"])
def test_a_plate_cannot_take_the_name_of_another_folder(tmp_path, schemas, name):
    with pytest.raises(SheetError, match=r"line 2"):
        read_plates(sheet_of(tmp_path, plate=name), schemas)


def test_a_job_reads_no_layout_but_that_of_its_plate(tmp_path, schemas):
    config = sheet_of(tmp_path)
    (tmp_path / "layout.csv").unlink()
    plate = read_plates(config)["P"]
    with pytest.raises(SheetError, match="no such file"):
        read_plates(config, schemas)
    (tmp_path / "layout.csv").write_text("well,control_type\nC03,trt\n")
    assert plate.packs == {"pack1": ("C03",)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objects": {"Nuclei": {"method": "classical", "channels": ["GFP"]}}}, "objects.Nuclei"),
        ({"objects": {"Nuclei": {"method": "classical", "weights": "mine"}}}, "objects.Nuclei"),
        ({"measurement": {"channels": ["GFP"]}}, "measurement.channels: 'GFP'"),
        ({"networks": {"mine": {"test_groups": 0.2}}}, "networks.mine: there is nothing to learn"),
    ],
)
def test_what_is_wrong_with_a_config_comes_with_the_name_of_its_file(changes, says, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    config = yaml.safe_load(Path("config/config.yaml").read_text()) | changes
    with pytest.raises(ConfigError, match=rf"^my\.yaml, {says}"):
        read_plan(config, "my.yaml")


@pytest.mark.parametrize(
    ("method", "key", "says"),
    [
        ("stardist", "weights", "stardist needs a name of levelfield/weights/catalogue.yaml or of"),
        ("expansion", "parent", "expansion needs an object set that is made before this one."),
    ],
)
def test_a_key_that_a_method_needs_is_asked_for_with_what_to_write(method, key, says, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    config["objects"]["Nuclei"] = {"method": method}
    missing = rf"^my\.yaml, objects\.Nuclei: the key '{key}' is missing\. Add it\. Method {says}"
    with pytest.raises(ConfigError, match=missing):
        read_plan(config, "my.yaml")
    config["objects"]["Nuclei"] |= {key: "", "channels": ["DNA"]}
    with pytest.raises(ConfigError, match=rf"^my\.yaml, objects\.Nuclei\.{key}: '' is n"):
        read_plan(config, "my.yaml")


def test_plates_may_have_parameters_of_their_own(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    own = {"BBBC013-demo": {"Cells": {"maximum_distance": 5}}}
    plan = read_plan(config | {"plate_parameters": own}, "my.yaml")
    parameters = objects_of(plan.config, "BBBC013-demo")["Cells"]["parameters"]
    assert parameters["maximum_distance"] == 5
    assert parameters["threshold"] == config["objects"]["Cells"]["parameters"]["threshold"]
    assert objects_of(plan.config, "another") == plan.config["objects"]
    for wrong, says in (
        ({"P9": {}}, "'P9' is no plate"),
        ({"BBBC013-demo": {"Spots": {}}}, "'Spots' is no object set"),
        ({"BBBC013-demo": {"Cells": {"maximum_distanc": 5}}}, "maximum_distance"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_plan(config | {"plate_parameters": wrong}, "my.yaml")


def test_relative_paths_count_from_the_config_if_the_plate_sheet_lies_there(tmp_path, monkeypatch):
    folder = tmp_path / "screen"
    sheet_of(folder, layout="layout.csv")
    text = (REPOSITORY / "config" / "config.yaml").read_text()
    rules = yaml.safe_load(text) | {"plates": "plates.tsv", "data_folder": "data"}
    (folder / "my.yaml").write_text(yaml.safe_dump(rules, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    plan = read_plan_file(folder / "my.yaml")
    (plate,) = plan.plates.values()
    assert plate.wells == ("A01", "B02")
    assert plate.images.is_dir()
    monkeypatch.chdir(folder)
    assert read_plan_file(Path("my.yaml")).plates["P"].wells == ("A01", "B02")
