"""The gallery: which fields it takes, and what their pictures show."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from report_cases import layout_of, real_field, report_of
from report_pages import CHANNELS, Page, real_gallery
from skimage.segmentation import find_boundaries

from levelfield.qc.wording.numbers import plain
from levelfield.report import choose_gallery, draw_gallery, plate_page
from levelfield.report.gallery import COMPOSITE


def test_gallery_takes_the_typical_and_the_worst_fields_of_each_control():
    layout = layout_of(96, positives=("Drug A",))
    data = report_of(layout, 96)
    sites = data.sites.assign(Count_Nuclei=100)
    controls = layout["Metadata_ControlType"] == "negcon"
    sites.loc[controls, "Count_Nuclei"] = [10, 20, 51, 49, 80, 90, 95, 5]  # the median is 50
    judged = data.qc_sites.assign(balance=0.01, threshold_bias_px=-0.1, missed_rate=0.0)
    cells = judged["object_set"] == "Cells"
    judged.loc[cells & (judged["Metadata_Well"] == "G01"), "threshold_bias_px"] = -1.25
    judged.loc[~cells & (judged["Metadata_Well"] == "C01"), "balance"] = -0.3
    judged.loc[~cells & (judged["Metadata_Well"] == "D01"), "missed_rate"] = 0.4
    chosen = choose_gallery(sites, judged, layout)
    own = {one.well: one.why for one in chosen if one.scope == "negcon"}
    assert own == {
        "C01": "typical: 51 Nuclei; largest imbalance: Nuclei −30 pp",
        "D01": "typical: 49 Nuclei; largest share of missed objects: Nuclei +40 pp",
        "G01": "largest threshold bias: Cells −1.2 px",
    }
    assert [one.control for one in chosen if one.scope == "poscon"] == ["Drug A"] * 2


def test_gallery_of_a_plate_without_evidence_shows_typical_fields():
    layout = layout_of(96)
    data = report_of(layout, 96)
    nothing = data.qc_sites.assign(balance=np.nan, threshold_bias_px=np.nan, missed_rate=np.nan)
    chosen = choose_gallery(data.sites, nothing, layout)
    assert len(chosen) == 4
    assert all(one.why.startswith("typical") for one in chosen)


def test_gallery_shows_real_pixels_with_outlines_where_the_labels_end():
    gallery = real_gallery()
    picture = gallery.pictures[0]
    image, labels = real_field(picture.choice.well)
    middle = (slice(260, 380), slice(260, 380))
    assert (picture.width, picture.height) == (120, 120)
    assert list(picture.views) == [COMPOSITE, "DNA", "FKHR"]
    for i, name in enumerate(CHANNELS):
        low, high = gallery.ranges[name]
        expected = 255 * np.clip((image[i][middle] - low) / (high - low), 0, 1)
        shown = np.asarray(Image.open(io.BytesIO(picture.views[name])).convert("L"), float)
        assert shown.shape == expected.shape
        assert np.abs(shown - expected).mean() < 3
    drawn = np.asarray(Image.open(io.BytesIO(picture.outlines["Nuclei"])).convert("RGBA"))
    edges = find_boundaries(labels["Nuclei"][middle], mode="inner")
    assert np.array_equal(drawn[..., 3] > 0, edges)
    assert edges.any()
    ink = tuple(int(gallery.outline_colours["Nuclei"][i : i + 2], 16) for i in (1, 3, 5))
    assert set(map(tuple, drawn[edges][:, :3].tolist())) == {ink}


def test_gallery_shows_a_dim_class_as_dim():
    layout = layout_of(96, positives=("Drug A",))
    data = report_of(layout, 96)
    choices = choose_gallery(data.sites, data.qc_sites, layout)
    few = [next(one for one in choices if one.scope == scope) for scope in ("negcon", "poscon")]
    bright, dim = few[0].well, few[1].well
    levels = {bright: 1.0, dim: 0.25}
    gallery = draw_gallery(few, lambda well, site: real_field("A01", levels[well]), CHANNELS, 200)
    means = [
        np.asarray(Image.open(io.BytesIO(one.views["DNA"])).convert("L"), float).mean()
        for one in gallery.pictures
    ]
    assert means[1] < 0.5 * means[0]
    html = plate_page(report_of(layout, 96, gallery=gallery))
    low, high = gallery.ranges["DNA"]
    crop = real_field("A01")[0][0, 220:420, 220:420]
    assert high == pytest.approx(np.percentile(crop, 99.8))
    assert low == pytest.approx(0.25 * np.percentile(crop, 1))
    assert f"DNA {plain(100 * low, 2)}–{plain(100 * high, 2)} %" in Page(html).text


def test_outlines_that_would_hide_others_wait_to_be_switched_on():
    layout = layout_of(6)
    data = report_of(layout, 6)
    image, labels = real_field("A01")
    labels = labels | {"Cytoplasm": labels["Nuclei"]}  # not in the verdict
    choice = choose_gallery(data.sites, data.qc_sites, layout)[0]
    gallery = draw_gallery([choice], lambda well, site: (image, labels), CHANNELS, 100)
    html = plate_page(replace(data, gallery=gallery))
    assert 'id="outline-1" checked>' in html
    assert 'id="outline-2">' in html
    nothing = {"verdict": data.verdict.iloc[:0], "answers": data.answers.iloc[:0]}
    unknown = replace(data, gallery=gallery, **nothing)
    assert 'id="outline-2" checked>' in plate_page(unknown)


def test_gallery_of_an_image_smaller_than_the_crop_shows_all_of_it():
    layout = layout_of(6)
    choice = choose_gallery(report_of(layout, 6).sites, report_of(layout, 6).qc_sites, layout)[0]
    image, labels = np.ones((1, 30, 50), np.float32), {"Nuclei": np.ones((30, 50), np.int32)}
    gallery = draw_gallery([choice], lambda well, site: (image, labels), {"DNA": "FFFFFF"})
    assert (gallery.pictures[0].height, gallery.pictures[0].width) == (30, 50)
    assert list(gallery.pictures[0].views) == ["DNA"]
