"""The verdict in words and as it is drawn: one source for terminal, page and tables."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from qc_plates import layout as qc_layout
from qc_plates import rows_of, wells_of
from report_cases import (
    METHODS,
    OBJECT_SETS,
    UNMEASURED,
    answer_of,
    answers_of,
    counts_of,
    estimate_of,
    layout_of,
    not_covered_of,
    plate_facts,
    report_of,
    reviewed_row,
    row_of,
    tables_of,
    trend_of,
)

from levelfield.config.settings import object_sets
from levelfield.io.tables import read_csv, write_csv
from levelfield.qc.measures import MEASURES, QUESTIONS
from levelfield.qc.plate import answer_table, verdict_table
from levelfield.qc.verdict.rows import NextStep, Reason, ReviewCounts, Step
from levelfield.qc.wording.advice import WITHHELD, row_advice
from levelfield.qc.wording.headlines import (
    CANCELLING,
    MERGED_ALIKE,
    answer_headline,
    plate_headline,
    screen_headline,
)
from levelfield.qc.wording.parameters import (
    EFFECTS,
    KNOBS,
    OPPOSITES,
    Method,
    change_for,
    clash,
    parameter_advice,
)
from levelfield.qc.wording.steps import next_step_in_short, next_step_words
from levelfield.report import plate_page, verdict_text
from levelfield.report.intervals import interval_plot, interval_scale
from levelfield.report.records import read_answers, read_rows
from levelfield.report.side_tables import count_lines, not_covered_lines, trend_lines
from levelfield.steps.methods import advice_methods

LAYOUT = layout_of(24)
REASONS = get_args(Reason)
EVERYTHING = {(name, question): "pass" for name in OBJECT_SETS for question in QUESTIONS}
VERDICTS = {"inside": "pass", "beyond": "fail"}


def facts(n_excluded: int = 0) -> pd.DataFrame:
    return plate_facts(24, n_excluded)


def flat(text: str) -> str:
    text = re.sub(r"<style>.*?</style>", " ", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


def row_with(reason: str, **changes):
    verdict = VERDICTS.get(reason, "undecided")
    if reason in ("no_wells", "nothing_measured"):
        changes = {"estimate": UNMEASURED, "missing": ("poscon",)} | changes
    return row_of(**({"verdict": verdict, "reason": reason} | changes))


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scope", ["negcon", "poscon", "difference"])
def test_every_reason_of_every_row_has_whole_sentences(reason, measure, scope):
    for state in ("unreviewed", "partial", "complete"):
        row = row_with(reason, measure=measure, scope=scope, value=0.3)
        said = row_advice(reviewed_row(row, state), METHODS["Nuclei"])
        assert said.endswith(".")
        assert not re.search(r"\bnan\b|None|\{|\.\.|  ", said), said
        assert ("review is unfinished" in said) == (state == "partial" and reason != REASONS[-1])


WORDS = {
    "inside": "the 90 % interval lies within the harmless range",
    "beyond": "lies beyond the harmless range",
    "no_wells": "There are no usable wells of the positive control",
    "nothing_measured": "Nothing could be measured",
    "one_well": "a class has one well",
    "sampling": "mostly for the scatter between wells",
    "doubt": "mostly for the error of the evidence itself",
    "multiplicity": "among so many rows",
    "uncalibrated": "nothing is known of the evidence's error",
    "reviewers_disagree": "the review speaks against it",
    "excluded_sites": WITHHELD,
}


def test_every_reason_says_its_own():
    assert set(WORDS) == set(REASONS)
    for reason, words in WORDS.items():
        assert words in row_advice(row_with(reason))


@pytest.mark.parametrize(
    ("measure", "value", "words"),
    [
        ("merges", 0.214, "21.4 % of Nuclei are merged"),
        ("missed", 0.96, "96.0 % of Nuclei are missed"),
        ("bias", -0.31, "the outlines of Nuclei are 0.31 px too small"),
        ("balance", 0.05, "Nuclei are over-segmented by 5.0 pp"),
        ("agreement", 0.57, "57 % of Nuclei are right"),
    ],
)
def test_a_class_is_called_what_it_is(measure, value, words):
    assert words in row_advice(row_of(measure, value=value))
    one = row_of(measure, value=value, verdict="undecided", reason="one_well", n_wells=1)
    assert words in row_advice(one)


def test_doubts_that_matter_are_named_the_larger_first():
    shares = {"sampling": 0.3, "size": 0.15, "outside": 0.5, "grain": 0.05}
    said = row_advice(row_with("doubt", doubt_shares=shares))
    outside, size = "images lie outside the calibration range", "objects differ in size"
    assert said.index(outside) < said.index(size)
    assert "texture" not in said


def test_a_difference_tells_both_classes_and_the_density_matched_estimate():
    said = row_advice(row_of("balance", "difference", 0.2, by_matched=True))
    assert "It is +24.0 pp there and +4.0 pp in the negative wells." in said
    assert "At equal local density the difference is +16.0 pp" in said
    assert "which decides" in said
    alone = row_of("balance", "difference", 0.2, matched=None)
    assert "share no local density" in row_advice(alone)


def test_a_review_stands_beside_the_evidence():
    row = replace(
        reviewed_row(row_of("splits", value=0.04), "complete"),
        evidence=estimate_of(0.11),
        reviewed_these_wells=estimate_of(0.045),
    )
    said = row_advice(row)
    assert "Pass, reviewed:" in said
    assert "The evidence alone says +11.0 pp" in said
    assert "Of these wells alone it says +4.5 pp" in said


@pytest.mark.parametrize("kind", get_args(Step))
def test_every_step_has_words_and_its_cost_in_minutes(kind):
    for step in (NextStep(kind, 50, 9), NextStep(kind)):
        for words in (next_step_words(step), next_step_in_short(step)):
            assert bool(words) == (kind != "none")
            assert ("9 min" in words) == (kind != "none" and step.minutes == 9)


def test_what_is_missed_is_searched_in_fields():
    step = NextStep("review", 5, 10)
    assert next_step_words(step, "missed").startswith("search 5 fields per class")
    assert next_step_words(step, "invented").startswith("review 5 objects per class")


def test_undecided_headlines_name_the_next_step():
    row = row_with("sampling", next_step=NextStep("wells", 12))
    assert "Next: use 12 wells per class." in answer_headline(answer_of([row]))


# --- headlines --------------------------------------------------------------------------------


def test_errors_that_cancel_and_that_are_shared_are_named():
    rows = [
        row_of("merges", scope, 0.2, verdict="fail", reason="beyond")
        for scope in ("negcon", "poscon")
    ]
    said = answer_headline(answer_of(rows, shared=True, cancelling=True))
    assert said.startswith("Fail, unreviewed. Worst: merge rate in the negative control DMSO, ")
    assert MERGED_ALIKE in said
    assert CANCELLING in said
    assert MERGED_ALIKE not in answer_headline(answer_of(rows))


def verdicts_with(**verdicts) -> dict:
    return EVERYTHING | {tuple(key.split("_", 1)): value for key, value in verdicts.items()}


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({}, "Not decided yet. Nothing fails, and 8 of 8 answers are undecided."),
        (
            verdicts_with(Nuclei_threshold="fail"),
            "No. 1 of 8 answers fails, unreviewed: Nuclei, threshold (threshold bias, Drug A "
            "against its negative wells).",
        ),
        (EVERYTHING, "Yes by the evidence alone: every question passes for both control classes"),
    ],
)
def test_terminal_and_page_carry_the_same_words(verdicts, said):
    answers, verdict = tables_of(judged := answers_of(LAYOUT, verdicts))
    text = flat(verdict_text(answers, verdict, facts()))
    page = flat(plate_page(report_of(LAYOUT, 24, judged=judged)))
    for words in [said, *answers["headline"]]:
        assert words in text
        assert words in page
    for row in read_rows(verdict):
        assert row.value_words in page
        assert row.interval_words in text


def test_a_plate_without_verdict_says_so_alike_everywhere():
    withheld = answers_of(
        LAYOUT, verdict="undecided", reason="excluded_sites", next_step=NextStep("images")
    )
    answers, verdict = tables_of(withheld)
    assert set(answers["headline"]) == {WITHHELD}
    assert verdict["advice"].str.startswith(WITHHELD).all()
    text = verdict_text(answers, verdict, facts(12))
    page = plate_page(report_of(LAYOUT, 24, judged=withheld, plate=facts(12)))
    assert WITHHELD in text
    assert WITHHELD in page
    assert "threshold.correction" not in text


def test_a_reviewed_plate_says_yes_without_reservation():
    judged = [
        answer_of([reviewed_row(row, "complete") for row in one.rows])
        for one in answers_of(LAYOUT, EVERYTHING)
    ]
    shown_answers = read_answers(*tables_of(judged))
    said = plate_headline(shown_answers, {"within_limit": True})
    assert said == "Yes. Every question passes for both control classes, reviewed."
    assert screen_headline(shown_answers, 3).startswith("3 plates together. Yes.")
    assert "unreviewed" not in verdict_text(*tables_of(judged), facts())


# --- unreviewed is never drawn as reviewed ----------------------------------------------------


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
    assert ("review unfinished: 1 of 120 objects" in html) == (state == "partial")
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


# --- pages of all states ----------------------------------------------------------------------


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
    assert "To be sure: review 50 objects per class" in flat(html)


def test_the_first_table_names_what_to_change_where_it_fails():
    judged = answers_of(LAYOUT, {("Nuclei", "threshold"): "fail"})
    html = plate_page(report_of(LAYOUT, 24, judged=judged))
    table = html[html.index('<table class="overview">') : html.index("</table>")]
    assert "Next: raise outline of Nuclei from 0.4 (default) by 0.05" in table
    assert "Next: review 50 objects per class (9 min)" in table


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
    assert [one.well for one in not_covered_lines(not_covered_of())] == ["D07", "C05"]
    assert [one.says for one in trend_lines(trend_of())] == ["rises with the dose", "none shown"]
    line = count_lines(counts_of(LAYOUT))[0]
    assert (line.per_field, line.second_per_field, line.invented) == ("154.2", "162.6", "–")
    with pytest.raises(ValueError, match=r"qc/counts.csv lacks the column n_labels"):
        count_lines(counts_of(LAYOUT).drop(columns="n_labels"))


def test_tables_of_another_version_are_refused():
    answers, verdict = tables_of(answers_of(LAYOUT))
    with pytest.raises(ValueError, match=r"qc/verdict.csv lacks the column basis"):
        read_answers(answers, verdict.drop(columns="basis"))
    with pytest.raises(ValueError, match="names the row"):
        read_answers(answers, verdict[verdict["scope"] != "negcon"])


# --- plots ------------------------------------------------------------------------------------


def shown(row):
    return read_rows(tables_of([answer_of([row])])[1])[0]


@pytest.mark.parametrize("measure", ["missed", "invented", "splits", "merges"])
def test_rates_of_a_class_start_at_zero(measure):
    rate, apart = shown(row_of(measure, value=0.2)), shown(row_of(measure, "difference", 0.2))
    assert interval_scale([rate]).low == 0
    assert interval_scale([apart]).low == -interval_scale([apart]).high


@given(
    measure=st.sampled_from(list(MEASURES)),
    scope=st.sampled_from(["negcon", "difference"]),
    value=st.floats(-1, 1),
)
def test_labels_of_plots_never_touch_nor_leave_the_drawing(measure, scope, value):
    row = shown(row_of(measure, scope, value))
    picture = interval_plot(row, interval_scale([row]))
    width = float(re.search(r'viewBox="0 0 (\S+) ', picture)[1])
    texts = re.findall(r'<text x="(\S+)" y="\S+" text-anchor="middle"[^>]*>([^<]+)<', picture)
    ends = sorted((float(x) - 2.6 * len(words), float(x) + 2.6 * len(words)) for x, words in texts)
    assert ends
    assert ends[0][0] >= 0
    assert ends[-1][1] <= width
    assert all(a[1] <= b[0] for a, b in pairwise(ends))


# --- which parameter --------------------------------------------------------------------------


def methods_of_config() -> dict[str, Method]:
    text = """
    channels: {DNA: {}, FKHR: {}}
    objects:
      Nuclei: {method: classical, channels: [DNA], parameters: {declump: {depth: 0.2}}}
      Cells:
        method: propagation
        parent: Nuclei
        channels: [FKHR]
        parameters: {threshold: {method: manual, value: 0.02}}
      Learned: {method: network, weights: some, channels: [DNA], parameters: {outline: null}}
    """
    return advice_methods(object_sets(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("name", "aim", "said"),
    [
        ("Nuclei", "smaller", "raise outline of Nuclei from 0.4 (default) by 0.05"),
        ("Nuclei", "divide_more", "lower declump.depth of Nuclei from 0.2 (default 0.08) by 0.04"),
        (
            "Nuclei",
            "find_more",
            "lower threshold.correction of Nuclei from 1.0 (default) by 0.1",
        ),
        ("Cells", "larger", "lower threshold.value of Cells from 0.02 (default not set) by 0.002"),
        ("Cells", "divide_less", "follow the advice on Nuclei"),
        ("Cells", "find_more", "follow the advice on Nuclei"),
        ("Learned", "smaller", "raise decoding.foreground of Learned from 0.5 (default) by 0.1"),
        ("Learned", "divide_less", "raise decoding.depth of Learned from 0.5 (default) by 0.1"),
    ],
)
def test_advice_names_parameter_value_default_step_and_effect(name, aim, said):
    advice = parameter_advice(methods_of_config()[name], name, aim)
    assert advice.startswith(said)
    if "follow" not in said:
        assert advice.endswith(f": {EFFECTS[aim]}")


def test_every_parameter_that_is_advised_exists():
    from levelfield.segmentation.network.decoders import DECODERS

    decoders = [{"decoder": name} for name in DECODERS]
    parents = {"propagation": "Seeds", "watershed": "Seeds", "expansion": "Seeds"}
    for method, knobs in KNOBS.items():
        known = set()
        for parameters in decoders if method == "network" else [{}]:
            rule = {"method": method, "parameters": parameters}
            rule |= {"parent": parents[method]} if method in parents else {}
            config = {
                "channels": {"DNA": {}},
                "objects": {"Seeds": {"method": "classical"}, "Own": rule},
            }
            if method in ("cellpose", "cellpose3", "stardist", "mask_rcnn", "segment_anything"):
                rule["weights"] = "some"
            if method in ("network", "instanseg"):
                rule["weights"] = "some"
            if method == "pixel_classifier":
                rule["classifier"] = "some"
            known |= set(advice_methods(object_sets(config))["Own"].values)
        assert {knob.parameter for knob in knobs} <= known, method


def test_advice_of_sets_that_grow_from_another_never_contradicts_it():
    merged = row_of("merges", value=0.3, verdict="fail", reason="beyond")
    split = replace(
        row_of("splits", value=0.3, verdict="fail", reason="beyond"), object_set="Cells"
    )
    nuclei = row_advice(merged, METHODS["Nuclei"])
    cells = row_advice(split, METHODS["Cells"])
    assert "lower declump.depth of Nuclei from 0.1 (default 0.08)" in nuclei
    assert "follow the advice on Nuclei" in cells
    assert "raise" not in cells
    assert "lower" not in cells
    assert change_for(METHODS["Cells"], "Cells", "divide_less") is None


def test_rows_that_ask_for_opposites_name_no_direction():
    merged = row_of("merges", value=0.3, verdict="fail", reason="beyond")
    split = row_of("splits", value=0.3, verdict="fail", reason="beyond")
    said = row_advice(merged, METHODS["Nuclei"], [split])
    assert "asks for the opposite change of declump.depth of Nuclei" in said
    assert "lower declump.depth" not in said
    harmless = replace(split, verdict="pass", reason="inside")
    assert "lower declump.depth" in row_advice(merged, METHODS["Nuclei"], [harmless])


@given(st.sampled_from(sorted(KNOBS)), st.sampled_from(sorted(EFFECTS)))
def test_an_aim_clashes_with_its_opposite_and_not_with_itself(name, aim):
    method = Method(name, {knob.parameter: 0.5 for knob in KNOBS[name]})
    assert clash(method, "Nuclei", aim, OPPOSITES[aim])
    assert not clash(method, "Nuclei", aim, aim)
    there, back = (change_for(method, "Nuclei", one) for one in (aim, OPPOSITES[aim]))
    assert (there is None) == (back is None)
    if there:
        assert (there.parameter, there.raised) == (back.parameter, not back.raised)


def test_a_gross_failure_always_names_a_parameter():
    for verdict, reason in (("fail", "beyond"), ("undecided", "doubt")):
        row = row_of("missed", value=0.96, verdict=verdict, reason=reason)
        assert "lower threshold.correction of Nuclei" in row_advice(row, METHODS["Nuclei"])
    near = row_of("missed", value=0.01, verdict="undecided", reason="sampling")
    assert "threshold.correction" not in row_advice(near, METHODS["Nuclei"])


def test_reviews_that_nobody_could_tell_are_told():
    row = replace(reviewed_row(row_of(), "complete"), review=ReviewCounts("complete", 120, 80, 40))
    assert "Of another 40 nobody could tell" in row_advice(row)
    assert "nobody" not in row_advice(reviewed_row(row_of(), "complete"))


def test_missing_values_do_not_reach_the_words():
    row = row_of("bias", fraction_low=np.nan, fraction_high=np.nan, n_wells=1)
    assert "too low in" not in row_advice(row)


# --- from the tables that the QC writes -------------------------------------------------------


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
