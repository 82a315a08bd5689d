"""Who is drawn for a review, and how much of each stratum."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_cases import PLAN, PLATE, answered, candidates, controls, plate, review_of, row

from levelfield.qc.review.answers import read_answers
from levelfield.qc.review.sampling import (
    ReviewPlan,
    allocate,
    choose_for_review,
    drawn,
    object_risk,
    risk_strata,
)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=5),
    st.lists(st.floats(0.01, 0.26), min_size=5, max_size=5),
    st.integers(0, 300),
)
def test_allocation_spends_what_there_is_and_never_takes_back(sizes, variances, number):
    variances = variances[: len(sizes)]
    given_ = allocate(sizes, variances, number)
    least = sum(min(3, size) for size in sizes)
    assert (given_ <= sizes).all() and (given_ >= np.minimum(sizes, 3)).all()
    assert given_.sum() == min(max(number, least), sum(sizes))
    assert (allocate(sizes, variances, number + 7) >= given_).all()


def test_allocation_follows_size_and_spread():
    few, many = allocate([1000, 1000], [0.01, 0.25], 120)
    assert many / few == pytest.approx(5, rel=0.1)


def test_the_list_is_blinded_seeded_and_in_random_order():
    objects = plate()
    found, pairs = candidates(), controls()
    one, again = (choose_for_review(objects, found, pairs, PLAN) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    assert not any("Control" in name or "evidence" in name for name in one)
    other = choose_for_review(objects, found, pairs, ReviewPlan(60, seed=2))
    key = ["well", "site", "object_number"]
    assert set(map(tuple, one[key].to_numpy())) != set(map(tuple, other[key].to_numpy()))
    rows = one.loc[one["object_number"] > 0, "well"].str[0].to_numpy()
    assert (rows == "A").sum() == (rows == "B").sum() == 60
    assert 40 < (rows[1:] != rows[:-1]).sum() < 80
    assert (one.loc[one["object_number"] == 0, "well"].str[0].value_counts() == 5).all()
    assert (one[["answer", "reviewer", "f", "m"]] == "").all(axis=None)


def test_a_larger_review_contains_the_smaller_and_other_wells_do_not_matter():
    objects = plate()
    own = objects[objects["Metadata_Well"].str[0] == "B"]
    small, large = (drawn(own, ReviewPlan(number)) for number in (50, 100))
    assert small.sum() == 50 and large.sum() == 100 and (large >= small).all()
    whole = choose_for_review(objects, candidates(), controls(), PLAN)
    rest = candidates()[candidates()["Metadata_Well"].str[0] == "B"]
    alone = choose_for_review(own, rest, controls(), PLAN)
    key = ["well", "site", "object_number"]
    kept = whole[whole["well"].str[0] == "B"]
    assert set(map(tuple, kept[key].to_numpy())) == set(map(tuple, alone[key].to_numpy()))


def test_risky_objects_are_drawn_more_often_than_safe_ones():
    own = plate()[plate()["Metadata_Well"].str[0] == "B"]
    suspect = own["is_merged"].to_numpy()
    own = own.assign(
        merge_evidence=np.where(suspect, 0.4, 0.004), fragment_evidence=0.0, right_evidence=1.0
    )
    chosen = drawn(own, ReviewPlan(100))
    assert chosen[suspect].mean() > 2.5 * chosen[~suspect].mean() > 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(0, 3), st.floats(0, 1))
def test_risk_never_falls_when_any_evidence_of_an_error_grows(values, which, more):
    names = ("merge_evidence", "fragment_evidence", "invented_evidence", "right_evidence")
    one = pd.DataFrame([dict(zip(names, values, strict=True))])
    sign = -1 if names[which] == "right_evidence" else 1
    other = one.assign(**{names[which]: np.clip(values[which] + sign * more, 0, 1)})
    assert object_risk(other)[0] >= object_risk(one)[0]


def test_outlines_that_are_off_everywhere_leave_doubtful_merges_in_strata_of_their_own():
    objects = plate().assign(right_evidence=0.0)
    strata, risky = risk_strata(object_risk(objects)), objects["merge_evidence"] > 0.5
    assert (strata[risky] == 4).all() and (strata[objects["merge_evidence"] < 0.1] <= 2).all()


def test_objects_whose_evidence_is_unknown_are_drawn_and_do_not_spoil_the_rest():
    objects = plate()
    unknown = objects.index % 3 == 0
    objects = objects.assign(
        invented_evidence=objects["invented_evidence"].mask(unknown),
        right_evidence=objects["right_evidence"].mask(unknown),
    )
    assert np.isfinite(object_risk(objects)).all()
    assert np.isfinite(row(review_of(objects, answered(objects)), "invented").estimate.value)


def test_a_field_without_any_label_is_searched_where_the_second_opinion_sees_objects():
    objects, found = plate(), candidates()
    kept = objects[(objects["Metadata_Well"] != "B01") | (objects["Metadata_Site"] != 1)]
    plan = ReviewPlan(60, fields_per_class=100)
    sheet = choose_for_review(kept, found, controls(), plan)
    fields = sheet[sheet["object_number"] == 0]
    assert ((fields["well"] == "B01") & (fields["site"] == 1)).any()
    sheet = answered(kept, plan).assign(answer=lambda table: table["answer"])
    answers = read_answers(sheet, PLATE, kept, None, found)
    assert (
        (answers.missed["Metadata_Well"] == "B01") & (answers.missed["Metadata_Site"] == 1)
    ).any()
