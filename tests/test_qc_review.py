"""A review of a few objects: who is drawn, what answers mean, what follows, what does not count."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qc_plates import PLATE, SET, all_within, invented_objects, layout

from levelfield.qc.review.estimates import (
    OBJECT,
    _agreement_reviews,
    read_answers,
    review_estimates,
)
from levelfield.qc.review.reviewers import cohen_kappa, reviewer_agreement
from levelfield.qc.review.sampling import (
    ReviewPlan,
    allocate,
    choose_for_review,
    drawn,
    object_risk,
    risk_strata,
)
from levelfield.qc.review.stratified import (
    Stratum,
    foreseen_estimate,
    reviews_to_decide,
    stratified_estimate,
)
from levelfield.qc.statistics.comparison import comparisons, plate_estimates
from levelfield.qc.statistics.summary import flag_objects, site_table
from levelfield.qc.verdict.rules import Constants, Margins, Rules
from levelfield.qc.verdict.tables import plate_verdict, reviewed_table, screen_verdict

GOOD = Constants(1.0, 0.02, 0.02, calibrated=True)
RULES = Rules(constants={"split_merge": GOOD, "threshold": GOOD})
PLAN = ReviewPlan(per_class=60)
WELLS = {f"{row}{column:02d}": {} for row in "AB" for column in range(1, 5)}


@functools.cache
def plate(seed=0):
    """Objects with continuous evidence: merges that it half knows of."""
    rng = np.random.default_rng(seed)
    objects = invented_objects(WELLS, count=150, seed=seed)
    merged = rng.random(len(objects)) < 0.1
    objects["merge_evidence"] = np.clip(rng.beta(1, 8, len(objects)) + 0.5 * merged, 0, 1)
    objects["split_evidence"] = objects["fragment_evidence"] = rng.beta(1, 30, len(objects))
    return flag_objects(objects).assign(is_merged=merged)


def estimates_of(objects, name=PLATE):
    fields = objects[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]].drop_duplicates()
    sites = site_table(objects, fields, layout(), [SET], all_within(objects))
    return plate_estimates(name, objects, sites, layout(), [SET])


def answered(objects, plan=PLAN, answer=None, **columns):
    """The review list, filled in truly, or by a function of (index, row)."""
    sheet = choose_for_review(objects, comparisons(layout()), plan).astype(str)
    sheet = sheet[sheet["object_number"] != "0"].reset_index(drop=True)
    names = dict(zip(OBJECT, ["plate", "well", "site", "object_set", "object_number"], strict=True))
    truth = objects[[*OBJECT, "is_merged"]].rename(columns=names)
    truth = truth.astype({"site": str, "object_number": str})
    merged = sheet.merge(truth, on=list(names.values()), how="left")["is_merged"]
    sheet["answer"] = np.where(merged, "merged", "correct")
    if answer is not None:
        sheet["answer"] = [answer(place, each) for place, each in sheet.iterrows()]
    sheet["m"] = np.where(sheet["answer"] == "merged", "2", "")
    sheet["f"] = np.where(sheet["answer"] == "split", "2", "")
    return sheet.assign(reviewer="A", **columns)


def review_of(objects, sheet, rules=RULES, plan=PLAN, checksums=None):
    answers = read_answers(sheet, PLATE, objects, checksums)
    pairs = comparisons(layout())
    return review_estimates(
        PLATE, objects, estimates_of(objects), pairs, answers, rules, plan
    ), answers


def row(table, question="split_merge", scope="difference", perturbation="drug"):
    found = table[(table["question"] == question) & (table["scope"] == scope)]
    return found[found["perturbation"] == perturbation].iloc[0]


# --- the draw


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
    pairs = comparisons(layout())
    one, again = (choose_for_review(objects, pairs, PLAN) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    assert not any("Control" in name or "evidence" in name for name in one)
    other = choose_for_review(objects, pairs, ReviewPlan(60, seed=2))
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
    pairs = comparisons(layout())
    whole = choose_for_review(objects, pairs, PLAN)
    alone = choose_for_review(own, pairs, PLAN)
    key = ["well", "site", "object_number"]
    kept = whole[whole["well"].str[0] == "B"]
    assert set(map(tuple, kept[key].to_numpy())) == set(map(tuple, alone[key].to_numpy()))


def test_risky_objects_are_drawn_more_often_than_safe_ones():
    own = plate()[plate()["Metadata_Well"].str[0] == "B"]
    suspect = own["is_merged"].to_numpy()
    own = own.assign(merge_evidence=np.where(suspect, 0.4, 0.004), fragment_evidence=0.0)
    chosen = drawn(own, ReviewPlan(100))
    assert chosen[suspect].mean() > 2.5 * chosen[~suspect].mean() > 0


# --- the estimator


def simulated(rng, knowledge, size=800, rate=0.12):
    """Answers and evidence of a class; knowledge 0 is evidence that means nothing."""
    merged = rng.random(size) < rate
    split = (rng.random(size) < 0.05) & ~merged
    y = np.where(merged, -1.0, np.where(split, 0.5, 0.0))
    p = np.clip(rng.beta(0.5, 6, size) + knowledge * rng.beta(4, 2, size) * merged, 0, 1)
    return y, -1.25 * p, p


def reviewed(rng, y, f, p, number):
    strata = risk_strata(p)
    sizes = np.bincount(strata, minlength=5)
    variances = [
        np.mean(p[strata == h] * (1 - p[strata == h])) + 0.01 if n else 0
        for h, n in enumerate(sizes)
    ]
    answers = np.full(len(y), np.nan)
    for stratum, many in enumerate(allocate(sizes, variances, number)):
        chosen = rng.choice(np.flatnonzero(strata == stratum), many, replace=False)
        answers[chosen] = y[chosen]
    return stratified_estimate(answers, f, p)


@pytest.mark.parametrize("number", [50, 100])
@pytest.mark.parametrize("knowledge", [0.0, 0.8])
def test_90_percent_interval_of_a_review_covers_whatever_the_evidence_is_worth(number, knowledge):
    rng = np.random.default_rng(number)
    errors, covered = [], []
    for _ in range(400):
        y, f, p = simulated(rng, knowledge)
        found = reviewed(rng, y, f, p, number)
        low, high = found.interval(0.9)
        covered.append(low <= y.mean() <= high)
        errors.append(found.value - y.mean())
    assert np.mean(covered) >= 0.87
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))


def test_good_evidence_narrows_the_interval():
    rng = np.random.default_rng(1)
    errors = {
        knowledge: np.mean(
            [reviewed(rng, *simulated(rng, knowledge), 100).standard_error for _ in range(40)]
        )
        for knowledge in (0.0, 0.9)
    }
    assert errors[0.9] < 0.8 * errors[0.0]


def test_a_review_of_every_object_is_the_truth_without_error():
    y, f, p = simulated(np.random.default_rng(2), 0.5)
    found = stratified_estimate(y, f, p)
    assert found.value == pytest.approx(y.mean())
    assert found.interval(0.9) == pytest.approx((y.mean(), y.mean()))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(-1, 1))
def test_a_constant_error_of_the_evidence_and_the_order_of_objects_change_nothing(seed, shift):
    rng = np.random.default_rng(seed)
    y, f, p = simulated(rng, 0.5, size=200)
    y[rng.random(200) < 0.3] = np.nan
    found, order = stratified_estimate(y, f, p), rng.permutation(200)
    for other in (
        stratified_estimate(y, f + shift, p),
        stratified_estimate(y[order], f[order], p[order]),
        stratified_estimate(-y, -f, p),
    ):
        assert abs(other.value) == pytest.approx(abs(found.value), nan_ok=True)
        assert other.variance == pytest.approx(found.variance, nan_ok=True)


def test_a_stratum_without_answers_or_a_class_without_objects_has_no_estimate():
    y, f, p = simulated(np.random.default_rng(3), 0.9)
    y[risk_strata(p) == 4] = np.nan
    assert np.isnan(stratified_estimate(y, f, p).value)
    assert np.isnan(stratified_estimate([], [], []).value)


def test_answers_that_all_agree_still_leave_an_interval():
    p = np.full(500, 0.01)
    y = np.where(np.arange(500) < 30, 0.0, np.nan)
    low, high = stratified_estimate(y, np.zeros(500), p).interval(0.9)
    assert -0.05 < low < -0.01 and 0.01 < high < 0.05


def test_more_reviews_decide_what_fewer_do_not():
    strata = [Stratum(900, 0, 0, 0.02), Stratum(100, 0, 0, 0.2)]
    assert foreseen_estimate(strata, 200).variance < foreseen_estimate(strata, 50).variance
    near, far = (reviews_to_decide([strata, strata], value, 0.1) for value in (0.07, 0.0))
    assert far < near
    assert reviews_to_decide([strata, strata], float("nan"), 0.1) is None
    assert reviews_to_decide([strata, []], 0.0, 0.1) is None


# --- what answers mean, and which count


def test_answers_become_numbers_whose_mean_is_the_balance():
    objects = plate()
    sheet = (
        answered(objects)
        .head(7)
        .assign(
            answer=[
                "correct",
                "split",
                "merged",
                "too_large",
                "too_small",
                "not_an_object",
                "cannot_tell",
            ],
            f=["", "3", "", "", "", "", ""],
            m=["", "", "4", "", "", "", ""],
        )
    )
    found = read_answers(sheet, PLATE, objects).objects
    keys = sheet[["well", "site", "object_number"]].astype({"site": int, "object_number": int})
    found = keys.merge(
        found, left_on=list(keys), right_on=[*OBJECT[1:3], OBJECT[4]], validate="one_to_one"
    )
    assert found["split_merge"].tolist()[:6] == pytest.approx([0, 2 / 3, -3, 0, 0, 0])
    assert found["agreement"].tolist()[:6] == [1, 0, 0, 0, 0, 0]
    assert found["threshold"].tolist()[:6] == [0, 0, 0, 1, -1, 0]
    assert found.iloc[6][["split_merge", "agreement", "threshold"]].isna().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": "split", "f": ""}, "'split' needs f"),
        ({"answer": "merged", "m": "1"}, "'merged' needs m"),
        ({"answer": "correct", "object_number": "0"}, "whole field"),
        ({"answer": "missed", "m": "2"}, "whole field"),
    ],
)
def test_answers_that_mean_nothing_are_refused_with_their_line(change, words):
    sheet = answered(plate())
    for name, value in change.items():
        sheet.loc[4, name] = value
    with pytest.raises(ValueError, match=f"line 6 .*{words}"):
        read_answers(sheet, PLATE, plate())


def test_two_answers_of_one_person_for_one_object_are_refused():
    sheet = answered(plate())
    with pytest.raises(ValueError, match="earlier line"):
        read_answers(pd.concat([sheet, sheet.head(1)]), PLATE, plate())
    with pytest.raises(ValueError, match="no column answer"):
        read_answers(sheet.drop(columns="answer"), PLATE, plate())


def test_answers_on_changed_labels_and_lost_objects_do_not_count_and_are_named():
    objects = plate()
    sums = objects[OBJECT[:4]].drop_duplicates().assign(checksum="a" * 64)
    sheet = answered(objects, checksum="a" * 64)
    now = sums.copy()
    now.loc[(now["Metadata_Well"] == "A01"), "checksum"] = "b" * 64
    gone = objects[objects["Metadata_Well"] != "B02"]
    found = read_answers(sheet, PLATE, gone, now)
    left = set(found.objects["Metadata_Well"])
    assert "A01" not in left and "B02" not in left and "A02" in left
    assert any("changed since" in note and "well A01" in note for note in found.notes)
    assert any("not in the labels" in note and "well B02" in note for note in found.notes)
    assert read_answers(sheet, PLATE, objects, sums).notes == ()


def test_answers_for_objects_that_were_not_drawn_are_counted_where_they_do_not_count():
    objects = plate()
    sheet = answered(objects)
    own = objects[objects["Metadata_Well"].str[0] == "B"]
    rest = own[~drawn(own, PLAN)].head(3)
    outside = objects.head(2).assign(Metadata_Well="C01")
    more = pd.concat([rest, outside])[OBJECT].astype(str)
    more = more.set_axis(["plate", "well", "site", "object_set", "object_number"], axis=1)
    more = more.assign(answer="not_an_object", reviewer="A", f="", m="", checksum="")
    together = pd.concat([objects, outside], ignore_index=True)
    alone, _ = review_of(together, sheet)
    found, _ = review_of(together, pd.concat([sheet, more], ignore_index=True))
    pd.testing.assert_frame_equal(alone.drop(columns="notes"), found.drop(columns="notes"))
    assert (alone["notes"] == "").all()
    picked = "3 answers were given for objects of these wells"
    stray = "2 answers were given for objects outside"
    for scope, name in (("poscon", "drug"), ("difference", "drug")):
        assert picked in row(found, scope=scope, perturbation=name)["notes"]
    negative = row(found, scope="negcon", perturbation="DMSO")["notes"]
    assert "not drawn" not in negative
    assert found["notes"].str.contains(stray).all()


def test_rows_of_other_plates_and_rows_without_answer_are_passed_over():
    objects = plate()
    sheet = answered(objects)
    sheet.loc[:9, "answer"] = ""
    other = sheet.assign(plate="P2")
    found = read_answers(pd.concat([sheet, other]), PLATE, objects)
    assert len(found.objects) == len(sheet) - 10
    assert len(read_answers(None, PLATE, objects).objects) == 0


def test_objects_that_were_picked_by_eye_do_not_count():
    objects = plate()
    risk = object_risk(objects)
    worst = objects.iloc[np.argsort(-risk)[:200]]
    names = ["plate", "well", "site", "object_set", "object_number"]
    sheet = worst[OBJECT].set_axis(names, axis=1).astype(str).assign(reviewer="A", answer="correct")
    table, _ = review_of(objects, sheet)
    assert row(table)["review"] != "complete"
    assert row(table)["n_reviewed"] < 200


# --- what follows


def test_a_finished_review_finds_the_true_difference_of_the_classes():
    objects = plate()
    table, _ = review_of(objects, answered(objects))
    found = row(table)
    truth = -objects.groupby(objects["Metadata_Well"].str[0])["is_merged"].mean()
    low, high = found["value"] - 2 * np.sqrt(found["variance"]), None
    high = found["value"] + 2 * np.sqrt(found["variance"])
    assert low < truth["B"] - truth["A"] < high
    assert found["review"] == "complete" and found["n_reviewed"] == found["n_drawn"] == 120
    agreement = row(table, "agreement", "poscon")
    assert agreement["value"] == pytest.approx(1 + truth["B"], abs=0.06)


def test_a_pass_is_unreviewed_until_the_strata_of_both_classes_are_reviewed():
    objects = plate().assign(is_merged=False)
    objects[["balance_contribution", "right_evidence"]] = 0.0, 1.0
    one_class = answered(objects, answer=lambda _, each: "correct" if each["well"] < "B" else "")
    estimates = estimates_of(objects)
    words = {}
    for name, sheet in (("none", None), ("one", one_class), ("both", answered(objects))):
        table, _ = review_of(objects, sheet)
        found = row(plate_verdict(estimates, RULES, table))
        words[name] = (row(table)["review"], found["verdict"], found["advice"])
    assert words["none"][:2] == ("unreviewed", "pass") and "Pass, unreviewed" in words["none"][2]
    assert words["one"][:2] == ("partial", "pass") and "Pass, unreviewed" in words["one"][2]
    assert words["both"][:2] == ("complete", "pass") and "Pass, reviewed" in words["both"][2]


def test_within_5_pp_nothing_passes_without_a_review():
    objects = plate().assign(is_merged=False)
    objects["balance_contribution"] = 0.0
    sharp = Constants(1.0, 0.001, 0.001, calibrated=True)
    rules = Rules(margins=Margins(split_merge=5), constants=dict.fromkeys(RULES.constants, sharp))
    estimates = estimates_of(objects)
    found = row(plate_verdict(estimates, rules))
    assert found["verdict"] == "undecided" and "would decide it" in found["advice"]
    plan = ReviewPlan(200)
    table, _ = review_of(objects, answered(objects, plan), rules, plan)
    assert row(plate_verdict(estimates, rules, table))["verdict"] == "pass"


def test_reviewed_agreement_can_pass_and_fail():
    objects = plate()
    estimates = estimates_of(objects)
    answers = {
        "pass": lambda _, each: "correct",
        "fail": lambda place, _: "not_an_object" if place % 2 else "correct",
    }
    for expected, answer in answers.items():
        table, _ = review_of(objects, answered(objects, answer=answer))
        verdict = plate_verdict(estimates, RULES, table)
        found = row(verdict, "agreement", "poscon")
        assert found["verdict"] == expected and found["n_reviewed"] == 60
        assert found["ci_low"] < found["estimate"] < found["ci_high"]


def test_reviewers_who_see_a_threshold_bias_take_back_its_pass():
    objects = plate().assign(is_merged=False)
    estimates = estimates_of(objects)
    assert row(plate_verdict(estimates, RULES), "threshold")["verdict"] == "pass"
    seen = answered(
        objects, answer=lambda _, each: "too_large" if each["well"] > "B" else "correct"
    )
    table, _ = review_of(objects, seen)
    found = row(plate_verdict(estimates, RULES, table), "threshold")
    assert found["verdict"] == "undecided" and "reviewers found" in found["advice"]
    assert found["unit"] == "px"
    assert row(table, "threshold")["value"] == pytest.approx(1.0, abs=0.05)


def test_cannot_tell_is_left_out_counted_and_mentioned():
    objects = plate()
    sheet = answered(objects)
    sheet.loc[sheet.index % 4 == 0, ["answer", "m"]] = "cannot_tell", ""
    table, _ = review_of(objects, sheet)
    found = row(table)
    assert found["n_reviewed"] + found["n_cannot_tell"] == found["n_drawn"]
    assert found["review"] == "complete" and np.isfinite(found["value"])
    advice = row(plate_verdict(estimates_of(objects), RULES, table))["advice"]
    assert "nobody could tell" in advice


def test_missed_objects_are_counted_on_whole_fields():
    objects = plate()
    sheet = choose_for_review(objects, comparisons(layout()), PLAN).astype(str)
    sheet = sheet[sheet["object_number"] == "0"].assign(answer="missed", m="3", reviewer="A")
    table, answers = review_of(objects, pd.concat([answered(objects), sheet]))
    assert len(answers.missed) == 10
    found = row(table, "agreement", "poscon")
    assert found["missed_per_object"] == pytest.approx(3 / 75)
    advice = row(plate_verdict(estimates_of(objects), RULES, table), "agreement", "poscon")[
        "advice"
    ]
    assert "4 were missed, as counted on 5 fields" in advice


def test_review_and_evidence_stand_beside_each_other():
    objects = plate()
    table, _ = review_of(objects, answered(objects))
    both = reviewed_table(estimates_of(objects), table, RULES)
    found = row(both)
    assert found["unit"] == "pp"
    assert found["reviewed_estimate"] == pytest.approx(100 * found["value"])
    unreviewed = row(plate_verdict(estimates_of(objects), RULES))
    assert found["evidence_estimate"] == pytest.approx(unreviewed["estimate"])
    assert found["evidence_ci_low"] == pytest.approx(unreviewed["ci_low"])


def test_the_verdict_says_how_many_reviewed_objects_would_decide_it():
    objects = plate()
    vague = {name: Constants(1.0, 0.2, 0.2, calibrated=True) for name in RULES.constants}
    rules = Rules(constants=vague)
    table, _ = review_of(objects, None, rules)
    needed = row(table)["reviews_needed"]
    assert 15 <= needed <= 300
    advice = row(plate_verdict(estimates_of(objects), rules, table))["advice"]
    assert f"a review of about {needed:.0f} objects per class" in advice


def test_a_screen_is_reviewed_when_every_plate_is():
    objects = plate()
    whole, _ = review_of(objects, answered(objects))
    none, _ = review_of(objects, None)
    estimates = [estimates_of(objects, name) for name in ("P1", "P2")]
    both = row(screen_verdict(estimates, RULES, [whole, whole.assign(plate="P2")]))
    assert both["n_reviewed"] == 240 and "reviewed" in both["advice"]
    assert both["estimate"] == pytest.approx(100 * row(whole)["value"])
    one = row(screen_verdict(estimates, RULES, [whole, none.assign(plate="P2")]))
    assert one["n_reviewed"] == 120 and "Every stratum" in one["advice"]
    assert one["estimate"] == pytest.approx(row(screen_verdict(estimates, RULES))["estimate"])


# --- two reviewers


def test_kappa_of_the_textbook_table():
    one = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    kappa, error = cohen_kappa(one, other)
    assert kappa == pytest.approx(0.4)
    assert error == pytest.approx(0.127, abs=0.002)


def test_kappa_is_1_for_agreement_about_0_for_chance_and_unknown_for_one_answer():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 3, (2, 3000))
    assert cohen_kappa(one, one)[0] == pytest.approx(1)
    assert abs(cohen_kappa(one, other)[0]) < 0.05
    assert np.isnan(cohen_kappa(["a", "a"], ["a", "a"])[0])
    assert np.isnan(cohen_kappa([], [])[0])


def test_standard_error_of_kappa_is_its_scatter():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        one = rng.random(100) < 0.3
        other = np.where(rng.random(100) < 0.8, one, rng.random(100) < 0.3)
        found.append(cohen_kappa(one, other))
    kappas, errors = np.array(found).T
    assert errors.mean() == pytest.approx(kappas.std(), rel=0.15)


def test_two_reviewers_are_averaged_and_compared_per_error():
    objects = plate()
    first = answered(objects)
    second = first.assign(reviewer="B")
    wrong = second.index % 5 == 0
    second.loc[wrong, ["answer", "m"]] = "too_small", ""
    answers = read_answers(pd.concat([first, second]), PLATE, objects)
    assert len(answers.objects) == len(first)
    table = reviewer_agreement(PLATE, answers).set_index("answer")
    assert table.loc["any", "n_objects"] == len(first)
    assert table.loc["any", "same"] == pytest.approx(1 - wrong.mean())
    assert table.loc["too_small", "kappa"] == pytest.approx(0)
    assert 0.5 < table.loc["merged", "kappa"] < 1
    assert (
        table.loc["any", "kappa_low"] < table.loc["any", "kappa"] < table.loc["any", "kappa_high"]
    )
    assert reviewer_agreement(PLATE, read_answers(first, PLATE, objects)).empty


def test_reviews_that_would_decide_the_agreement_are_at_most_all_objects():
    rules = Rules()
    clear, close = (
        {"scope": "poscon", "value": value, "positive_value": value, "negative_value": np.nan}
        for value in (0.97, 0.903)
    )
    assert 10 < _agreement_reviews(clear, [800], rules) < 100
    assert 600 < _agreement_reviews(close, [800], rules) <= 800
    both = {"scope": "difference", "value": -0.02, "positive_value": 0.95, "negative_value": 0.97}
    assert 10 < _agreement_reviews(both, [800, 600], rules) < 100
    assert np.isnan(_agreement_reviews(both, [800, 0], rules))
