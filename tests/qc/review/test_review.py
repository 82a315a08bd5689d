"""A review of a few objects: who is drawn, what answers mean, what follows, what does not count."""

import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.io.tables import read_csv, write_csv
from levelfield.qc.columns import FIELD, NUMBER
from levelfield.qc.measures import MEASURES
from levelfield.qc.review.answers import OBJECT, read_answers
from levelfield.qc.review.estimates import ReviewedRow, review_estimates
from levelfield.qc.review.foreseen import foreseen_spread
from levelfield.qc.review.reviewers import cohen_kappa, reviewer_agreement
from levelfield.qc.review.sampling import (
    ReviewPlan,
    allocate,
    choose_for_review,
    drawn,
    object_risk,
    review_minutes,
    risk_strata,
)
from levelfield.qc.review.stratified import Reviewed, Spread, objects_sample, stratified_mean
from levelfield.qc.review.table import reviewed_rows, reviewed_table
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.errors import Constants
from levelfield.qc.statistics.estimates import Estimate

PLATE, SET = "P1", "Nuclei"
PLAN = ReviewPlan(per_class=60)
MARGINS = {"agreement": 0.9, "missed": 0.05, "invented": 0.05, "bias": 1.0, "balance": 0.15}


class Given:
    """Margins and constants as the verdict would give them."""

    def __init__(self, between_wells=0.0, **margins):
        self.margins = self
        self.known = MARGINS | margins
        self.between_wells = between_wells

    def of(self, measure, scope):
        if scope == "difference":
            return 0.05 if measure in ("missed", "invented") else 0.10
        return self.known.get(measure, 0.15)

    def constants_of(self, measure, object_set):
        return Constants(calibrated=True, between_wells=self.between_wells, degrees_of_freedom=20.0)


RULES = Given()


def controls(columns=4):
    names = {row: tuple(f"{row}{column:02d}" for column in range(1, columns + 1)) for row in "AB"}
    return [Comparison("drug 80 uM", "DMSO", names["B"], names["A"])]


@functools.cache
def plate(seed=0, columns=4, count=150, sites=(1, 2)):
    """Scored objects with continuous evidence: merges that it half knows of."""
    rng = np.random.default_rng(seed)
    wells = [well for each in controls(columns) for well in each.negative_wells]
    wells += [well for each in controls(columns) for well in each.positive_wells]
    size = count * len(wells)
    merged = rng.random(size) < 0.1
    merge = np.clip(rng.beta(1, 8, size) + 0.5 * merged, 0, 1)
    fragment = rng.beta(1, 30, size)
    return pd.DataFrame(
        {
            "Metadata_Plate": PLATE,
            "Metadata_Well": np.repeat(wells, count),
            "Metadata_Site": np.resize(sites, size),
            "object_set": SET,
            NUMBER: np.tile(np.arange(count) + 1, len(wells)),
            "area_px": rng.normal(300, 30, size),
            "local_density": rng.uniform(5, 15, size),
            "threshold_bias_px": rng.normal(0, 0.2, size),
            "merge_evidence": merge,
            "fragment_evidence": fragment,
            "split_evidence": 0.5 * fragment,
            "balance_contribution": 0.5 * fragment - 1.25 * merge,
            "invented_evidence": rng.beta(1, 60, size),
            "right_evidence": (1 - merge) * (1 - fragment),
            "is_merged": merged,
        }
    )


@functools.cache
def candidates(seed=0, columns=4, sites=(1, 2), per_field=4):
    """Possible missed objects, most of which are none."""
    rng = np.random.default_rng(seed + 100)
    fields = plate(seed, columns, sites=sites)[FIELD].drop_duplicates()
    table = fields.loc[fields.index.repeat(per_field)].reset_index(drop=True)
    return table.assign(candidate=np.arange(len(table)), missed_evidence=rng.beta(1, 4, len(table)))


def answered(objects, plan=PLAN, answer=None, missed="1", pairs=None, found=None, **columns):
    """The review list, filled in truly, or by a function of (index, row)."""
    found = candidates() if found is None else found
    sheet = choose_for_review(objects, found, pairs or controls(), plan).astype(str)
    whole_field = sheet["object_number"] == "0"
    names = dict(zip(OBJECT, ["plate", "well", "site", "object_set", "object_number"], strict=True))
    truth = objects[[*OBJECT, "is_merged"]].rename(columns=names)
    truth = truth.astype({"site": str, "object_number": str})
    merged = sheet.merge(truth, on=list(names.values()), how="left")["is_merged"]
    sheet["answer"] = np.where(merged.eq(True), "merged", "correct")
    if answer is not None:
        sheet["answer"] = [answer(place, each) for place, each in sheet.iterrows()]
    sheet["m"] = np.where(sheet["answer"] == "merged", "2", "")
    sheet["f"] = np.where(sheet["answer"] == "split", "2", "")
    sheet.loc[whole_field, ["answer", "m"]] = "missed", missed
    return sheet.assign(reviewer="A", **columns)


def only_objects(sheet):
    return sheet[sheet["object_number"] != "0"].reset_index(drop=True)


def review_of(objects, sheet, rules=RULES, plan=PLAN, checksums=None, pairs=None, found=None):
    found = candidates() if found is None else found
    answers = read_answers(sheet, PLATE, objects, checksums, found)
    return review_estimates(PLATE, objects, found, pairs or controls(), answers, rules, plan)


def row(rows, measure="balance", scope="difference", perturbation=None) -> ReviewedRow:
    name = perturbation
    if name is None:
        name = "DMSO" if scope == "negcon" else "drug 80 uM"
    (found,) = [
        each
        for each in rows
        if (each.measure, each.scope, each.perturbation) == (measure, scope, name)
    ]
    return found


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
@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.integers(0, 3),
    st.floats(0, 1),
)
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


# --- the estimator


def simulated(rng, knowledge, size=800, rate=0.12):
    """Truth, evidence and risk of a class, where the evidence knows a share of the truth."""
    merged = rng.random(size) < rate
    split = (rng.random(size) < 0.05) & ~merged
    y = np.where(merged, -1.0, np.where(split, 0.5, 0.0))
    p = np.clip(rng.beta(0.5, 6, size) + knowledge * rng.beta(4, 2, size) * merged, 0, 1)
    return y, -1.25 * p, p


def mean_of(y, f, p, wells=None):
    wells = np.resize(["A01", "A02"], len(y)) if wells is None else wells
    return stratified_mean(objects_sample(y, f, risk_strata(p), wells))


def reviewed(rng, y, f, p, number, wells=None):
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
    return mean_of(answers, f, p, wells)


@pytest.mark.parametrize("number", [50, 100])
@pytest.mark.parametrize("knowledge", [0.0, 0.8])
def test_90_percent_interval_about_these_wells_covers_whatever_the_evidence_is_worth(
    number, knowledge
):
    rng = np.random.default_rng(number)
    errors, covered = [], []
    for _ in range(400):
        y, f, p = simulated(rng, knowledge)
        found = reviewed(rng, y, f, p, number).these_wells()
        low, high = found.interval(0.9)
        covered.append(low <= y.mean() <= high)
        errors.append(found.value - y.mean())
    assert np.mean(covered) >= 0.87
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))


WELL_SCATTER = 0.03


def scattered(rng, n_wells, knowledge, size=1600):
    """A class whose wells differ by 3 pp in their merges, and what the control shows at large."""
    wells = np.repeat(np.arange(n_wells), size // n_wells)
    rates = 0.12 + WELL_SCATTER * rng.standard_normal(n_wells)
    merged = rng.random(size) < rates[wells]
    p = np.clip(rng.beta(0.5, 6, size) + knowledge * rng.beta(4, 2, size) * merged, 0, 1)
    return np.where(merged, -1.0, 0.0), -p, p, wells.astype(str)


def coverage_of_the_control(n_wells, knowledge, number=100, runs=500):
    rng = np.random.default_rng(n_wells)
    kept, dropped = [], []
    for _ in range(runs):
        y, f, p, wells = scattered(rng, n_wells, knowledge)
        found = reviewed(rng, y, f, p, number, wells)
        for target, covered in ((found.this_control(), kept), (found.these_wells(), dropped)):
            low, high = target.interval(0.9)
            covered.append(low <= -0.12 <= high)
    return np.mean(kept), np.mean(dropped)


@pytest.mark.parametrize("number", [100, 250])
@pytest.mark.parametrize("n_wells", [2, 4, 8])
def test_90_percent_interval_about_the_control_covers_wells_that_differ_by_3_pp(n_wells, number):
    kept, dropped = coverage_of_the_control(n_wells, 0.8, number)
    assert 0.86 <= kept <= 0.94
    assert dropped < kept - 0.03
    if number == 250 and n_wells < 8:
        assert dropped < 0.7


@pytest.mark.parametrize("n_wells", [2, 4, 8])
def test_evidence_that_does_not_see_how_wells_differ_costs_little_coverage(n_wells):
    assert coverage_of_the_control(n_wells, 0.0)[0] >= 0.83


def test_wells_that_only_the_reviewers_see_to_differ_widen_the_interval():
    rng = np.random.default_rng(5)
    wells = np.repeat(["A01", "A02", "A03", "A04"], 200)
    alike, apart = (
        np.where(rng.random(800) < np.repeat(rates, 200), -1.0, 0.0)
        for rates in ([0.2] * 4, [0.0, 0.0, 0.4, 0.4])
    )
    answers = [np.where(np.arange(800) % 4 == 0, y, np.nan) for y in (alike, apart)]
    nothing = np.zeros(800)
    errors = [mean_of(y, nothing, nothing, wells).this_control().standard_error for y in answers]
    assert errors[1] > 2 * errors[0]


def test_good_evidence_narrows_the_interval():
    rng = np.random.default_rng(1)
    errors = {
        knowledge: np.mean(
            [
                reviewed(rng, *simulated(rng, knowledge), 100).these_wells().standard_error
                for _ in range(40)
            ]
        )
        for knowledge in (0.0, 0.9)
    }
    assert errors[0.9] < 0.8 * errors[0.0]


def test_a_review_of_every_object_is_the_truth_of_these_wells_but_not_of_the_control():
    y, f, p = simulated(np.random.default_rng(2), 0.5)
    found = mean_of(y, f, p)
    assert found.value == pytest.approx(y.mean())
    assert found.these_wells().interval(0.9) == pytest.approx((y.mean(), y.mean()))
    low, high = found.this_control().interval(0.9)
    assert low < y.mean() < high


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(-1, 1))
def test_a_constant_error_of_the_evidence_and_the_order_of_objects_change_nothing(seed, shift):
    rng = np.random.default_rng(seed)
    y, f, p = simulated(rng, 0.5, size=200)
    wells = np.resize(["A01", "A02", "A03"], 200)
    y[rng.random(200) < 0.3] = np.nan
    found, order = mean_of(y, f, p, wells), rng.permutation(200)
    for other in (
        mean_of(y, f + shift, p, wells),
        mean_of(y[order], f[order], p[order], wells[order]),
        mean_of(-y, -f, p, wells),
    ):
        assert abs(other.value) == pytest.approx(abs(found.value), nan_ok=True)
        for target in (Reviewed.these_wells, Reviewed.this_control):
            error, same = (target(each).standard_error for each in (other, found))
            assert error == pytest.approx(same, nan_ok=True)


def test_a_stratum_without_answers_or_a_class_without_objects_has_no_estimate():
    y, f, p = simulated(np.random.default_rng(3), 0.9)
    y[risk_strata(p) == 4] = np.nan
    assert np.isnan(mean_of(y, f, p).value)
    assert np.isnan(mean_of([], [], np.array([])).value)


def test_one_well_has_a_value_and_borrows_its_scatter():
    y, f, p = simulated(np.random.default_rng(4), 0.9)
    found = mean_of(y, f, p, np.full(800, "A01"))
    assert np.isfinite(found.value) and np.isnan(found.this_control().variance)
    wide = found.this_control(Spread(0.03**2, 7.0))
    assert wide.standard_error > 0.03 and wide.n_wells == 1


def test_answers_that_all_agree_still_leave_an_interval():
    p = np.full(500, 0.01)
    y = np.where(np.arange(500) < 30, 0.0, np.nan)
    low, high = mean_of(y, np.zeros(500), p).these_wells().interval(0.9)
    assert -0.05 < low < -0.01 and 0.01 < high < 0.05


def test_weights_move_the_mean_to_where_they_are():
    y = np.r_[np.zeros(100), np.ones(100)]
    sample = objects_sample(y, np.zeros(200), np.zeros(200, int), np.resize(["A01", "A02"], 200))
    weighted = replace(sample, weights=np.r_[np.full(100, 1.0), np.full(100, 3.0)])
    assert stratified_mean(weighted).value == pytest.approx(0.75)


def test_more_reviews_leave_less_open():
    own = plate()[plate()["Metadata_Well"].str[0] == "B"]
    few, many = (foreseen_spread(own, object_risk(own), "balance", n) for n in (50, 200))
    assert many.variance < few.variance


# --- what answers mean, and which count


def test_answers_become_numbers_whose_mean_is_the_balance():
    objects = plate()
    sheet = (
        only_objects(answered(objects))
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
    expected = {
        "balance": [0, 2 / 3, -3, 0, 0, 0],
        "splits": [0, 2 / 3, 0, 0, 0, 0],
        "merges": [0, 0, 1, 0, 0, 0],
        "invented": [0, 0, 0, 0, 0, 1],
        "agreement": [1, 0, 0, 0, 0, 0],
        "bias": [0, 0, 0, 1, -1, 0],
    }
    for measure, values in expected.items():
        assert found[measure].tolist()[:6] == pytest.approx(values)
    assert found.iloc[6][list(expected)].isna().all()


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
    alone = review_of(together, sheet)
    found = review_of(together, pd.concat([sheet, more], ignore_index=True))
    assert repr([replace(each, notes="") for each in found]) == repr(alone)
    picked = "3 answers were given for objects of these wells"
    for scope in ("poscon", "difference"):
        assert picked in row(found, scope=scope).notes
    assert "not drawn" not in row(found, scope="negcon").notes
    stray = "2 answers were given for objects outside"
    assert all(stray in each.notes for each in found)


def test_rows_of_other_plates_and_rows_without_answer_are_passed_over():
    objects = plate()
    sheet = only_objects(answered(objects))
    sheet.loc[:9, "answer"] = ""
    other = sheet.assign(plate="P2")
    found = read_answers(pd.concat([sheet, other]), PLATE, objects)
    assert len(found.objects) == len(sheet) - 10
    assert len(read_answers(None, PLATE, objects).objects) == 0


def test_objects_that_were_picked_by_eye_do_not_count():
    objects = plate()
    worst = objects.iloc[np.argsort(-object_risk(objects))[:200]]
    names = ["plate", "well", "site", "object_set", "object_number"]
    sheet = worst[OBJECT].set_axis(names, axis=1).astype(str).assign(reviewer="A", answer="correct")
    found = row(review_of(objects, sheet))
    assert found.state == "partial" and np.isnan(found.estimate.value)
    assert found.n_reviewed < 200


def test_a_site_numbered_0_is_drawn_answered_and_counted():
    objects, found = plate(sites=(0, 1)), candidates(sites=(0, 1))
    sheet = answered(objects, found=found)
    assert set(sheet["site"]) == {"0", "1"}
    rows = review_of(objects, sheet, found=found)
    assert {each.state for each in rows} == {"complete"}
    assert {each.notes for each in rows} == {""}


# --- what follows


def test_every_measure_has_a_row_for_each_class_and_their_difference():
    rows = review_of(plate(), None)
    names = {(each.measure, each.scope) for each in rows}
    assert names == {(m, scope) for m in MEASURES for scope in ("negcon", "poscon", "difference")}
    assert {each.state for each in rows} == {"unreviewed"}
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
        assert found.state == "complete" and found.n_reviewed == found.n_drawn == 120
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
        assert found.state == "partial" and np.isnan(found.estimate.value)
        assert np.isnan(found.these_wells.value) and found.matched is None
    one_class = sheet[sheet["well"].str[0] == "A"]
    rows = review_of(objects, one_class)
    assert row(rows, scope="negcon").state == "complete"
    assert row(rows, scope="poscon").state == "unreviewed"
    assert row(rows).state == "partial"


def test_agreement_is_partial_until_missed_objects_are_counted_too():
    objects = plate()
    rows = review_of(objects, only_objects(answered(objects)))
    assert row(rows).state == "complete"
    assert row(rows, "missed").state == "unreviewed"
    found = row(rows, "agreement")
    assert found.state == "partial" and "0 of 5 whole fields" in found.notes


def test_missed_objects_are_counted_on_whole_fields_per_true_object():
    objects = plate()
    many, none = (review_of(objects, answered(objects, missed=text)) for text in ("25", "0"))
    true = 75 * (1 - row(many, "balance", "poscon").estimate.value)
    found = row(many, "missed", "poscon")
    assert found.reviews_of == "fields" and found.n_drawn == found.n_reviewed == 5
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
    assert found.n_reviewed + found.n_cannot_tell == found.n_drawn and found.n_cannot_tell > 20
    assert found.state == "complete" and np.isfinite(found.estimate.value)
    sheet = answered(objects)
    sheet.loc[sheet["object_number"] != "0", ["answer", "m"]] = "cannot_tell", ""
    found = row(review_of(objects, sheet))
    assert found.state == "partial" and "Nobody could tell" in found.notes


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
    assert row(rows, scope="negcon").state == "complete"
    assert row(rows, perturbation="").state == "unreviewed"


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
        merge_evidence=np.where(uneven, 0.9, 0.02) * rng.uniform(0.9, 1, len(objects)),
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


# --- the table


def test_review_and_evidence_stand_beside_each_other_in_the_units_of_the_row():
    objects = plate()
    rows = review_of(objects, answered(objects))
    evidence = {(SET, "balance", "difference", "drug 80 uM"): Estimate(-0.04, 0.0004, 6.0, 8)}
    table = reviewed_table(rows, evidence)
    of_row = (table["measure"] == "balance") & (table["scope"] == "difference")
    found = table[of_row].iloc[0]
    assert found["unit"] == "pp" and found["question"] == "split_merge"
    assert found["reviewed_estimate"] == pytest.approx(100 * row(rows).estimate.value)
    assert found["reviewed_ci_low"] < found["these_wells_ci_low"] < found["reviewed_estimate"]
    assert found["evidence_estimate"] == pytest.approx(-4.0)
    assert found["evidence_ci_low"] < -4 < found["evidence_ci_high"]
    assert found["minutes_needed"] == review_minutes(2 * found["reviews_needed"])
    bias = table[table["measure"] == "bias"].iloc[0]
    assert bias["unit"] == "share" and np.isnan(bias["evidence_estimate"])


def test_rows_come_back_from_disk_as_they_were(tmp_path):
    rows = [*review_of(plate(), answered(plate())), *review_of(plate(), None)]
    write_csv(reviewed_table(rows), tmp_path / "reviewed.csv")
    assert repr(reviewed_rows(read_csv(tmp_path / "reviewed.csv"))) == repr(rows)
    assert reviewed_rows(reviewed_table([])) == []


def test_a_review_of_100_objects_of_two_classes_takes_27_minutes():
    assert review_minutes(200) == 27 and review_minutes(0) == 0 and review_minutes(0, 2) == 2


def test_the_same_answers_give_the_same_rows_in_any_order():
    objects = plate()
    sheet = answered(objects)
    shuffled = objects.sample(frac=1, random_state=1)
    first, other = review_of(objects, sheet), review_of(shuffled, sheet.iloc[::-1])
    for one, same in zip(first, other, strict=True):
        assert one.estimate.value == pytest.approx(same.estimate.value)
        assert one.estimate.variance == pytest.approx(same.estimate.variance)
        assert one.reviews_needed == same.reviews_needed


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
    first = only_objects(answered(objects))
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
