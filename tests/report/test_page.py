"""The page of a plate: whole, in order, and safe with names from outside."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_cases import excluded_of, layout_of, plate_facts, report_of
from report_pages import HOSTILE, Page, real_gallery

from levelfield.qc.wording.numbers import interval
from levelfield.report import plate_page


@pytest.fixture(scope="module")
def real_page() -> str:
    return plate_page(report_of(layout_of(96), 96, gallery=real_gallery()))


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
