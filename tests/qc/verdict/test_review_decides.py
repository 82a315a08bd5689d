"""Where a review decides, and where it only contradicts."""

from dataclasses import replace

import pytest
from qc_plates import CALIBRATED, GOOD, readings_of, review_said, row_of, wells_of

from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import Rules


def reviewed_rows(readings, rules, **options):
    said = [review_said(one.key, **options) for one in readings if one.adjustment == "raw"]
    return judge(plate_cases(readings, said, rules), rules)


def test_a_complete_review_decides_all_but_the_threshold():
    readings = readings_of(wells_of("A") | wells_of("B", merge=0.5))
    rows = reviewed_rows(readings, Rules())
    merges = row_of(rows, "merges", "poscon")
    assert (merges.verdict, merges.basis, merges.unreviewed) == ("pass", "review", False)
    assert merges.evidence.value == pytest.approx(0.5, abs=0.1)
    assert merges.reviewed_these_wells.variance == 0.005**2
    assert row_of(rows, "bias", "poscon").basis == "evidence"


def test_an_unfinished_review_whose_interval_decides_counts():
    rows = reviewed_rows(readings_of(GOOD), CALIBRATED, state="enough")
    row = row_of(rows, "merges", "negcon")
    assert (row.verdict, row.basis, row.unreviewed) == ("pass", "review", False)


@pytest.mark.parametrize("state", ["unreviewed", "partial"])
def test_an_unfinished_review_does_not_decide(state):
    empty = Estimate(float("nan"), float("nan"), float("nan"), 0)
    rows = reviewed_rows(readings_of(GOOD), CALIBRATED, state=state, estimate=empty)
    row = row_of(rows, "merges", "negcon")
    assert row.basis == "evidence" and row.verdict == "pass" and row.unreviewed
    assert row.review.state == state
    assert (row.next_step.kind, row.next_step.amount) == ("review", 120)
    assert row.next_step.minutes == 24  # the page shows both classes in turn


def test_a_review_that_sees_a_threshold_bias_takes_back_its_pass():
    large = Estimate(0.4, 0.05**2, 20.0, 8)
    rows = reviewed_rows(readings_of(GOOD), CALIBRATED, estimate=large)
    row = row_of(rows, "bias", "negcon")
    assert (row.verdict, row.reason) == ("undecided", "reviewers_disagree")
    small = reviewed_rows(readings_of(GOOD), CALIBRATED, estimate=replace(large, value=0.05))
    assert row_of(small, "bias", "negcon").verdict == "pass"


def test_the_reviews_matched_difference_counts():
    far = Estimate(0.3, 0.01**2, 8.0, 8)
    rows = reviewed_rows(readings_of(GOOD), CALIBRATED, matched=far)
    row = row_of(rows, "merges", "difference")
    assert row.verdict == "fail" and row.by_matched
