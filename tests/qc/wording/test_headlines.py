"""Headlines: of answers, plates and screens, the same on page and terminal."""

import pytest
from report_cases import answer_of, answers_of, report_of, reviewed_row, row_of, tables_of
from verdict_cases import EVERYTHING, LAYOUT, facts, flat

from levelfield.qc.verdict.rows import NextStep
from levelfield.qc.wording.advice import WITHHELD
from levelfield.qc.wording.headlines import (
    CANCELLING,
    MERGED_ALIKE,
    answer_headline,
    plate_headline,
    screen_headline,
)
from levelfield.report import plate_page, verdict_text
from levelfield.report.records import read_answers, read_rows


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
