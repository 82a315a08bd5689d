"""Pages of all states of a verdict: unreviewed, undecided, at the floor, read from tables."""

import re
from dataclasses import replace

import pytest
from qc_plates import layout as qc_layout
from qc_plates import rows_of, wells_of
from report_cases import (
    answer_of,
    answers_of,
    counts_of,
    not_covered_of,
    plate_facts,
    report_of,
    reviewed_row,
    row_of,
    tables_of,
    trend_of,
)
from verdict_cases import EVERYTHING, LAYOUT, REASONS, VERDICTS, facts, flat

from levelfield.io.tables import read_csv, write_csv
from levelfield.qc.plate import answer_table, verdict_table
from levelfield.qc.statistics.records import from_table
from levelfield.qc.tables.trend import Trend
from levelfield.qc.wording.advice import row_advice
from levelfield.qc.wording.headlines import plate_headline
from levelfield.report import plate_page, verdict_text
from levelfield.report.records import read_answers, read_rows
from levelfield.report.side_tables import not_covered_rows, per_field, percent, trend_words


@pytest.mark.parametrize("state", ["unreviewed", "partial"])
@pytest.mark.parametrize("verdict", ["pass", "fail"])
def test_what_nobody_has_finished_looking_at_is_never_drawn_as_reviewed(state, verdict):
    judged = [
        answer_of([reviewed_row(row, state, n_reviewed=1) for row in one.rows])
        for one in answers_of(LAYOUT, dict.fromkeys(EVERYTHING, verdict))
    ]
    html = plate_page(report_of(LAYOUT, 24, judged=judged))
    html = re.sub(r'<p class="note">.*?</p>', "", html, flags=re.DOTALL)  # holds the legend
    badges = re.findall(r'class="badge (pass|fail)([\w ]*)"[^§]*?</svg>([\w, ]+)</span>', html)
    assert len(badges) > 20
    assert all("unreviewed" in name and "unreviewed" in words for _, name, words in badges)
    assert not re.search(r"#icon-(pass|fail)\"/></svg>", html)
    assert ("review unfinished: 1 of 120 crops" in html) == (state == "partial")
    text = verdict_text(*tables_of(judged), facts())
    assert not re.search(rf"  {verdict}$", text, re.MULTILINE)


def test_a_finished_review_is_drawn_solid():
    judged = [
        answer_of([reviewed_row(row, "complete") for row in one.rows])
        for one in answers_of(LAYOUT, EVERYTHING)
    ]
    html = plate_page(report_of(LAYOUT, 24, judged=judged))
    html = re.sub(r'<p class="note">.*?</p>', "", html, flags=re.DOTALL)
    assert 'class="badge pass' in html
    assert "badge pass unreviewed" not in html


@pytest.mark.parametrize("reason", REASONS)
def test_a_page_is_made_for_every_reason(reason):
    judged = answers_of(LAYOUT, verdict=VERDICTS.get(reason, "undecided"), reason=reason)
    if reason in ("no_wells", "nothing_measured"):
        judged = answers_of(LAYOUT, empty=True, reason=reason)
    html = plate_page(report_of(LAYOUT, 24, judged=judged))
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)
    assert "None" not in flat(html)


def test_the_first_table_asks_as_people_do_and_answers_for_each_class():
    html = plate_page(report_of(LAYOUT, 24, judged=answers_of(LAYOUT, EVERYTHING)))
    table = html[html.index('<table class="overview">') : html.index("</table>")]
    for question in (
        "Are most objects right?",
        "Is every object found, and nothing invented?",
        "Are about as many images a bit too low as a bit too high?",
        "Are there about as many splits as merges – and few of both?",
        "Do these hold for the negative AND the positive controls?",
    ):
        assert question in table
    assert table.count('<td class="class-answer">') == 3 * len(EVERYTHING)
    assert "To be sure: review 50 crops per class" in flat(html)


def test_the_first_table_names_what_to_change_where_it_fails():
    judged = answers_of(LAYOUT, {("Nuclei", "threshold"): "fail"})
    html = plate_page(report_of(LAYOUT, 24, judged=judged))
    table = html[html.index('<table class="overview">') : html.index("</table>")]
    assert "Next: raise outline of Nuclei from 0.4 (default) by 0.05" in table
    assert "Next: review 50 crops per class (9 min)" in table


def test_at_the_floor_is_said_in_place_of_a_number():
    row = row_of("merges", value=-0.001, at_floor=True)
    assert "is at the floor: no more than faultless labels read" in row_advice(row)
    answers, verdict = tables_of([answer_of([row])])
    assert read_rows(verdict)[0].value_words == "at the floor"
    assert "at the floor" in answers["headline"][0]


def test_counts_doses_and_wells_not_covered_are_on_the_page():
    data = report_of(LAYOUT, 24, counts=counts_of(LAYOUT), trend=trend_of())
    page = flat(plate_page(replace(data, not_covered=not_covered_of())))
    assert "2 treated wells of 72 hold objects that look like neither control class" in page
    assert "size 0.62" in page
    assert "too few objects" in page
    assert "rises with the dose" in page
    assert "+3.4 pp" in page
    assert "1,301" in page
    assert "5.2 %" in page
    assert not re.search(r"\bnan\b", page)
    nothing = replace(data, counts=None, trend=trend_of().iloc[:0])
    nothing = replace(nothing, not_covered=not_covered_of().iloc[:0])
    page = flat(plate_page(nothing))
    assert "look like those of one control class or the other" in page
    assert "Doses of one control" not in page


def test_side_tables_order_and_round():
    assert [row.well for row in not_covered_rows(not_covered_of())] == ["D07", "C05"]
    trends = from_table(trend_of(), Trend)
    assert list(map(trend_words, trends)) == ["rises with the dose", "none shown"]
    row = counts_of(LAYOUT).iloc[0]
    shown = per_field(row["n_labels"], row["n_fields"]), percent(row["invented"])
    assert (per_field(row["n_second_opinion"], row["n_fields"]), *shown) == ("162.6", "154.2", "–")
    lacking = report_of(LAYOUT, 24, counts=counts_of(LAYOUT).drop(columns="n_labels"))
    with pytest.raises(ValueError, match=r"qc/counts.csv lacks the column n_labels"):
        plate_page(lacking)


def test_tables_of_another_version_are_refused():
    answers, verdict = tables_of(answers_of(LAYOUT))
    with pytest.raises(ValueError, match=r"qc/verdict.csv lacks the column basis"):
        read_answers(answers, verdict.drop(columns="basis"))
    with pytest.raises(ValueError, match="names the row"):
        read_answers(answers, verdict[verdict["scope"] != "negcon"])


def test_tables_of_the_qc_are_read_back_and_shown(tmp_path):
    wells = wells_of("A") | {f"B{column:02d}": {"merge": 0.4} for column in range(1, 9)}
    rows = rows_of(wells)
    kept = {}
    for name, table in (("answers", answer_table(rows)), ("verdict", verdict_table(rows, {}))):
        write_csv(table, tmp_path / f"{name}.csv")
        kept[name] = read_csv(tmp_path / f"{name}.csv")
    facts = plate_facts(36)
    text = verdict_text(**kept, facts=facts)
    headline = plate_headline(read_answers(**kept), {"within_limit": True})
    assert headline in flat(text)
    assert not re.search(r"\bnan\b", text)
    data = report_of(qc_layout(), 96, plate=facts, **kept)
    page = flat(plate_page(data))
    assert headline in page
    for one in kept["answers"]["headline"]:
        assert one in page
        assert one in flat(text)
