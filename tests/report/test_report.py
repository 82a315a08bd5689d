import io
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import jinja2
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_cases import (
    OBJECT_SETS,
    answers_of,
    excluded_of,
    layout_of,
    plate_facts,
    readouts_of,
    real_field,
    report_of,
    tables_of,
)
from skimage.segmentation import find_boundaries

from levelfield.config.plan import PLATE_SHAPES
from levelfield.qc.measures import QUESTIONS
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.wording.numbers import interval, measured, plain
from levelfield.report import (
    ScreenReport,
    choose_gallery,
    draw_gallery,
    plate_page,
    screen_page,
    verdict_text,
)
from levelfield.report.distributions import _RADIUS, control_groups, draw_distribution, spread
from levelfield.report.drift import drift_charts, drift_order
from levelfield.report.gallery import COMPOSITE
from levelfield.report.heatmaps import colours_of, draw_plate_map
from levelfield.report.quantities import Quantity, quantities
from levelfield.report.text import WIDTH

HOSTILE = "<script>alert('x')</script>&\"'"
CHANNELS = {"DNA": "3F7FFF", "FKHR": "40E060"}
VOID = {"meta", "img", "br", "input", "link", "hr"}
CAPTIONS = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("*.rst"))


class Page(HTMLParser):
    """The tags, addresses, ids and text of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.ids = [], Counter(), Counter()
        self.sources, self.links, self.words = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags[tag] += 1
        self.ids.update([attributes["id"]] if "id" in attributes else [])
        self.sources += [attributes["src"]] if "src" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def real_page() -> str:
    return plate_page(report_of(layout_of(96), 96, gallery=real_gallery()))


def real_gallery():
    layout = layout_of(96, positives=("Wortmannin",))
    data = report_of(layout, 96)
    choices = choose_gallery(data.sites, data.qc_sites, layout)[:3]
    return draw_gallery(choices, lambda well, site: real_field(well), CHANNELS, crop=120)


def test_page_is_one_whole_file_that_asks_no_network_for_anything(real_page):
    page = Page(real_page)
    assert page.tags["script"] == page.tags["link"] == page.tags["iframe"] == 0
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert all(link.startswith("#") for link in page.links)
    assert "url(http" not in real_page
    assert "@import" not in real_page


def test_every_link_of_the_page_leads_to_one_place(real_page):
    page = Page(real_page)
    assert all(times == 1 for times in page.ids.values()), page.ids.most_common(3)
    assert {link[1:] for link in page.links} <= set(page.ids)
    references = set(re.findall(r"url\(#([\w-]+)\)", real_page))
    assert references <= set(page.ids)


def test_verdict_comes_before_everything_else(real_page):
    places = [real_page.index(f'<section id="{name}"') for name in ("verdict", "readouts")]
    places += [real_page.index(f'<section id="{name}"') for name in ("plate-maps", "gallery")]
    assert places == sorted(places)
    assert real_page.index("<section") == places[0]


def test_every_row_of_the_verdict_is_on_the_page():
    layout = layout_of(96, positives=("Drug A", "Drug B"))
    data = report_of(layout, 96)
    page = Page(plate_page(data)).text
    for row in data.verdict.to_dict("records"):
        assert interval(row["ci_low"], row["ci_high"], row["unit"]) in page
        assert row["advice"] in page
    for headline in data.answers["headline"]:
        assert headline in page


def test_shares_of_images_stand_beside_the_threshold():
    page = Page(plate_page(report_of(layout_of(96), 96))).text
    assert page.count("too low in 25 %, too high in 12 % of images") == 4


def test_plate_without_positive_control_has_a_page():
    layout = layout_of(96, positives=())
    html = plate_page(report_of(layout, 96))
    page = Page(html).text
    assert "8 of 8 answers are undecided" in page
    assert "No readout could be computed" in page
    assert page.count("no wells") >= 6
    assert html.count("<figcaption>Nuclei: threshold bias") == 2  # the map, and the negative wells


def test_plate_without_any_control_has_a_page():
    layout = layout_of(24, positives=()).assign(Metadata_ControlType="trt")
    page = Page(plate_page(report_of(layout, 24))).text
    assert "The layout declares no control wells." in page


def test_plate_of_missing_values_has_a_page():
    layout = layout_of(96)
    html = plate_page(report_of(layout, 96, empty=True))
    maps = html.count('class="plate-ground"')
    assert maps == 18
    assert html.count("url(#hatching)") == 96 * maps
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)


def test_plate_without_a_usable_image_has_a_page():
    layout = layout_of(96)
    data = report_of(layout, 96, empty=True, plate=plate_facts(96, 96))
    tables = {"qc_sites": data.qc_sites.iloc[:0], "qc_wells": data.qc_wells.iloc[:0]}
    bare = data.sites[["Metadata_Plate", *layout.columns, "Metadata_Site"]].iloc[:0]
    html = plate_page(replace(data, sites=bare, **tables))
    assert "No verdict. Too many images had to be left out." in html
    assert "No control has a usable image." in html


@pytest.mark.parametrize(("n_excluded", "banner"), [(0, False), (4, False), (12, True)])
def test_plate_beyond_the_limit_of_excluded_sites_says_that_it_has_no_verdict(n_excluded, banner):
    layout = layout_of(96)
    rows = [(well, 1, "all-zero image", "a.tif") for well in layout["Metadata_Well"][:n_excluded]]
    data = report_of(layout, 96, plate=plate_facts(96, n_excluded), excluded=excluded_of(rows))
    page = Page(plate_page(data)).text
    assert ("No verdict. Too many images had to be left out." in page) == banner
    if banner:
        assert "12 of 96 sites (12.5 %) had to be left out" in page
        assert "12 × all-zero image" in page
    assert ("Nothing had to be left out." in page) == (n_excluded == 0)


def test_excluded_sites_are_listed_with_reason_and_file():
    rows = [("B03", 2, "DNA: file is truncated", "raw/b03.tif"), ("C04", -1, "no image", "")]
    data = report_of(layout_of(96), 96, excluded=excluded_of(rows), plate=plate_facts(96, 2))
    html = plate_page(data)
    assert '<td>B03</td><td class="number">2</td><td>DNA: file is truncated</td>' in html
    assert '<td>C04</td><td class="number">all</td>' in html
    assert "raw/b03.tif" in html


def test_names_from_outside_are_shown_and_never_obeyed():
    layout = layout_of(96, negative=HOSTILE, positives=(HOSTILE + "2",))
    data = report_of(
        layout,
        96,
        plate=plate_facts(96, 1, name=HOSTILE),
        excluded=excluded_of([("A01", 1, HOSTILE, HOSTILE)]),
        illumination=pd.DataFrame({"channel": [HOSTILE], "status": ["ok"], "reason": [HOSTILE]}),
        versions={HOSTILE: HOSTILE},
        config={HOSTILE: {"</pre>": HOSTILE}},
        fingerprints={HOSTILE: HOSTILE},
    )
    html = plate_page(data)
    page = Page(html)
    assert "<script" not in html
    assert page.tags["script"] == 0
    assert page.text.count(HOSTILE) > 10


def test_the_licence_of_weights_is_shown():
    weights = {
        "cpsam_v2": {"sha256": "0f1c", "licence": "non-commercial"},
        "mine": {"sha256": "a", "licence": ""},
    }
    page = Page(plate_page(report_of(layout_of(96), 96, config={"weights": weights})))
    for part in ("cpsam_v2", "0f1c", "non-commercial", "No licence is stated."):
        assert part in page.text


@pytest.mark.parametrize("n_wells", list(PLATE_SHAPES))
def test_map_shows_every_well_of_every_format(n_wells):
    layout = layout_of(n_wells)
    values = pd.DataFrame({"Metadata_Well": layout["Metadata_Well"], "value": range(len(layout))})
    picture = draw_plate_map(Quantity("Counts", "", values), n_wells, layout)
    rows, columns = PLATE_SHAPES[n_wells]
    named = re.findall(r"<title>(\w+)[,:]", picture)
    assert named == list(layout["Metadata_Well"])
    assert picture.count("<circle") == rows  # column 1 is the negative control
    assert picture.count("<polygon") == rows  # column 2 the positive one
    width = float(re.search(r'viewBox="0 0 (\S+) ', picture)[1])
    right = max(float(x) for x in re.findall(r'<rect x="([\d.]+)"', picture))
    assert 0 < width - right < 70
    assert f">{columns - (1 - columns % 2) * (n_wells == 1536)}</text>" in picture


def test_map_puts_a_value_on_its_well_and_leaves_others_hatched():
    layout = layout_of(96)
    table = pd.DataFrame({"Metadata_Well": ["C05"], "value": [123.4]})
    picture = draw_plate_map(Quantity("Counts", "cells", table), 96, layout)
    assert "<title>C05, compound 5: 123 cells</title>" in picture
    assert "<title>A01, negative control, DMSO: no value</title>" in picture
    assert picture.count("url(#hatching)") == 95
    filled = re.search(r'<rect x="(\S+)" y="(\S+)"[^>]*fill="#\w+"><title>C05', picture)
    corner = re.search(r'<rect x="(\S+)" y="(\S+)"[^>]*><title>A01', picture)
    ground = re.search(r'<rect x="(\S+)" y="(\S+)" class="plate-ground"', picture)
    assert all(float(corner[i]) - float(ground[i]) == 0.5 for i in (1, 2))
    assert float(filled[1]) - float(corner[1]) == 4 * 26
    assert float(filled[2]) - float(corner[2]) == 2 * 26


def test_map_of_several_sites_shows_their_mean():
    table = pd.DataFrame(
        {"Metadata_Well": ["A01", "A01"], "Metadata_Site": [1, 2], "value": [1, 4]}
    )
    picture = draw_plate_map(Quantity("Counts", "", table), 6, layout_of(6))
    assert "A01, negative control, DMSO: 2.5</title>" in picture


def test_map_of_one_value_says_so_in_place_of_a_colour_bar():
    layout = layout_of(96)
    table = pd.DataFrame({"Metadata_Well": layout["Metadata_Well"], "value": 2.0})
    picture = draw_plate_map(Quantity("Threshold", "% of full scale", table), 96, layout)
    assert ">2 % of full scale in every well</text>" in picture
    assert "url(#colours" not in picture


def test_colours_are_centred_on_zero_where_zero_is_the_ideal():
    table = pd.DataFrame({"Metadata_Well": list("abcd"), "value": [-0.1, 0.0, 0.1, 0.3]})
    colours = colours_of(Quantity("Bias", "px", table, margin=0.5))
    assert (colours.low, colours.high) == (-0.5, 0.5)  # harmless values stay pale
    assert min(colours.rgb(0.0)) > 235
    far = colours_of(Quantity("Bias", "px", table.assign(value=[-9.0, 0, 0, 0]), margin=0.5))
    assert far.low == -far.high < -8


def test_one_odd_well_does_not_pale_all_others():
    table = pd.DataFrame({"Metadata_Well": map(str, range(384)), "value": [*range(383), 1e9]})
    assert colours_of(Quantity("Counts", "", table)).high < 400
    few = table.iloc[-6:]
    assert colours_of(Quantity("Counts", "", few)).high == 1e9


def test_distribution_shows_every_control_well_and_its_mean():
    layout = layout_of(96, positives=("Drug A",))
    values = np.arange(96.0)
    table = pd.DataFrame({"Metadata_Well": layout["Metadata_Well"], "value": values})
    table.loc[table["Metadata_Well"] == "B01", "value"] = np.nan
    picture = draw_distribution(Quantity("Counts", "", table), control_groups(comparisons(layout)))
    dots = dict(re.findall(r"<title>(\w\d\d): ([\d.]+)</title>", picture))
    known = table.dropna()
    controls = known[known["Metadata_Well"].str.endswith(("01", "02"))]
    assert dots == {row.Metadata_Well: plain(row.value) for row in controls.itertuples()}
    negative = known.loc[known["Metadata_Well"].str.endswith("01"), "value"].mean()
    assert f"DMSO: mean of 7 wells {plain(negative)}," in picture


@given(st.lists(st.floats(0, 300), max_size=60))
def test_dots_hide_one_another_only_when_there_is_no_room(places):
    reach = 12.0
    offsets = spread(places, reach)
    assert len(offsets) == len(places)
    assert all(abs(offset) <= reach for offset in offsets)
    assert all(b - a > 1.8 * _RADIUS for a, b in pairwise(sorted(set(offsets))))
    for level in set(offsets) - {0.0}:  # the middle takes those for which there is no room
        own = sorted(x for x, offset in zip(places, offsets, strict=True) if offset == level)
        assert all(b - a >= 2 * _RADIUS for a, b in pairwise(own))
    if len(places) <= 5:
        assert len(set(zip(places, offsets, strict=True))) == len(places)


def test_sets_that_count_the_same_share_a_map():
    data = report_of(layout_of(96), 96)
    names = [one.name for one in _quantities(data)]
    assert names.count("Nuclei and Cells per well") == 1
    apart = report_of(data.layout, 96, wells=data.wells.assign(Count_Cells=5))
    assert "Cells per well" in [one.name for one in _quantities(apart)]


def _quantities(data):
    return quantities(data.wells, data.sites, data.qc_wells, OBJECT_SETS, {"bias": 1.0})


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


def test_page_of_a_384_well_plate_stays_moderate():
    html = plate_page(report_of(layout_of(384), 384))
    assert len(html.encode()) < 1_500_000  # without pictures; the page's limit is 8 MB with them


def test_same_tables_give_the_same_bytes_in_any_process():
    code = (
        "import hashlib; from report_cases import *; from levelfield.report import plate_page;"
        "print(hashlib.sha256(plate_page(report_of(layout_of(24), 24)).encode()).hexdigest())"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(sums) == 1


def screen_of(names: list[str], **verdicts: dict) -> ScreenReport:
    layout = layout_of(96)
    tables = [
        tables_of(answers_of(layout, verdicts.get(name), plate=name)) for name in (*names, "screen")
    ]
    return ScreenReport(
        plates=pd.concat([plate_facts(96, name=name) for name in names]),
        answers=pd.concat([table[0] for table in tables]),
        verdict=pd.concat([table[1] for table in tables]),
        readouts=pd.concat(
            [readouts_of(layout, name, 0.1 * i) for i, name in enumerate(names, start=1)]
        ),
        versions={"levelfield": "0.1.0"},
    )


def test_screen_leads_to_every_plate_and_shows_every_answer():
    names = ["P1", "P 2/#?", HOSTILE]
    html = screen_page(screen_of(names, P1={("Cells", "threshold"): "fail"}))
    page = Page(html)
    links = [unquote(link) for link in page.links if not link.startswith("#")]
    assert set(links) == {f"../{name}/report.html" for name in names}
    assert "../P%202/%23%3F/report.html" in page.links
    assert "<script" not in html
    assert "Plate by plate: 1 fail, unreviewed · 23 undecided." in page.text
    assert "3 plates together. Not decided yet." in page.text
    assert "All plates together" in page.text
    assert html.count('class="badge') == 4 * 8
    assert html.count("negative undecided, positive undecided, both together fail") == 1
    for z_prime in ("0.1", "0.2", "0.3"):
        assert f'<td class="number">{z_prime}</td>' in html


def test_screen_with_a_plate_that_lacks_an_object_set_leaves_its_cells_open():
    data = screen_of(["P1", "P2"])
    kept = [
        table[(table["plate"] != "P2") | (table["object_set"] == "Nuclei")]
        for table in (data.answers, data.verdict)
    ]
    html = screen_page(ScreenReport(data.plates, *kept, data.readouts.iloc[:0]))
    assert len(re.findall(r"<td[^>]*>–</td>", html)) == len(QUESTIONS)
    assert "No plate has a readout and a positive control." in Page(html).text


def drift_of(names: list[str], **changes) -> pd.DataFrame:
    rows = [
        (name, f"2026-03-{order:02d}", order, "Nuclei", measure, scope, control, value, unit)
        for order, name in enumerate(names, start=1)
        for measure, unit, value in (("bias", "px", 0.2 * order), ("agreement", "%", 95.0))
        for scope, control in (("negcon", "DMSO"), ("poscon", "Drug A"), ("difference", "Drug A"))
    ]
    head = ["plate", "date", "order", "object_set", "measure", "scope", "perturbation"]
    table = pd.DataFrame(rows, columns=[*head, "estimate", "unit"])
    ends = {"ci_low": table["estimate"] - 0.5, "ci_high": table["estimate"] + 0.5}
    return table.assign(**({"basis": "evidence"} | ends | changes))


def test_drift_shows_both_classes_of_every_plate_in_order():
    names = ["late", "early"]
    drift = drift_of(names).assign(order=lambda table: (table["plate"] == "late") + 1)
    charts = dict(drift_charts(drift, {"bias": 1.0, "agreement": 90.0}))
    assert list(charts) == ["Nuclei: threshold bias (px)", "Nuclei: agreement (%)"]
    picture = charts["Nuclei: threshold bias (px)"]
    assert picture.index(">early<") < picture.index(">late<")
    assert ">2026-03-01<" in picture
    said = re.findall(r"<title>(\w+), (.+?): (\S+) px \(", picture)
    assert len(said) == 4  # differences are left out
    assert ("early", "DMSO", "+0.40") in said
    band = float(re.search(r'<rect[^>]* height="([\d.]+)" class="margin"', picture)[1])
    zero = re.search(r'y1="([\d.]+)" y2="\1" class="zero"', picture)
    assert band > 20
    assert zero


def test_drift_says_which_order_its_plates_stand_in():
    names = ["P1", "P2", "P3"]
    dated = drift_of(names)
    assert drift_order(dated) == "in the order in which they were imaged"
    mixed = dated.assign(date=dated["date"].mask(dated["plate"] == "P2"))
    assert "plate sheet, as 1 of 3 plates has no date of imaging" in drift_order(mixed)
    assert "plate sheet, which has no dates" in drift_order(dated.assign(date=""))
    assert drift_order(None) == ""


def test_drift_shows_the_day_of_a_date_time_and_the_page_the_whole():
    names = [f"P{number}" for number in range(7)]
    date = "2026-03-01T09:30+01:00"
    for _, picture in drift_charts(drift_of(names, date=date), {"bias": 1.0, "agreement": 90.0}):
        assert ">2026-03-01<" in picture
        assert f"<title>{date}</title>" in picture
    data = screen_of(["P1", "P2"])
    assert "Imaged</th>" not in screen_page(data)
    dated = data.plates.assign(Metadata_Date=[date, ""])
    page = screen_page(replace(data, plates=dated))
    assert f"<td>{date.replace('+', '&#43;')}</td>" in page or f"<td>{date}</td>" in page


def test_drift_of_one_plate_of_unknown_dates_or_values():
    margins = {"bias": 1.0, "agreement": 90.0}
    assert drift_charts(None, margins) == []
    assert drift_charts(drift_of(["P1"]), margins) == []
    bare = drift_of(["P1", "P2"], date=np.nan, ci_low=np.nan, ci_high=np.nan)
    bare.loc[bare["plate"] == "P1", "estimate"] = np.nan
    for _, picture in drift_charts(bare, margins):
        assert "nan" not in picture
    with pytest.raises(ValueError, match=r"drift.csv lacks the column order"):
        drift_charts(bare.drop(columns="order"), margins)


def test_drift_is_on_the_page_of_the_screen():
    data = screen_of(["P1", "P2"])
    html = screen_page(replace(data, drift=drift_of(["P1", "P2"])))
    assert '<section id="drift">' in html
    assert '<section id="drift">' not in screen_page(data)


def test_verdict_text_is_narrow_and_whole():
    long = "a compound with quite an unreasonably long systematic name, 10 µM"
    layout = layout_of(96, positives=(long, "Drug B"))
    verdicts = {("Nuclei", "threshold"): "fail", ("Cells", "threshold"): "pass"}
    both = [tables_of(answers_of(layout, verdicts, plate=name)) for name in ("P1", "P2")]
    answers, verdict = (pd.concat(tables) for tables in zip(*both, strict=True))
    facts = pd.concat([plate_facts(96, name=name) for name in ("P1", "P2")])
    text = verdict_text(answers, verdict, facts)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH <= 100
    rows = [line for line in lines if line.startswith(("    neg", "    pos", "    diff"))]
    assert len(rows) == len(verdict)
    assert sum(line.rstrip().endswith("unreviewed") for line in rows) == 2 * (1 + 5)
    flat = " ".join(text.split())
    assert flat.count("Nuclei, threshold: Fail, unreviewed. Worst: threshold bias, ") == 2
    assert flat.count("raise outline of Nuclei from 0.4 (default) by 0.05") == 2


def test_verdict_text_of_a_plate_without_positive_control():
    layout = layout_of(96, positives=())
    for empty in (True, False):
        text = verdict_text(*tables_of(answers_of(layout, empty=empty)), plate_facts(96))
        assert "8 of 8 answers are undecided" in text
        assert not re.search(r"\bnan\b", text)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.4249, "px", "+0.42 px"),
        (-0.004, "px", "0.00 px"),
        (-3.14, "pp", "−3.1 pp"),
        (81.4, "%", "81 %"),
        (float("nan"), "px", "–"),
    ],
)
def test_estimates_have_the_decimals_of_their_unit(value, unit, said):
    assert measured(value, unit) == said


@given(st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9))
def test_numbers_keep_three_digits(value):
    read = float(plain(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_captions_of_the_workflow_report_are_sound(caption):
    config = {"objects": {"Nuclei": {}}, "channels": {"DNA": {}}}
    config["qc"] = {"excluded_sites_percent": 5}
    snakemake = {"config": config, "wildcards": {"plate": "P1"}}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string(caption.read_text("utf-8")).render(snakemake=snakemake)
    assert len(text) > 80
    publish_parts(text, writer="html", settings_overrides={"halt_level": 2})
