"""What people met who tried Levelfield on exports of their own: read, or answered in words."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from vendor_exports import imagexpress, write_image

from levelfield.images.sites import check_pixels, read_site, sites_of
from levelfield.io.formats import list_plate
from levelfield.io.plate_index import IndexFault
from levelfield.runs.inspect import look_into
from levelfield.steps.index_plate import list_images, look_at_images

LAYOUT = pd.DataFrame({"Metadata_Well": ["B02", "B03"], "Metadata_ControlType": ["negcon", "trt"]})
DNA = {"DNA": {"match": "1"}}
NAMES = r"(?P<well>[A-H]\d\d)_s(?P<site>\d+)_w(?P<channel>\d)\.tif$"


def config(images, channels=DNA):
    sections = {"qc": {"excluded_sites_percent": 5}, "measurement": {"unit": "px"}}
    return sections | {"images": images, "channels": channels}


def plain(folder, ending=".tif", maximum=4000):
    for number, well in enumerate(("B02", "B03")):
        for channel in (1, 2):
            path = folder / f"P_{well}_s1_w{channel}{ending}"
            folder.mkdir(exist_ok=True)
            random = np.random.default_rng(10 * number + channel)
            pixels = random.integers(100, maximum, (40, 50)).astype(np.uint16)
            tifffile.imwrite(path, pixels)
    return folder


def test_an_ending_in_capitals_is_read_by_a_pattern_in_small_letters(tmp_path):
    plate = plain(tmp_path / "P", ".TIF")
    index = list_plate(plate, "P", LAYOUT, {"pattern": NAMES}, DNA).planes
    assert (index["fault"] == "").all()
    assert len(index) == 2


def test_digits_of_an_identifier_are_no_site(tmp_path):
    for number in range(5):
        write_image(tmp_path / f"P_B02_s{number}07447158-AC92-4844-8462-8FF38C0FE509.tif", number)
    pattern = {"pattern": r"(?P<well>[A-H]\d\d)_s(?P<site>\d+)"}
    with pytest.raises(IndexFault, match="digits of the identifier") as caught:
        list_plate(tmp_path, "P", LAYOUT, pattern, {"DNA": {"match": ""}})
    assert "images.format: imagexpress" in str(caught.value)


def test_wavelengths_and_time_points_that_are_not_used_are_counted(tmp_path):
    export = imagexpress(tmp_path)
    channels = {"DNA": {"match": "1"}, "ER": {"match": "2"}}
    images = {"format": "auto", "projection": "maximum"}
    (note, *_) = look_at_images(export, "P", LAYOUT, config(images, channels))
    assert "48 images found, 16 used, 32 ignored" in note
    assert "channel 3 (Texas Red) (12)" in note
    assert "thumbnails (12)" in note


def test_a_camera_of_12_bits_is_told_and_saturation_still_looked_for(tmp_path):
    plate = plain(tmp_path / "P")
    for path in plate.glob("*B02*_w1*"):
        pixels = tifffile.imread(path)
        pixels[:30] = 4095
        tifffile.imwrite(path, pixels)
    layout = LAYOUT.assign(Metadata_ControlType=["trt", "trt"])
    (*_, warning) = look_at_images(plate, "P", layout, config({"format": "imagexpress"}))
    assert "images.bit_depth: 12" in warning
    index = list_plate(plate, "P", layout, {"format": "imagexpress"}, DNA).planes
    site = sites_of(index, ["B02"])[0]
    with pytest.raises(Exception, match="of its pixels are saturated"):
        check_pixels(site, read_site(site, ["DNA"], {}), ["DNA"], 65535, 5.0)


def test_images_that_are_brighter_than_the_bit_depth_stop_the_plate_and_name_the_key(tmp_path):
    plate = plain(tmp_path / "P", maximum=6500)
    images = {"format": "imagexpress", "bit_depth": 12}
    for look in (look_at_images, list_images):
        with pytest.raises(IndexFault, match=r"images\.bit_depth is 12.*intensities would exceed"):
            look(plate, "P", LAYOUT, config(images))


@pytest.mark.parametrize(
    ("images", "channels", "layout", "says"),
    [
        ({"pattern": r"(?P<well>[A-H]\d\d)\.png$"}, DNA, LAYOUT, "what the parts of the pattern"),
        ({"pattern": NAMES}, {"DNA": {"match": "9"}}, LAYOUT, "no image is of the channel DNA"),
        (
            {"pattern": NAMES},
            DNA,
            LAYOUT.assign(Metadata_Well=["B02", "C05"], Metadata_ControlType="poscon"),
            "controls that have no images: C05",
        ),
    ],
)
def test_what_is_wrong_shows_in_a_dry_run(tmp_path, images, channels, layout, says):
    plate = plain(tmp_path / "P")
    with pytest.raises(IndexFault, match=says):
        look_at_images(plate, "P", layout, config(images, channels))


def test_two_files_of_one_plane_name_each_other_and_the_likely_cause(tmp_path):
    plate = plain(tmp_path / "P")
    thumb = plate / "P_B02_s1_w1_small.tif"
    write_image(thumb, 77)
    pattern = {"pattern": r"(?P<well>[A-H]\d\d)_s(?P<site>\d+)_w(?P<channel>\d)"}
    index = list_plate(plate, "P", LAYOUT, pattern, DNA).planes
    faults = index.loc[index["well"] == "B02", "fault"].tolist()
    assert len(faults) == 2
    assert any(thumb.name in fault for fault in faults)
    assert all("a thumbnail, a z plane, a time point or a projection" in fault for fault in faults)


def test_names_without_a_well_are_read_by_a_sheet(tmp_path):
    plate = tmp_path / "P"
    for number in (1, 2):
        write_image(plate / f"image{number}.tif", number)
    sheet = tmp_path / "images.csv"
    sheet.write_bytes("Datei;Well\nimage1.tif;B2\n".replace("Datei", "File").encode("cp1252"))
    images = {"format": "sheet", "sheet": str(sheet)}
    index = list_plate(plate, "P", LAYOUT.iloc[:1], images, {"DNA": {"match": ""}}).planes
    assert index["well"].tolist() == ["B02"]
    assert (index["fault"] == "").all()


def test_a_sheet_of_several_plates_becomes_several_plates(tmp_path):
    lines = ["FileName_DNA,Metadata_Plate,Metadata_Well,Metadata_Site"]
    for number, plate in enumerate(("Week1 22123", "Week2_24141")):
        write_image(tmp_path / f"{number}.tif", number)
        lines.append(f"{number}.tif,{plate},B02,1")
    (tmp_path / "images.csv").write_text("\n".join(lines))
    found = look_into(tmp_path)
    assert list(found.plates) == ["Week1_22123", "Week2_24141"]
    channels = {"DNA": {"match": "DNA"}}
    for plate in found.plates:
        index = list_plate(tmp_path, plate, LAYOUT.iloc[:1], {}, channels).planes
        assert len(index) == 1
        assert (index["fault"] == "").all()
