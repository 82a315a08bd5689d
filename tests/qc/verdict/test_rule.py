"""Verdicts of plates with planted errors: what fails, what passes, and what stays undecided."""

from dataclasses import replace

import numpy as np
import pytest
from qc_plates import (
    CALIBRATED,
    GOOD,
    answer_to,
    constants,
    layout,
    readings_of,
    row_of,
    rows_of,
    wells_of,
)

from levelfield.qc.statistics.errors import ErrorModel
from levelfield.qc.verdict.answer import answers_of
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rows import NextStep
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import MEASURES, QUESTIONS


def verdicts(rows):
    return {one.question: one.verdict for one in answers_of(rows)}


def test_a_good_segmentation_passes_every_question_unreviewed():
    rows = rows_of(GOOD)
    assert verdicts(rows) == dict.fromkeys(QUESTIONS, "pass")
    assert all(one.unreviewed for one in answers_of(rows))
    assert all(row.reason == "inside" and row.basis == "evidence" for row in rows)


def test_a_question_asks_for_the_review_that_all_its_rows_need():
    judged = [row for row in rows_of(GOOD) if row.measure_name in ("splits", "merges")]
    rows = [
        replace(row, verdict="undecided", next_step=NextStep("review", 10 * (i + 1), 2 * (i + 1)))
        for i, row in enumerate(judged)
    ]
    (answer,) = answers_of(rows)
    assert len(rows) == 6
    # 60 crops of each of two classes, at 6 s.
    assert answer.next_step == NextStep("review", 60, 12)


def test_every_measure_has_its_classes_and_their_difference():
    rows = rows_of(GOOD)
    assert [(row.measure_name, row.scope) for row in rows] == [
        (name, scope) for name in MEASURES for scope in ("negcon", "poscon", "difference")
    ]
    assert {row.unit for row in rows} == {"%", "pp", "px"}
    assert row_of(rows, "agreement", "difference").unit == "pp"


def test_a_segmentation_wrong_in_both_classes_fails_and_says_that_it_is_shared():
    rows = rows_of(wells_of("A", merge=0.3) | wells_of("B", merge=0.31))
    answer = answer_to(rows, "split_merge")
    assert (answer.verdict, answer.negative, answer.positive) == ("fail", "fail", "fail")
    assert answer.both == "pass" and answer.shared and not answer.cancelling
    assert answer.worst.scope in ("negcon", "poscon")


def test_a_class_worse_than_the_other_is_not_shared():
    rows = rows_of(wells_of("A", merge=0.2) | wells_of("B", merge=0.45))
    answer = answer_to(rows, "split_merge")
    assert answer.both == "fail" and not answer.shared


@pytest.mark.parametrize("lost", [0.2, 0.96])
def test_a_class_that_lost_its_nuclei_fails_found(lost):
    rows = rows_of(wells_of("A") | wells_of("B", missed=lost))
    answer = answer_to(rows, "found")
    assert answer.verdict == "fail" and answer.worst.measure_name == "missed"
    assert (answer.negative, answer.positive, answer.both) == ("pass", "fail", "fail")
    assert answer.worst.estimate.value == pytest.approx(lost, abs=0.07)


def test_a_class_that_lost_all_nuclei_fails_found_and_measures_nothing_else():
    rows = rows_of(wells_of("A") | wells_of("B", missed=1.0))
    assert answer_to(rows, "found").verdict == "fail"
    assert row_of(rows, "agreement", "poscon").estimate.value == 0
    merges = row_of(rows, "merges", "poscon")
    assert (merges.verdict, merges.reason) == ("undecided", "nothing_measured")
    assert merges.next_step.kind == "look"


def test_a_class_with_fewer_cells_does_not_fail_found():
    rows = rows_of(wells_of("A", count=200) | wells_of("B", count=60))
    assert row_of(rows, "missed", "difference").verdict == "pass"
    assert answer_to(rows, "found").verdict != "fail"


def test_invented_objects_fail_found():
    rows = rows_of(wells_of("A") | wells_of("B", invented=0.3))
    answer = answer_to(rows, "found")
    assert answer.verdict == "fail" and answer.worst.measure_name == "invented"


def test_errors_that_cancel_fail_and_are_named_as_such():
    rows = rows_of(wells_of("A") | wells_of("B", merge=0.22, split=0.275))
    answer = answer_to(rows, "split_merge")
    assert row_of(rows, "balance", "poscon").verdict == "pass"
    assert answer.verdict == "fail" and answer.cancelling


def test_badly_drawn_outlines_fail_agreement_alone():
    rows = rows_of(wells_of("A") | wells_of("B", misbounded=0.4))
    assert verdicts(rows) == {
        "agreement": "fail",
        "found": "pass",
        "threshold": "pass",
        "split_merge": "pass",
    }


@pytest.mark.parametrize(("bias", "verdict"), [(0.2, "pass"), (0.3, "undecided"), (1.0, "fail")])
def test_a_threshold_difference_is_judged_in_px(bias, verdict):
    wells = wells_of("A", count=400) | wells_of("B", bias=bias, count=400)
    assert row_of(rows_of(wells), "bias", "difference").verdict == verdict


def test_outlines_too_large_in_both_classes_fail_by_class():
    rows = rows_of(wells_of("A", bias=1.6) | wells_of("B", bias=1.6))
    answer = answer_to(rows, "threshold")
    assert answer.verdict == "fail" and answer.shared and answer.both == "pass"
    assert answer.worst.fraction_low == 1.0


def test_failures_grow_with_the_planted_error_and_never_fall():
    for planted in ("merge", "split", "missed", "bias"):
        sizes = (0, 1, 2, 4) if planted == "bias" else (0.02, 0.1, 0.2, 0.4)
        failed = []
        for size in sizes:
            every = [
                rows_of(wells_of("A") | wells_of("B", **{planted: size}), seed=seed)
                for seed in range(4)
            ]
            failed.append(sum("fail" in verdicts(rows).values() for rows in every))
        assert failed == sorted(failed), planted
        assert failed[-1] == 4 and failed[0] == 0, planted


def test_a_phenotype_widens_and_a_gross_error_in_it_still_fails():
    doubtful = Rules(
        constants={
            name: replace(
                one,
                **dict.fromkeys(
                    ("error_class", "error_difference"),
                    ErrorModel(one.error_class.constant, 0.2, {"size": 0.05, "sharpness": 0.05}),
                ),
            )
            for name, one in CALIBRATED.constants.items()
        }
    )
    look = {"size": 0.5, "sharpness": 0.4, "contrast": 0.5}
    plain = row_of(rows_of(GOOD, doubtful), "balance", "difference")
    mild = row_of(rows_of(wells_of("A") | wells_of("B", **look), doubtful), "balance", "difference")
    gross = rows_of(wells_of("A") | wells_of("B", merge=0.5, **look), doubtful)
    assert mild.estimate.standard_error > 1.5 * plain.estimate.standard_error
    assert mild.doubts.size == pytest.approx(np.log(2), abs=0.05)
    assert row_of(gross, "balance", "difference").verdict == "fail"
    assert row_of(gross, "balance", "negcon").doubts.size == 0


def test_images_outside_of_the_calibration_widen_and_do_not_withhold():
    rules = Rules(
        constants={
            name: replace(one, error_class=ErrorModel(0.02, 0.0, {"outside": 0.1}))
            for name, one in CALIBRATED.constants.items()
        }
    )
    wells = wells_of("A") | wells_of("B", merge=0.6)
    rows = rows_of(wells, rules, within=False)
    assert row_of(rows, "merges", "poscon").verdict == "fail"
    open_ = row_of(rows, "merges", "negcon")
    assert (open_.verdict, open_.reason) == ("undecided", "doubt")
    assert open_.doubt_shares["outside"] > 0.8
    assert open_.next_step.kind == "review" and open_.next_step.minutes == 10


def test_a_class_with_one_well_is_estimated_may_fail_and_cannot_pass():
    fine = rows_of(wells_of("A") | wells_of("B", 1))
    row = row_of(fine, "merges", "poscon")
    assert (row.verdict, row.reason) == ("undecided", "one_well")
    assert np.isfinite(row.estimate.interval(0.9)).all()
    assert row.next_step.kind == "wells" and row.next_step.amount >= 2
    assert row_of(fine, "merges", "negcon").verdict == "pass"
    bad = rows_of(wells_of("A") | wells_of("B", 1, missed=0.43))
    assert row_of(bad, "missed", "poscon").verdict == "fail"
    assert answer_to(bad, "found").verdict == "fail"


def test_one_well_in_each_class_borrows_the_usual_scatter():
    rows = rows_of(wells_of("A", 1) | wells_of("B", 1, merge=0.5))
    row = row_of(rows, "merges", "difference")
    assert row.estimate.variance == pytest.approx(2 * 0.05**2)
    assert row.verdict == "fail"


@pytest.mark.parametrize(("there", "gone"), [("A", "poscon"), ("B", "negcon")])
def test_a_missing_class_leaves_it_and_the_difference_undecided(there, gone):
    rows = rows_of(wells_of(there))
    for scope in (gone, "difference"):
        row = row_of(rows, "merges", scope)
        assert (row.verdict, row.reason) == ("undecided", "no_wells")
        assert row.next_step.kind == "images" and gone in row.missing
    other = {"poscon": "negcon", "negcon": "poscon"}[gone]
    assert row_of(rows, "merges", other).verdict == "pass"
    assert set(verdicts(rows).values()) == {"undecided"}


def test_a_layout_without_positive_controls_still_judges_the_negative_ones():
    sheet = layout()
    rows = rows_of(wells_of("A", merge=0.4), sheet=sheet[sheet["Metadata_ControlType"] != "poscon"])
    answer = answer_to(rows, "split_merge")
    assert answer.negative == "fail" and answer.verdict == "fail"
    assert row_of(rows, "merges", "difference").next_step.kind == "layout"


def test_uncalibrated_nothing_passes_and_gross_failures_still_fail():
    rows = rows_of(GOOD, Rules())
    assert set(verdicts(rows).values()) == {"undecided"}
    assert all(row.reason == "uncalibrated" for row in rows)
    assert row_of(rows, "merges", "negcon").next_step.kind == "review"
    step = row_of(rows, "bias", "difference").next_step
    assert step.kind == "annotate" and step.minutes > 0
    gross = rows_of(wells_of("A") | wells_of("B", bias=3.0, missed=0.8), Rules())
    assert verdicts(gross)["threshold"] == verdicts(gross)["found"] == "fail"


def test_too_many_excluded_sites_leave_every_row_undecided_and_keep_the_numbers():
    rows = rows_of(wells_of("A") | wells_of("B", merge=0.5), replace(CALIBRATED, withheld="12 of"))
    assert {row.verdict for row in rows} == {"undecided"}
    assert {row.reason for row in rows} == {"excluded_sites"}
    assert {row.next_step.kind for row in rows} == {"images"}
    assert row_of(rows, "merges", "poscon").estimate.value == pytest.approx(0.5, abs=0.1)


def test_a_wide_scatter_between_wells_asks_for_wells():
    rates = {"01": 0.0, "02": 0.1, "03": 0.25}
    wells = {f"{row}{name}": {"merge": rate} for row in "AB" for name, rate in rates.items()}
    row = row_of(rows_of(wells), "merges", "difference")
    assert (row.verdict, row.reason) == ("undecided", "sampling")
    assert row.next_step.kind == "wells" and row.next_step.amount > 3


def test_one_of_many_noisy_rows_fails_only_when_chance_among_as_many_is_ruled_out():
    reading = next(
        one for one in readings_of(GOOD) if one.measure == "merges" and one.scope == "difference"
    )
    wide = replace(CALIBRATED, constants=dict.fromkeys(MEASURES, constants(0.0, 0.0)))
    one = replace(reading, value=0.16, variance=0.075**2, degrees_of_freedom=float("inf"))
    others = [replace(one, perturbation=f"other {k}", value=0.01) for k in range(6)]
    alone = judge(plate_cases([one], [], wide), wide)[0]
    among = judge(plate_cases([one, *others], [], wide), wide)[0]
    assert alone.verdict == "fail"
    assert (among.verdict, among.reason) == ("undecided", "multiplicity")


def test_order_of_the_objects_does_not_change_a_bit():
    wells = wells_of("A") | wells_of("B", bias=1.0)
    one, other = rows_of(wells), rows_of(dict(wells))
    assert [repr(row) for row in one] == [repr(row) for row in other]
