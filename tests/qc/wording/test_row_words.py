"""A row of the verdict in words: every reason, class, step and review."""

import re
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from report_cases import METHODS, UNMEASURED, answer_of, estimate_of, reviewed_row, row_of
from verdict_cases import REASONS, VERDICTS

from levelfield.qc.verdict.rows import NextStep, ReviewCounts, Step
from levelfield.qc.wording.advice import WITHHELD, row_advice
from levelfield.qc.wording.headlines import answer_headline
from levelfield.qc.wording.steps import next_step_in_short, next_step_words
from levelfield.questions import MEASURES


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


def test_a_review_names_the_command_that_opens_it():
    said = next_step_words(NextStep("review", 50, 10))
    assert said == "review 50 crops per class with levelfield review (about 10 minutes)"


def test_undecided_headlines_name_the_next_step():
    row = row_with("sampling", next_step=NextStep("wells", 12))
    assert "Next: use 12 wells per class." in answer_headline(answer_of([row]))


def test_reviews_that_nobody_could_tell_are_told():
    row = replace(reviewed_row(row_of(), "complete"), review=ReviewCounts("complete", 120, 80, 40))
    assert "Of another 40 nobody could tell" in row_advice(row)
    assert "nobody" not in row_advice(reviewed_row(row_of(), "complete"))


def test_missing_values_do_not_reach_the_words():
    row = row_of("bias", fraction_low=np.nan, fraction_high=np.nan, n_wells=1)
    assert "too low in" not in row_advice(row)
