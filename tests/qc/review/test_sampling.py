"""Which crops are drawn for a review."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_cases import PLAN, candidates, controls, draws_of, plate

from levelfield.qc.review.crops import CROP
from levelfield.qc.review.estimator import inclusion
from levelfield.qc.review.sampling import ReviewPlan, choose_for_review, draw_plate, object_risk

KEY = ["well", "site", CROP]


def listed(objects, plan=PLAN, found=None):
    return choose_for_review(draws_of(objects, plan, found=found))


def test_the_list_is_blinded_seeded_and_classes_advance_alike_in_random_order():
    objects = plate()
    one = listed(objects)
    pd.testing.assert_frame_equal(one, listed(objects))
    assert not any("Control" in name or "evidence" in name for name in one)
    other = listed(objects, ReviewPlan(40, seed=2))
    assert set(map(tuple, one[KEY].to_numpy())) != set(map(tuple, other[KEY].to_numpy()))
    rows = one["well"].str[0].to_numpy().reshape(-1, 2)
    assert (rows[:, 0] != rows[:, 1]).all() and 8 < (rows[:, 0] == "A").sum() < 32
    assert one["order"].tolist() == list(range(1, 81)) and len(set(one["sample"])) == 1


def test_a_larger_review_begins_with_the_smaller_and_has_the_same_fingerprint():
    small, large = (listed(plate(), ReviewPlan(number)) for number in (20, 40))
    assert small[KEY].equals(large[KEY].head(40)) and set(small["sample"]) == set(large["sample"])


def test_the_fingerprint_changes_with_evidence_and_labels():
    objects = plate()
    marks = {listed(each)["sample"].iloc[0] for each in (objects, objects.iloc[1:])}
    changed = objects.assign(merge_evidence=objects["merge_evidence"] * 0.9)
    marks.add(listed(changed)["sample"].iloc[0])
    assert len(marks) == 3


def test_crops_of_risky_objects_are_drawn_more_often():
    own = plate()
    suspect = own["is_merged"].to_numpy()
    own = own.assign(
        merge_evidence=np.where(suspect, 0.4, 0.004), fragment_evidence=0.0, right_evidence=1.0
    )
    draw = next(iter(draws_of(own)["Nuclei"].classes.values()))
    n_risky = np.bincount(
        draw.crops.of_objects, draw.objects["is_merged"], minlength=len(draw.order)
    )
    first = draw.order[:20]
    assert n_risky[first].mean() > 1.3 * n_risky.mean()


def test_inclusion_probabilities_are_those_of_the_draw():
    random = np.random.default_rng(0)
    chances = random.uniform(1, 4, 30)
    chances /= chances.sum()
    clocks = -np.log(random.random((4000, 30))) / chances
    drawn = np.argsort(clocks, axis=1)[:, :12]
    shares = np.bincount(drawn.ravel(), minlength=30) / 4000
    assert inclusion(chances, 12) == pytest.approx(shares, abs=0.03)
    assert inclusion(chances, 12).sum() == pytest.approx(12)
    assert (inclusion(chances, 30) == 1).all()


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(0, 3), st.floats(0, 1))
def test_risk_never_falls_when_any_evidence_of_an_error_grows(values, which, more):
    names = ("merge_evidence", "fragment_evidence", "invented_evidence", "right_evidence")
    one = pd.DataFrame([dict(zip(names, values, strict=True))])
    sign = -1 if names[which] == "right_evidence" else 1
    other = one.assign(**{names[which]: np.clip(values[which] + sign * more, 0, 1)})
    assert object_risk(other)[0] >= object_risk(one)[0]


def test_objects_whose_evidence_is_unknown_are_drawn_and_do_not_spoil_the_rest():
    objects = plate()
    unknown = objects.index % 3 == 0
    objects = objects.assign(
        invented_evidence=objects["invented_evidence"].mask(unknown),
        right_evidence=objects["right_evidence"].mask(unknown),
    )
    assert np.isfinite(object_risk(objects)).all()
    assert len(listed(objects)) == 80


def test_a_field_without_any_label_is_drawn_where_the_second_opinion_sees_objects():
    objects = plate()
    kept = objects[(objects["Metadata_Well"] != "B01") | (objects["Metadata_Site"] != 1)]
    sheet = listed(kept, ReviewPlan(400))
    bare = sheet[(sheet["well"] == "B01") & (sheet["site"] == 1)]
    assert len(bare) and (bare["n_objects"] == 0).all()


def test_a_plate_without_objects_has_an_empty_list():
    none = draw_plate(plate().head(0), candidates().head(0), controls(), PLAN)
    assert len(choose_for_review(none)) == 0
