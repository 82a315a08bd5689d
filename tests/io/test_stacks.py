"""Time points, z planes and channels: what is used, what is told of the rest."""

import numpy as np
import pandas as pd
import pytest
import vendor_exports

from levelfield.config.settings import Science
from levelfield.images.focus import project
from levelfield.images.planes import read_plane
from levelfield.images.sites import read_channel, read_site, sites_of
from levelfield.io.bit_depth import check_bit_depth
from levelfield.io.formats import list_plate
from levelfield.io.left_out import check_left_out
from levelfield.io.plate_index import IndexFault

LAYOUT = pd.DataFrame({"Metadata_Well": ["B02", "B03"], "Metadata_ControlType": "trt"})
CHANNELS = {"DNA": {"match": "DAPI"}, "Red": {"match": "w3"}}


def listed(folder, channels=CHANNELS, layout=LAYOUT, **images):
    return list_plate(folder, "P", layout, {"format": "auto"} | images, channels)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return vendor_exports.imagexpress(tmp_path_factory.mktemp("imagexpress"))


def test_a_channel_that_is_not_used_is_told(export):
    found = listed(export, projection="stored")
    assert len(found.planes) == 8
    assert set(found.planes["pixel_size_um"]) == {1.3672}
    (note, hint) = found.notes
    assert "48 images found, 8 used, 40 ignored" in note
    assert "channel 2 (FITC) (12)" in note
    assert "thumbnails (12)" in note
    assert "Cy5" in hint


def test_stacks_need_a_word_on_what_becomes_of_them(export):
    with pytest.raises(
        IndexFault, match=r"stacks of 2 z planes and a projection.*best_focus.*'stored'"
    ):
        listed(export)


def test_channels_may_differ_in_what_becomes_of_their_stacks(export):
    channels = {"DNA": {"match": 1, "projection": "maximum"}, "Red": {"match": 3, "z_plane": 2}}
    index = listed(export, channels, projection="stored").planes
    assert index.groupby("channel")["z"].unique().map(list).to_dict() == {"DNA": [1, 2], "Red": [2]}
    science = Science({"channels": channels, "images": {"bit_depth": None, "projection": "stored"}})
    assert science.projections == {"DNA": "maximum", "Red": None}
    site = sites_of(index, ["B02"])[0]
    image = read_site(site, ["DNA", "Red"], science.projections)
    paths = site.planes.set_index(["channel", "z"])["path"]
    stack = [read_plane(paths["DNA", z]) for z in (1, 2)]
    assert np.array_equal(image[0], np.maximum(*stack))
    assert np.array_equal(image[1], read_plane(paths["Red", 2]))


def test_a_z_plane_that_is_not_there_is_refused_with_those_that_are(export):
    with pytest.raises(IndexFault, match=r"z_plane is 7, but the planes of its stacks are 1, 2"):
        listed(export, z_plane=7)


def test_a_stack_that_lacks_a_plane_is_a_fault(tmp_path):
    vendor_exports.imagexpress(tmp_path)
    next(tmp_path.glob("TimePoint_1/ZStep_2/*B03_s2_w3*")).unlink()
    index = listed(tmp_path, projection="mean").planes
    faults = index[index["fault"] != ""]
    assert set(faults["fault"]) == {"its stack has 1 z planes where others have 2"}
    assert set(zip(faults["well"], faults["site"], faults["channel"], strict=True)) == {
        ("B03", 2, "Red")
    }


def test_the_sharpest_plane_of_a_stack_is_the_best_focus():
    sharp = np.zeros((64, 64), np.uint16)
    sharp[20:40, 20:40] = 1000
    blurred = sum(np.roll(sharp, n, 1).astype(np.uint32) for n in range(-3, 4)) // 7
    stack = [blurred.astype(np.uint16), sharp, (blurred * 3).astype(np.uint16)]
    assert project(stack, "best_focus") is sharp
    with pytest.raises(ValueError, match="stack of 3 planes cannot become one by 'None'"):
        project(stack, None)


def test_time_points_become_sites_or_one_is_chosen(tmp_path):
    for time in (1, 2, 10):
        for well in ("B02", "B03"):
            name = f"TimePoint_{time}/p_{well}_s3_w1.TIF"
            vendor_exports.write_image(tmp_path / name, time)
    one = {"DNA": {"match": 1}}
    with pytest.raises(IndexFault, match=r"time points 1, 2, 10.*'all'"):
        listed(tmp_path, one)
    chosen = listed(tmp_path, one, time_point=2)
    assert "4 ignored: time point 1 (2), time point 10 (2)" in chosen.notes[0]
    every = listed(tmp_path, one, time_point="all").planes
    assert list(every["site"]) == [31, 32, 33] * 2
    assert list(every["time"]) == [1, 2, 10] * 2


def test_two_channels_of_one_name_are_refused(tmp_path):
    export = vendor_exports.imagexpress(tmp_path)
    sheet = export / "9987.HTD"
    sheet.write_bytes(sheet.read_bytes().replace(b"FITC", b"DAPI"))
    with pytest.raises(IndexFault, match=r"'DAPI' is the name of 2 channels.*1, 2"):
        listed(export, {"DNA": {"match": "DAPI"}}, projection="stored")


def test_an_unknown_channel_is_told_with_those_that_there_are(export):
    with pytest.raises(IndexFault, match=r"match: 'Cy5'.*1 \(DAPI\), 2 \(FITC\), 3 \(Texas Red\)"):
        listed(export, {"DNA": {"match": "Cy5"}}, projection="stored")


def test_a_plate_of_thumbnails_and_planes_alike_stops_with_three_of_the_files(export):
    pattern = r"_(?P<well>[A-P]\d\d)_s(?P<site>\d)_w(?P<channel>\d)"
    found = list_plate(export, "P", LAYOUT, {"pattern": pattern}, {"DNA": {"match": 1}})
    with pytest.raises(IndexFault) as error:
        check_left_out(found.planes, "P", LAYOUT, 5, " ".join(found.notes))
    text = str(error.value)
    for part in ("4 of 4 sites", "another file claims", "thumbnail", "well B03, site 2", "pattern"):
        assert part in text
    assert text.count("\n  /") == 3


def test_digits_of_an_identifier_are_no_site(tmp_path):
    name = "p_A01_s13B2C147-AC92-4844-8462-8FF38C0FE509.tif"
    vendor_exports.write_image(tmp_path / name, 1)
    pattern = r"_(?P<well>[A-P]\d\d)_s(?P<site>\d+)"
    with pytest.raises(IndexFault, match=r"reads '13' as the site.*identifier.*imagexpress"):
        list_plate(tmp_path, "P", LAYOUT, {"pattern": pattern}, {"DNA": {}})


def test_the_ending_of_a_pattern_may_be_in_capitals_in_the_names(tmp_path):
    vendor_exports.write_image(tmp_path / "B02.TIF", 1)
    found = list_plate(tmp_path, "P", LAYOUT, {"pattern": r"(?P<well>B\d\d)\.tif$"}, {"DNA": {}})
    assert found.planes["path"].str.endswith("B02.TIF").sum() == 1


def bright(folder, value):
    pixels = np.full((20, 20), 100, np.uint16)
    pixels[:5] = value
    vendor_exports.write_image(folder / "B02.tif", 1)
    import tifffile

    tifffile.imwrite(folder / "B02.tif", pixels)
    images = {"pattern": r"(?P<well>B\d\d)\.tif$"}
    return list_plate(folder, "P", LAYOUT, images, {"DNA": {}}).planes


def test_bit_depths_that_do_not_fit_are_told(tmp_path):
    index = bright(tmp_path, 6500)
    with pytest.raises(IndexFault, match=r"images\.bit_depth is 12.*6500.*\(14 would do\)"):
        check_bit_depth(index, "P", 12)
    assert check_bit_depth(index, "P", None) == ""
    warning = check_bit_depth(bright(tmp_path, 4095), "P", None)
    assert "100 pixels" in warning
    assert "images.bit_depth: 12" in warning


def test_a_sheet_tells_what_names_do_not(tmp_path):
    for number in (1, 2):
        vendor_exports.write_image(tmp_path / f"IMG{number}.tif", number)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("File;Well;channel\nIMG1.tif;b2;a\nIMG2.tif;b2;b\nIMG3.tif;b3;a\n")
    images = {"format": "sheet", "sheet": str(sheet)}
    index = list_plate(tmp_path, "P", LAYOUT, images, {"DNA": {"match": "b"}, "X": {"match": "a"}})
    told = {(row.well, row.channel): row.fault for row in index.planes.itertuples()}
    assert told["B02", "DNA"] == told["B02", "X"] == ""
    assert "'IMG3.tif', which is not there" in told["B03", "X"]
    assert read_channel(sites_of(index.planes, ["B02"])[0], "DNA", None).shape == (40, 50)
