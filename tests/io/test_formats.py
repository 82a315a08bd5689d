"""Raw images are found, described and judged; damaged ones are named, and never pass silently."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import DEMO_IMAGES, DEMO_PATTERN
from PIL import Image

from levelfield.config import sheets
from levelfield.images.planes import PlaneError, pixel_fault, read_header, read_plane
from levelfield.io import formats
from levelfield.io.formats import INDEX_COLUMNS, index_plate
from levelfield.io.formats.pattern import compile_pattern
from levelfield.io.plate_index import NO_SITE, IndexFault, usable_sites
from levelfield.steps.summarise_plate import excluded_sites

CHANNELS = {"DNA": {"match": 2}, "FKHR": {"match": 1}}
SEGMENTED = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", "fault", "path"]
IMAGES = {"format": "pattern", "pattern": DEMO_PATTERN, "time_point": 0}


def index(folder: Path, layout: pd.DataFrame, **images) -> pd.DataFrame:
    return index_plate(folder, "P", layout, IMAGES | images, CHANNELS)


def faults(table: pd.DataFrame) -> dict:
    faulty = table[table["fault"] != ""]
    return {(row.well, row.channel): row.fault for row in faulty.itertuples()}


def test_a_sound_plate_is_indexed_without_a_fault(small_plate, small_layout):
    table = index(small_plate, small_layout)
    assert tuple(table.columns) == INDEX_COLUMNS
    assert faults(table) == {}
    assert list(table["well"]) == ["A01"] * 2 + ["A12"] * 2 + ["B01"] * 2 + ["B12"] * 2
    assert list(table["channel"]) == ["DNA", "FKHR"] * 4
    assert set(table["dtype"]) == {"uint8"}
    assert set(zip(table["size_y"], table["size_x"], strict=True)) == {(640, 640)}
    assert (table["bytes"] == [Path(path).stat().st_size for path in table["path"]]).all()


def test_a_truncated_file_is_named(small_plate, small_layout):
    path = small_plate / "Channel2-01-A-01.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = faults(index(small_plate, small_layout))
    assert list(found) == [("A01", "DNA")]
    assert "truncated" in found["A01", "DNA"] or "damaged" in found["A01", "DNA"]


def test_an_empty_file_is_named(small_plate, small_layout):
    (small_plate / "Channel2-01-A-01.tif").write_bytes(b"")
    assert faults(index(small_plate, small_layout)) == {("A01", "DNA"): "the file is empty"}


def test_a_file_that_is_no_image_is_named(small_plate, small_layout):
    (small_plate / "Channel2-01-A-01.tif").write_text("not an image")
    assert "not an image" in faults(index(small_plate, small_layout))["A01", "DNA"]


def test_an_image_of_another_size_is_named(small_plate, small_layout):
    tifffile.imwrite(small_plate / "Channel1-01-A-01.tif", np.ones((600, 640), np.uint8))
    found = faults(index(small_plate, small_layout))
    assert found == {("A01", "FKHR"): "is 600 × 640 px where the plate's images are 640 × 640"}


def test_an_image_of_another_type_is_named(small_plate, small_layout):
    tifffile.imwrite(small_plate / "Channel1-01-A-01.tif", np.ones((640, 640), np.uint16))
    assert "uint16" in faults(index(small_plate, small_layout))["A01", "FKHR"]


def test_a_colour_image_is_named(small_plate, small_layout):
    colour = np.ones((640, 640, 3), np.uint8)
    tifffile.imwrite(small_plate / "Channel1-01-A-01.tif", colour, photometric="rgb")
    assert "grey plane" in faults(index(small_plate, small_layout))["A01", "FKHR"]


def test_a_missing_channel_of_one_site_is_named(small_plate, small_layout):
    (small_plate / "Channel2-01-A-01.tif").unlink()
    table = index(small_plate, small_layout)
    assert faults(table) == {("A01", "DNA"): "there is no image of this channel"}
    assert usable_sites(table).to_dict("list") == {"well": ["A12", "B01", "B12"], "site": [1] * 3}


def test_two_files_for_one_plane_are_both_named(small_plate, small_layout):
    (small_plate / "copy").mkdir()
    shutil.copy(small_plate / "Channel2-01-A-01.tif", small_plate / "copy")
    table = index(small_plate, small_layout)
    claimed = table[table["fault"].str.startswith("another file claims the same well, site and")]
    assert len(claimed) == 2
    first, second = claimed.itertuples()
    assert second.path in first.fault
    assert first.path in second.fault
    assert "thumbnail" in first.fault


def test_a_well_outside_the_layout_is_named(small_plate, small_layout):
    found = faults(index(small_plate, small_layout.iloc[1:]))
    assert found["A01", "DNA"] == "the layout has no row for this well"


def test_a_treated_well_without_images_is_named(small_plate, small_layout):
    more = small_layout.iloc[[0]].assign(Metadata_Well="C01", Metadata_ControlType="trt")
    table = index(small_plate, pd.concat([small_layout, more], ignore_index=True))
    assert faults(table) == {("C01", ""): "the layout has this well, but no image is of it"}
    assert list(table.loc[table["well"] == "C01", "site"]) == [NO_SITE]


def test_sites_may_be_numbered_from_0(small_plate, small_layout):
    for path in small_plate.glob("*.tif"):
        path.rename(path.with_name(f"s0_{path.name}"))
    more = small_layout.iloc[[0]].assign(Metadata_Well="C01", Metadata_ControlType="trt")
    layout = pd.concat([small_layout, more], ignore_index=True)
    table = index(small_plate, layout, pattern=rf"s(?P<site>\d+)_{DEMO_PATTERN}")
    assert set(usable_sites(table)["site"]) == {0}
    found = excluded_sites(table, pd.DataFrame(columns=SEGMENTED))
    assert found[["Metadata_Well", "Metadata_Site"]].to_numpy().tolist() == [["C01", NO_SITE]]


def test_declared_controls_without_images_stop_the_plate(small_plate, small_layout):
    for path in small_plate.glob("*A-12.tif"):
        path.unlink()
    with pytest.raises(IndexFault, match=r"controls that have no images: A12 \(poscon\)"):
        index(small_plate, small_layout)


def test_a_pattern_that_matches_nothing_shows_a_file_name(small_plate, small_layout):
    with pytest.raises(IndexFault, match=r"(?s)matches none of the 8 images.*Channel1-01-A-01.tif"):
        index(small_plate, small_layout, pattern=r"nothing(?P<well>A01)")


def test_an_empty_folder_is_said_to_be_empty(tmp_path, small_layout):
    with pytest.raises(IndexFault, match="hold no image"):
        index(tmp_path, small_layout)


@pytest.mark.parametrize("name", ["Channel1-99-A-99.tif", "Channel1-99-H-00.tif"])
def test_a_file_of_no_well_is_named_and_the_plate_goes_on(small_plate, small_layout, name):
    shutil.copy(small_plate / "Channel1-01-A-01.tif", small_plate / name)
    table = index(small_plate, small_layout)
    found = faults(table)
    assert list(found) == [("", "FKHR")]
    assert "reads no well" in found["", "FKHR"]
    assert table.loc[0, "path"].endswith(name)
    assert len(usable_sites(table)) == 4


def test_a_pattern_that_reads_no_well_at_all_stops_the_plate(small_plate, small_layout):
    with pytest.raises(IndexFault, match=r"reads no well in its name.*Correct the pattern"):
        index(small_plate, small_layout, pattern=r"(?P<well>Channel)(?P<channel>\d)")


def test_channels_that_match_no_file_are_compared_with_those_found(small_plate, small_layout):
    with pytest.raises(IndexFault, match=r"match: '7'.*The channels of the images are 1, 2"):
        index_plate(small_plate, "P", small_layout, IMAGES, {"DNA": {"match": 7}})


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "not a regular expression"),
        (r"(?P<wel>A01)", "group 'wel' is not known"),
        (r"(?P<row>A)", "does not tell the well"),
    ],
)
def test_an_unusable_pattern_is_explained(pattern, says):
    with pytest.raises(IndexFault, match=says):
        compile_pattern(pattern)


@pytest.mark.parametrize("pages", ["channel", "z"])
def test_pages_of_a_file_become_planes(tmp_path, small_layout, pages):
    pixels = np.stack([read_plane(DEMO_IMAGES / f"Channel{c}-01-A-01.tif") for c in (1, 2)])
    for well in ("A01", "A12", "B01", "B12"):
        tifffile.imwrite(tmp_path / f"{well}.tif", pixels, photometric="minisblack")
    config = IMAGES | {"pattern": r"(?P<well>[A-H]\d\d)\.tif", "pages": pages}
    if pages == "z":
        with pytest.raises(IndexFault, match="stacks of 2 z planes"):
            index_plate(tmp_path, "P", small_layout, config, {"DNA": {"match": 1}})
        config["projection"] = "maximum"
    table = index_plate(tmp_path, "P", small_layout, config, {"DNA": {"match": 1}})
    assert set(table["channel"]) == {"DNA"}
    assert len(table) == (4 if pages == "channel" else 8)
    assert faults(table) == {}


def test_pages_that_nobody_explained_stop_the_plate(small_plate, small_layout):
    pixels = np.ones((2, 640, 640), np.uint8)
    tifffile.imwrite(small_plate / "Channel2-01-A-01.tif", pixels, photometric="minisblack")
    with pytest.raises(IndexFault, match="has 2 pages"):
        index(small_plate, small_layout)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_pixels_come_back_as_they_were_written(tmp_path, dtype, suffix):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (40, 50)).astype(dtype)
    path = tmp_path / f"image{suffix}"
    if suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels, compression="lzw")
    header = read_header(path)
    assert (header.size_y, header.size_x, header.dtype) == (40, 50, np.dtype(dtype).name)
    assert header.fault == ""
    assert np.array_equal(read_plane(path), pixels)
    assert read_plane(path).dtype == dtype


def test_pixels_that_cannot_be_decoded_raise_an_error_for_people(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(PlaneError, match="cannot be decoded"):
        read_plane(path)


@pytest.mark.parametrize("value", [0, 7])
def test_a_plane_of_one_value_is_a_fault(value):
    assert pixel_fault(np.full((64, 64), value, np.uint8)) == f"every pixel is {value}"


def test_a_plane_that_was_not_filled_to_its_end_is_a_fault():
    plane = read_plane(DEMO_IMAGES / "Channel2-01-A-01.tif").copy()
    assert pixel_fault(plane) == ""
    plane[500:] = 0
    assert "the last 140 of 640 rows are zero" in pixel_fault(plane)


def test_no_real_image_of_the_demo_is_a_fault():
    assert {pixel_fault(read_plane(path)) for path in DEMO_IMAGES.glob("*.tif")} == {""}


FORMAT = """
from levelfield.io.formats.pattern import read_export as by_pattern

TITLE = "our own"

def read_export(files, images):
    return by_pattern(files, images | {"pattern": "ours"})
"""


def named_formats() -> list:
    return sheets.written_parts()["formats"]["$defs"]["name"]["enum"]


def test_a_format_is_one_file(small_plate, small_layout, tmp_path, monkeypatch):
    assert "pattern" in named_formats()
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "added.py").write_text(FORMAT)
    monkeypatch.setattr(sheets, "FORMATS", tmp_path / "formats")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "formats")])
    assert named_formats() == ["auto", "added"]
    with pytest.raises(IndexFault, match="does not tell the well"):
        index(small_plate, small_layout, format="added")
