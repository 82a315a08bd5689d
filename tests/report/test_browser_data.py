"""What the page and the files of wells know: the numbers of the tables, and nothing by half."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from browser_cases import RANGES, browser_report, write_report
from PIL import Image
from report_cases import layout_of, real_field, report_of
from report_pages import HOSTILE, Page

from levelfield.io.thumbnails import field_thumbnail, no_thumbnails, thumbnail_step
from levelfield.report import plate_page
from levelfield.report.well_files import (
    MISSED_COLUMNS,
    OBJECT_COLUMNS,
    UNKNOWN,
    by_site,
    columns_of,
    well_files,
)


def data_of(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="browser-data">(.*?)</script>', html)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def report():
    return browser_report(96, 2)


@pytest.fixture(scope="module")
def html(report):
    return plate_page(report)


def test_the_page_holds_the_values_of_every_well_and_site(report, html):
    data = data_of(html)
    named = {quantity["name"]: quantity for quantity in data["quantities"]}
    merges = named["Cells: merge rate"]
    wells = [well["name"] for well in data["wells"]]
    assert wells == list(report.layout["Metadata_Well"])
    expected = report.qc_wells[report.qc_wells["object_set"] == "Cells"]
    expected = expected.set_index("Metadata_Well")["merge_rate"]
    assert merges["wells"][wells.index("C07")] == pytest.approx(100 * expected["C07"], rel=1e-3)
    keys = list(zip(data["sites"]["well"], data["sites"]["number"], strict=True))
    sites = report.qc_sites[report.qc_sites["object_set"] == "Cells"]
    sites = sites.set_index(["Metadata_Well", "Metadata_Site"])["merge_rate"]
    place = keys.index((wells.index("C07"), 2))
    assert merges["sites"][place] == pytest.approx(100 * sites["C07", 2], rel=1e-3)
    assert merges["margin"] == 15 and merges["wrong"] == "rate"
    assert len(keys) == 2 * 96 - 3, "two sites of the last well and one of B02 were left out"


def test_wells_are_flagged_for_what_the_tables_say(html):
    data = data_of(html)
    flags = {well["name"]: well.get("flags", []) for well in data["wells"]}
    assert flags["C05"] == ["not_covered"]
    assert flags["B02"] == ["left_out"]
    assert flags["H12"] == ["left_out", "no_image"]
    assert flags["C06"] == []
    assert data["left_out"]["B02"] == {"2": "FKHR: 31 % saturated"}


def test_a_positive_control_names_what_it_is_held_against(html):
    data = data_of(html)
    names = [(kind["scope"], kind["name"], kind["against"]) for kind in data["classes"]]
    assert names == [("negcon", "DMSO", ""), ("poscon", "Drug A", "DMSO"), ("", "", "")]
    wells = [[data["wells"][place]["name"] for place in kind["wells"]] for kind in data["classes"]]
    assert set(wells[0]) == {f"{row}01" for row in "ABCDEFGH"}
    assert len(wells[2]) == 80


def test_every_answer_of_a_class_leads_to_its_wells(html):
    page = re.findall(r'<a class="look" [^>]*>', html)
    assert len([link for link in page if 'data-scope="difference"' in link]) >= 8
    data = data_of(html)
    known = {(q.get("measure"), q.get("set")) for q in data["quantities"]}
    for link in page:
        measure, name = (re.search(rf'data-{key}="([^"]*)"', link)[1] for key in ("measure", "set"))
        assert (measure, name) in known


def test_without_pictures_the_page_has_no_script():
    assert "<script" not in plate_page(report_of(layout_of(96), 96))


def test_names_from_outside_cannot_leave_the_data():
    layout = layout_of(96, negative=HOSTILE, positives=(f"</script>{HOSTILE}",))
    html = plate_page(report_of(layout, 96, with_browser=True))
    assert html.count("<script") == html.count("</script>") == 2
    assert data_of(html)["classes"][0]["name"] == HOSTILE
    assert "alert" not in Page(html).tags


def test_the_page_of_a_large_plate_stays_small():
    page = plate_page(browser_report(384, 9))
    assert len(page.encode()) < 5e6


def test_the_same_tables_give_the_same_bytes(report, html, tmp_path):
    assert plate_page(browser_report(96, 2)) == html
    pages = [write_report(report, tmp_path / name, columns=("03",)) for name in "ab"]
    files = [sorted((page.parent / "browser").iterdir()) for page in pages]
    assert [path.name for path in files[0]] == [f"{row}03.js" for row in "ABCDEFGH"]
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_picture_shows_the_field_at_the_contrast_of_the_plate():
    image, labels = real_field("C01")
    row = field_thumbnail(image, ("DNA", "FKHR"), labels, RANGES).iloc[0]
    assert thumbnail_step(image.shape) == row["step"] == 1
    shown = np.asarray(Image.open(io.BytesIO(row["picture_DNA"])), float) / 255
    low, high = RANGES["DNA"]
    expected = np.clip((image[0] - low) / (high - low), 0, 1)
    assert np.abs(shown - expected).mean() < 0.02
    outline = Image.open(io.BytesIO(row["outline_Nuclei"])).convert("RGBA")
    drawn = np.asarray(outline)[..., 3] > 0
    assert drawn.any() and (labels["Nuclei"][drawn] > 0).all()


@pytest.mark.parametrize(("side", "step"), [(300, 1), (1080, 2), (2160, 4), (2047, 3)])
def test_large_fields_are_shrunk_by_whole_pixels_and_keep_their_mean(side, step):
    image = np.full((1, side, side), 0.5, np.float32)
    labels = np.zeros((side, side), np.int32)
    labels[side // 4 : side // 2, side // 4 : side // 2] = 7
    row = field_thumbnail(image, ("DNA",), {"N": labels}, {"DNA": (0.0, 1.0)}).iloc[0]
    assert row["step"] == step
    picture = Image.open(io.BytesIO(row["picture_DNA"]))
    assert picture.size == (side // step, side // step)
    assert abs(np.asarray(picture).mean() - 128) < 1
    drawn = np.asarray(Image.open(io.BytesIO(row["outline_N"])).convert("RGBA"))[..., 3] > 0
    where = np.nonzero(drawn)[0] / drawn.shape[0]
    assert abs(where.min() - 0.25) < 0.02 and abs(where.max() - 0.5) < 0.02
    assert set(no_thumbnails(["DNA"], ["N"])) == set(row.index)


def test_a_well_file_holds_its_objects_and_says_what_is_not_known():
    head = {"Metadata_Well": "B03", "object_set": "Nuclei"}
    objects = pd.DataFrame(
        [
            head
            | {"Metadata_Site": site, "Metadata_ObjectNumber": number, "area_px": 80.4}
            | {"centre_x_px": 10.0 * number, "centre_y_px": 5.0, "merge_evidence": 0.834}
            | {"fragment_evidence": 0.1, "invented_evidence": np.nan, "threshold_bias_px": -0.456}
            for site, number in ((2, 1), (1, 4), (1, 2))
        ]
    )
    assert set(columns_of(OBJECT_COLUMNS)) <= set(objects)
    found = by_site(objects, OBJECT_COLUMNS)
    assert found["B03", 1]["Nuclei"]["number"] == [4, 2]
    assert found["B03", 1]["Nuclei"]["x"] == [40, 20]
    assert found["B03", 2]["Nuclei"]["merged"] == [83]
    assert found["B03", 2]["Nuclei"]["edge"] == [-46]
    assert found["B03", 2]["Nuclei"]["invented"] == [UNKNOWN]
    assert by_site(objects.iloc[:0], MISSED_COLUMNS) == {}
    image, labels = real_field("C01")
    drawn = field_thumbnail(image, ("DNA", "FKHR"), labels, RANGES)
    thumbnails = pd.concat([drawn.assign(**head, Metadata_Site=site) for site in (1, 2)])
    ((well, content),) = well_files(thumbnails, found, {})
    assert well == "B03"
    name, sites = json.loads(f"[{content.removeprefix('levelfieldWell(').rstrip()[:-2]}]")
    assert (name, [site["site"] for site in sites]) == ("B03", [1, 2])
    assert base64.b64decode(sites[0]["pictures"]["DNA"]) == drawn.iloc[0]["picture_DNA"]
    assert sites[1]["objects"]["Nuclei"]["number"] == [1]
