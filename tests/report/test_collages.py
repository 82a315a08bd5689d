"""Collages in the report: the table, and the contact sheet."""

import io

import numpy as np
import pandas as pd
from PIL import Image
from qc_fields import discs, picture
from report_cases import layout_of, report_of
from report_pages import Page

from levelfield.qc.collage.read_back import ReadBackLine
from levelfield.qc.collage.reading import ClassFacts, CollageLine, Enough, Reading, collage_lines
from levelfield.qc.statistics.records import to_table
from levelfield.report import plate_page
from levelfield.report.collages import SheetRow, draw_contact_sheet, shown_collages

ENOUGH = Enough(50, 0.2)
LABELS = discs([(30, 30), (80, 90)])
SHOWN = (picture(LABELS), LABELS)


def table():
    facts = ClassFacts("P", "Nuclei", "poscon", "Drug <A>", 16, 80, 0.1, 16, 1200, 1190, 3)
    lines = collage_lines(facts, {"merges": Reading(0.091, 0.1, 0.01)}, ENOUGH)
    lines += collage_lines(ClassFacts("P", "Cells", "negcon", "DMSO"), {}, ENOUGH, "none of cells")
    return to_table(lines, CollageLine)


def planted_table():
    head = ("P", "Nuclei", "poscon", "Drug <A>")
    lines = [
        ReadBackLine(*head, "split_percent", 5, "splits", "pp", 16, 500, 5.0, 4.4, 0.2),
        ReadBackLine(*head, "split_percent", 10, "splits", "pp", 16, 500, 10.2, 9.1, 0.2),
        ReadBackLine(*head, "grow_px", 1, "bias", "px", 16, 500, 0.97, 0.96, 0.02),
        ReadBackLine(*head, "grow_px", -1, "bias", "px", 16, 500, -0.98, -0.9, 0.02),
    ]
    return to_table(lines, ReadBackLine)


def test_the_sheet_has_a_row_of_real_fields_and_collages_for_each_class():
    row = SheetRow("Nuclei", "negcon", "DMSO", [SHOWN] * 3, [SHOWN] * 3)
    pictures = [np.asarray(Image.open(io.BytesIO(draw_contact_sheet([row] * n)))) for n in (1, 2)]
    assert pictures[1].shape[0] == 2 * pictures[0].shape[0] + 4
    assert pictures[0].shape[0] == LABELS.shape[0]
    assert pictures[0].shape[1] >= 6 * LABELS.shape[1]
    coloured = np.ptp(pictures[0].astype(int), axis=2) > 60
    assert coloured.sum() >= 6 * 2 * 30  # outlines of two objects in each of six pictures
    assert draw_contact_sheet([row]) == draw_contact_sheet([row])


def test_a_sheet_of_no_class_is_a_picture_too():
    assert Image.open(io.BytesIO(draw_contact_sheet([]))).size == (1, 1)


def test_the_page_shows_what_was_read_and_what_is_true_and_why_some_have_none():
    sheet = draw_contact_sheet([SheetRow("Nuclei", "poscon", "Drug <A>", [SHOWN], [SHOWN])])
    shown = shown_collages(table(), planted_table(), sheet)
    assert [one.line.object_set for one in shown.classes] == ["Nuclei", "Cells"]
    assert [one.line.object_set for one in shown.drawn] == ["Nuclei"]
    data = report_of(layout_of(96), 96)
    html = plate_page(type(data)(**(vars(data) | {"collages": shown})))
    page = Page(html)
    assert "#collages" in page.links
    section = html.split('<section id="collages">')[1].split("</section>")[0]
    assert "+9.1 pp<br>+10.0 pp" in section
    assert "0.1 per object" in section
    assert "None of cells." in section
    assert "Drug &lt;A&gt;" in section
    assert "data:image/png" in section
    # Of each kind of error the largest dose.
    assert "+10.2 pp of splits would have been read as +9.1 pp" in section
    assert "+5.0 pp" not in section
    assert "outlines moved by −0.98 px would have been read as −0.90 px" in section


def test_without_collages_the_page_has_no_section_of_them():
    assert shown_collages(pd.DataFrame(), None, b"") is None
    assert shown_collages(None, None, b"") is None
    assert 'id="collages"' not in plate_page(report_of(layout_of(96), 96))
