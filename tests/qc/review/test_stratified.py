"""The estimator of a review: coverage, weights and scatter between wells."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_cases import plate

from levelfield.qc.review.foreseen import foreseen_spread
from levelfield.qc.review.sampling import allocate, object_risk, risk_strata
from levelfield.qc.review.stratified import Reviewed, Spread, objects_sample, stratified_mean


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
