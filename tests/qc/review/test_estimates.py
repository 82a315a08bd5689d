"""What follows from a review for every measure, class and difference."""

import numpy as np
import pytest
from review_cases import Given, answered, candidates, controls, plate, review_of, row

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
        assert found.counts.state == "complete"
        assert found.counts.n_reviewed == found.counts.n_drawn == 80
    assert row(rows, "splits").estimate.value == pytest.approx(0, abs=0.01)
    agreement = row(rows, "agreement", "poscon").estimate.value
    assert agreement == pytest.approx(1 - truth["B"], abs=0.02)


def test_a_review_of_all_crops_is_exact_about_these_wells():
    objects, plan = plate(), ReviewPlan(10**4)
    rows = review_of(objects, answered(objects, plan), plan=plan)
    truth = objects.groupby(objects["Metadata_Well"].str[0])["is_merged"].mean()
    found = row(rows, "merges")
    assert found.these_wells.value == pytest.approx(truth["B"] - truth["A"])
    assert found.these_wells.variance == 0 and found.estimate.variance > 0


def test_every_answer_moves_the_interval_and_a_clear_one_decides_early():
    objects = plate()
    widths, states = [], []
    for first in (4, 12, 24, 48, 80):
        found = row(review_of(objects, answered(objects, first=first)), scope="negcon")
        low, high = found.these_wells.interval(0.9)
        widths.append(high - low)
        states.append(found.counts.state)
    assert (np.diff(widths) < 0).all()
    assert states[0] == "partial" and "enough" in states and states[-1] == "complete"
    bad = objects.assign(is_merged=objects["Metadata_Well"].str[0] == "B")
    early = row(review_of(bad, answered(bad, first=24)), "merges")
    assert early.counts.state == "enough" and early.decides and early.estimate.value > 0.9


def test_one_class_alone_tells_nothing_of_the_difference():
    objects = plate()
    sheet = answered(objects)
    rows = review_of(objects, sheet[sheet["well"].str[0] == "A"])
    assert row(rows, scope="negcon").counts.state == "complete"
    assert row(rows, scope="poscon").counts.state == "unreviewed"
    assert row(rows).counts.state == "partial" and np.isnan(row(rows).estimate.value)


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
    found = row(review_of(objects, answered(objects)), "merges")
    assert found.estimate.value == pytest.approx(0.15, abs=0.05)
    assert abs(found.matched.value) < 0.05
    assert np.isfinite(found.matched.interval(0.9)).all()


def test_missed_objects_are_counted_per_true_object_and_agreement_counts_them():
    objects = plate()
    many, none = (review_of(objects, answered(objects, missed=number)) for number in (2, 0))
    n_crops = 80  # of each class, about
    missed = row(many, "missed", "poscon").estimate
    assert missed.value == pytest.approx(2 * n_crops / (600 + 60 + 2 * n_crops), abs=0.03)
    low, high = row(none, "missed", "poscon").estimate.interval(0.9)
    assert low < 0 < high < 0.02
    drop = row(none, "agreement", "poscon").estimate.value
    assert row(many, "agreement", "poscon").estimate.value < 0.85 * drop


def test_a_class_that_lost_its_objects_is_seen_in_the_same_crops():
    objects = plate()
    positive = objects["Metadata_Well"].str[0] == "B"
    kept = objects[~positive | (objects[NUMBER] <= 30)]
    sheet = answered(kept, missed=lambda crop: 20 * (crop["Metadata_Well"] > "B"))
    rows = review_of(kept, sheet)
    assert row(rows, "missed", "poscon").estimate.interval(0.9)[0] > 0.5
    assert row(rows, "missed").estimate.value > 0.3


def test_what_nobody_can_tell_widens_the_interval_both_ways():
    objects = plate()
    sure = row(review_of(objects, answered(objects)), "merges", "negcon")

    def unsure(one):
        if one[NUMBER] % 10 == 0:
            return "cannot_tell"
        return "merged" if one["is_merged"] else "correct"

    found = row(review_of(objects, answered(objects, answer=unsure)), "merges", "negcon")
    assert found.counts.n_cannot_tell > 20 and found.counts.state == "complete"
    (low, high), (least, most) = (own.these_wells.interval(0.9) for own in (sure, found))
    assert least < low - 0.008 and most > high + 0.03
    nobody = answered(objects, answer=lambda one: "cannot_tell")
    low, high = row(review_of(objects, nobody), "merges", "negcon").these_wells.interval(0.9)
    assert low < 0.05 and high > 0.9


def test_reviewers_who_differ_widen_the_interval_by_their_variance():
    objects = plate()
    first = answered(objects)

    def strict(one):
        return "merged" if one["is_merged"] or one[NUMBER] % 5 == 0 else "correct"

    second = answered(objects, answer=strict, reviewer="B")
    both = first._append(second, ignore_index=True)
    alone, found = (row(review_of(objects, own), "merges", "negcon") for own in (first, both))
    other = row(review_of(objects, second), "merges", "negcon")
    middle = (alone.these_wells.value + other.these_wells.value) / 2
    assert found.these_wells.value == pytest.approx(middle, abs=0.01)
    half = (other.these_wells.value - alone.these_wells.value) / 2
    assert found.these_wells.variance > half**2 * 0.7
    assert "reviewers differ" in found.notes
    same = first._append(answered(objects, reviewer="B"), ignore_index=True)
    agreed = row(review_of(objects, same), "merges", "negcon").these_wells
    assert agreed.variance == pytest.approx(alone.these_wells.variance)


def test_reviewers_who_see_outlines_too_large_are_heard_as_shares():
    objects = plate()
    seen = answered(
        objects, answer=lambda one: "too_large" if one["Metadata_Well"] > "B" else "correct"
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
    assert known.variance >= 2 * 0.03**2


def test_without_a_positive_control_the_negative_wells_are_reviewed():
    pairs = [Comparison("", "DMSO", (), controls()[0].negative_wells)]
    rows = review_of(plate(), answered(plate(), pairs=pairs), pairs=pairs)
    assert row(rows, scope="negcon").counts.state == "complete"
    assert row(rows, perturbation="").counts.state == "unreviewed"


def test_the_crops_that_would_decide_are_told_before_the_first_answer():
    objects = plate()
    rows = review_of(objects, None)
    for each in rows:
        assert each.reviews_needed is None or 10 <= each.reviews_needed <= 90
    assert row(rows).reviews_needed is not None
    rng = np.random.default_rng(2)
    uneven = objects["Metadata_Well"].isin(["B01", "B02"])
    apart = objects.assign(
        merge_evidence=np.where(uneven, 0.9, 0.02) * rng.uniform(0.9, 1, len(objects))
    )
    apart["balance_contribution"] = -1.25 * apart["merge_evidence"]
    assert row(review_of(apart, None)).reviews_needed is None


def test_more_crops_are_asked_for_where_the_value_is_close_to_the_margin():
    objects = plate()
    own = objects.loc[objects["Metadata_Well"].str[0] == "A", "balance_contribution"]

    def needed(beyond):
        rules = Given(balance=beyond - own.mean())
        return row(review_of(objects, None, rules), scope="negcon").reviews_needed

    assert needed(0.2) < needed(0.05)
