"""The page of a screen, and drift over its plates."""

import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from report_cases import answers_of, layout_of, plate_facts, readouts_of, tables_of
from report_pages import HOSTILE, Page

from levelfield.questions import QUESTIONS
from levelfield.report import ScreenReport, screen_page
from levelfield.report.drift import drift_charts, drift_order


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
