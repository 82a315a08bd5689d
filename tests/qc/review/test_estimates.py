"""What follows from a review for every measure, class and difference."""

import numpy as np
import pytest
from review_cases import Given, answered, candidates, controls, only_objects, plate, review_of, row

from levelfield.qc.columns import NUMBER
from levelfield.qc.review.sampling import ReviewPlan
from levelfield.qc.statistics.comparison import Comparison
from levelfield.questions import MEASURES


def test_every_measure_has_a_row_for_each_class_and_their_difference():
    rows = review_of(plate(), None)
    names = {(each.measure, each.scope) for each in rows}
    assert names == {(m, scope) for m in MEASURES for scope in ("negcon", "poscon", "difference")}
    assert {each.counts.state for each in rows} == {"unreviewed"}
    assert all(np.isnan(each.estimate.value) and each.matched is None for each in rows)
    units = {each.measure: each.unit for each in rows if each.scope == "negcon"}
    assert units["bias"] == "share" and units["agreement"] == "%" and units["missed"] == "pp"


def test_a_finished_review_finds_the_true_difference_of_the_classes():
    objects = plate()
    rows = review_of(objects, answered(objects))
    truth = objects.groupby(objects["Metadata_Well"].str[0])["is_merged"].mean()
    for measure, sign in (("merges", 1), ("balance", -1)):
        found = row(rows, measure)
        for estimate in (found.estimate, found.these_wells, found.matched):
            low, high = estimate.interval(0.95)
            assert low < sign * (truth["B"] - truth["A"]) < high
        assert (
            found.counts.state == "complete"
            and found.counts.n_reviewed == found.counts.n_drawn == 120
        )
    assert row(rows, "splits").estimate.value == pytest.approx(0, abs=0.03)
    agreement = row(rows, "agreement", "poscon").estimate.value
    assert agreement == pytest.approx((1 - truth["B"]) / (1 + 1 / 75), abs=0.06)


def test_both_targets_are_kept_and_the_control_is_known_less_well_than_its_wells():
    found = row(review_of(plate(), answered(plate())))
    assert found.estimate.value == found.these_wells.value
    assert found.estimate.variance > found.these_wells.variance


def test_matching_the_density_takes_back_a_difference_that_density_makes():
    rng = np.random.default_rng(1)
    objects = plate()
    positive = (objects["Metadata_Well"].str[0] == "B").to_numpy()
    dense = rng.random(len(objects)) < np.where(positive, 0.7, 0.3)
    objects = objects.assign(
        local_density=np.where(dense, 20, 10) + rng.random(len(objects)),
        is_merged=rng.random(len(objects)) < np.where(dense, 0.4, 0.02),
    )
    objects["merge_evidence"] = 0.9 * objects["is_merged"] + 0.05
    plan = ReviewPlan(400)
    found = row(review_of(objects, answered(objects, plan), plan=plan), "merges")
    assert found.estimate.value == pytest.approx(0.15, abs=0.05)
    assert abs(found.matched.value) < 0.05
    assert np.isfinite(found.matched.interval(0.9)).all()


def test_one_answer_or_all_but_one_leave_a_review_partial_and_without_an_estimate():
    objects = plate()
    sheet = answered(objects)
    last = sheet.index[sheet["object_number"] != "0"][-1]
    for kept in (sheet.head(1), sheet.drop(index=last)):
        rows = review_of(objects, kept)
        found = row(rows)
        assert found.counts.state == "partial" and np.isnan(found.estimate.value)
        assert np.isnan(found.these_wells.value) and found.matched is None
    one_class = sheet[sheet["well"].str[0] == "A"]
    rows = review_of(objects, one_class)
    assert row(rows, scope="negcon").counts.state == "complete"
    assert row(rows, scope="poscon").counts.state == "unreviewed"
    assert row(rows).counts.state == "partial"


def test_agreement_is_partial_until_missed_objects_are_counted_too():
    objects = plate()
    rows = review_of(objects, only_objects(answered(objects)))
    assert row(rows).counts.state == "complete"
    assert row(rows, "missed").counts.state == "unreviewed"
    found = row(rows, "agreement")
    assert found.counts.state == "partial" and "0 of 5 whole fields" in found.notes


def test_missed_objects_are_counted_on_whole_fields_per_true_object():
    objects = plate()
    many, none = (review_of(objects, answered(objects, missed=text)) for text in ("25", "0"))
    true = 75 * (1 - row(many, "balance", "poscon").estimate.value)
    found = row(many, "missed", "poscon")
    assert found.reviews_of == "fields" and found.counts.n_drawn == found.counts.n_reviewed == 5
    assert found.estimate.value == pytest.approx(25 / (25 + true), abs=0.02)
    low, high = row(none, "missed", "poscon").estimate.interval(0.9)
    assert low < 0 < high
    assert row(many, "agreement").estimate.variance > 0
    drop = row(none, "agreement", "poscon").estimate.value
    assert row(many, "agreement", "poscon").estimate.value < 0.85 * drop


def test_a_class_that_lost_its_objects_is_seen_in_the_review_of_whole_fields():
    objects, found = plate(), candidates()
    positive = objects["Metadata_Well"].str[0] == "B"
    kept = objects[~positive | (objects[NUMBER] <= 6)]
    rows = review_of(kept, answered(kept, missed="72"))
    missed = row(rows, "missed", "poscon").estimate
    assert missed.interval(0.9)[0] > 0.8
    assert row(rows, "missed").estimate.value > 0.3
    assert len(found)


def test_cannot_tell_is_counted_and_a_stratum_that_nobody_could_tell_is_not_known():
    objects = plate()
    sheet = answered(objects)
    some = (sheet.index % 4 == 0) & (sheet["object_number"] != "0")
    sheet.loc[some, ["answer", "m"]] = "cannot_tell", ""
    found = row(review_of(objects, sheet))
    assert (
        found.counts.n_reviewed + found.counts.n_cannot_tell == found.counts.n_drawn
        and found.counts.n_cannot_tell > 20
    )
    assert found.counts.state == "complete" and np.isfinite(found.estimate.value)
    sheet = answered(objects)
    sheet.loc[sheet["object_number"] != "0", ["answer", "m"]] = "cannot_tell", ""
    found = row(review_of(objects, sheet))
    assert found.counts.state == "partial" and "Nobody could tell" in found.notes


def test_reviewers_who_see_outlines_too_large_are_heard_as_shares():
    objects = plate()
    seen = answered(
        objects, answer=lambda _, each: "too_large" if each["well"] > "B" else "correct"
    )
    found = row(review_of(objects, seen), "bias")
    assert found.estimate.value == pytest.approx(1.0, abs=0.05)
    assert found.unit == "share" and found.reviews_needed is None


def test_a_class_with_one_well_borrows_the_scatter_of_the_other():
    objects = plate()
    objects = objects[
        (objects["Metadata_Well"].str[0] == "A") | (objects["Metadata_Well"] == "B01")
    ]
    pairs = [Comparison("drug 80 uM", "DMSO", ("B01",), controls()[0].negative_wells)]
    found = candidates()
    found = found[found["Metadata_Well"].isin(objects["Metadata_Well"])]
    rows = review_of(objects, answered(objects, pairs=pairs, found=found), pairs=pairs, found=found)
    alone = row(rows, scope="poscon").estimate
    assert np.isfinite(alone.interval(0.9)).all()
    assert alone.variance > row(rows, scope="poscon").these_wells.variance
    only = [Comparison("drug 80 uM", "DMSO", ("B01",), ("A01",))]
    two = objects[objects["Metadata_Well"].isin(["A01", "B01"])]
    few = found[found["Metadata_Well"].isin(["A01", "B01"])]
    sheet = answered(two, pairs=only, found=few)
    unknown = row(review_of(two, sheet, pairs=only, found=few)).estimate
    assert np.isfinite(unknown.value) and np.isnan(unknown.variance)
    known = row(review_of(two, sheet, Given(0.03), pairs=only, found=few)).estimate
    assert known.variance > 2 * 0.03**2


def test_without_a_positive_control_the_negative_wells_are_reviewed():
    pairs = [Comparison("", "DMSO", (), controls()[0].negative_wells)]
    rows = review_of(plate(), answered(plate(), pairs=pairs), pairs=pairs)
    assert row(rows, scope="negcon").counts.state == "complete"
    assert row(rows, perturbation="").counts.state == "unreviewed"


def test_reviews_that_would_decide_are_at_most_all_objects_and_none_where_wells_leave_it_open():
    objects = plate()
    rows = review_of(objects, None)
    for each in rows:
        if each.measure != "bias" and each.reviews_of == "objects":
            assert each.reviews_needed is None or 10 <= each.reviews_needed <= 600
    assert row(rows).reviews_needed is not None
    assert 3 <= row(rows, "missed").reviews_needed <= 8
    rng = np.random.default_rng(2)
    uneven = objects["Metadata_Well"].isin(["B01", "B02"])
    apart = objects.assign(
        merge_evidence=np.where(uneven, 0.9, 0.02) * rng.uniform(0.9, 1, len(objects))
    )
    apart["balance_contribution"] = -1.25 * apart["merge_evidence"]
    assert row(review_of(apart, None)).reviews_needed is None


def test_a_review_twice_as_large_is_asked_for_where_the_value_is_close_to_the_margin():
    objects = plate()

    def needed(margin):
        return row(review_of(objects, None, Given(balance=margin)), scope="negcon").reviews_needed

    value = -row(review_of(objects, None), scope="negcon").estimate.value
    assert np.isnan(value)
    read = -objects.loc[objects["Metadata_Well"].str[0] == "A", "balance_contribution"].mean()
    assert needed(read + 0.2) < needed(read + 0.07)
