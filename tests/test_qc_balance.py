"""Statistics of the verdict: coverage, symmetry, invariance and limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.qc.statistics.estimates import (
    Estimate,
    at_least_verdict,
    combine_plates,
    difference,
    equivalence_verdict,
    failure_p_value,
    holm,
    mean_estimate,
    ratio_estimate,
    wells_to_decide,
    with_systematic_error,
    worse,
)

counts = st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 300)), min_size=2, max_size=12)


def estimate(value, variance=0.01, freedom=6.0, n_wells=8, systematic=0.0):
    return Estimate(value, variance, freedom, n_wells, systematic)


def simulated_wells(rng, n_wells, rate, spread=0.03):
    """Counts of errors and objects; the rate of each well scatters around the class rate."""
    objects = rng.poisson(200, n_wells) + 20
    own_rate = np.clip(rate + spread * rng.standard_normal(n_wells), 0, 1)
    return rng.binomial(objects, own_rate), objects


@pytest.mark.parametrize("n_wells", [4, 8, 16, 32])
def test_90_percent_interval_of_a_difference_covers_the_planted_difference(n_wells):
    rng = np.random.default_rng(n_wells)
    covered = []
    for _ in range(600):
        negative = ratio_estimate(*simulated_wells(rng, n_wells, 0.10))
        positive = ratio_estimate(*simulated_wells(rng, n_wells, 0.18))
        low, high = difference(positive, negative).interval(0.9)
        covered.append(low <= 0.08 <= high)
    assert 0.87 <= np.mean(covered) <= 0.94


def test_systematic_error_restores_coverage_of_a_biased_estimator():
    rng = np.random.default_rng(3)
    plain, widened = [], []
    for _ in range(600):
        own_error = 0.05 * rng.standard_normal()
        positive = ratio_estimate(*simulated_wells(rng, 16, 0.2))
        positive = replace(positive, value=positive.value + own_error)
        found = difference(positive, ratio_estimate(*simulated_wells(rng, 16, 0.2)))
        for covers, each in ((plain, found), (widened, with_systematic_error(found, 1, 0.05))):
            low, high = each.interval(0.9)
            covers.append(low <= 0 <= high)
    assert np.mean(plain) < 0.5
    assert 0.87 <= np.mean(widened) <= 0.94


def test_false_pass_at_the_margin_is_at_most_five_percent():
    rng = np.random.default_rng(5)
    passes = 0
    for _ in range(600):
        positive = ratio_estimate(*simulated_wells(rng, 8, 0.20))
        negative = ratio_estimate(*simulated_wells(rng, 8, 0.15))
        passes += equivalence_verdict(difference(positive, negative), 0.05) == "pass"
    assert passes / 600 < 0.07


def test_false_fail_without_a_difference_is_at_most_five_percent():
    rng = np.random.default_rng(6)
    fails = 0
    for _ in range(600):
        found = difference(*(ratio_estimate(*simulated_wells(rng, 8, 0.15)) for _ in range(2)))
        fails += equivalence_verdict(found, 0.01) == "fail"
    assert fails / 600 < 0.07


@settings(deadline=None)
@given(counts, counts)
def test_swapping_the_classes_mirrors_estimate_and_interval(one, other):
    first, second = (ratio_estimate(*zip(*wells, strict=True)) for wells in (one, other))
    forth, back = difference(first, second), difference(second, first)
    assert forth.value == pytest.approx(-back.value)
    assert forth.interval(0.9) == pytest.approx(tuple(-x for x in back.interval(0.9)[::-1]))


@settings(deadline=None)
@given(counts, st.randoms(use_true_random=False))
def test_order_of_wells_does_not_matter(wells, random):
    shuffled = random.sample(wells, len(wells))
    one, other = (ratio_estimate(*zip(*each, strict=True)) for each in (wells, shuffled))
    assert one.value == pytest.approx(other.value)
    assert one.variance == pytest.approx(other.variance, abs=1e-12)


@settings(deadline=None)
@given(counts, st.integers(2, 5))
def test_counting_every_object_k_times_changes_nothing(wells, k):
    top, bottom = np.array(wells, float).T
    one, other = ratio_estimate(top, bottom), ratio_estimate(k * top, k * bottom)
    assert one.value == pytest.approx(other.value)
    assert one.variance == pytest.approx(other.variance, abs=1e-12)


def test_ratio_with_equal_denominators_is_the_mean_with_its_standard_error():
    values = np.array([0.1, 0.4, 0.2, 0.7])
    found = mean_estimate(values)
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / 2)


def test_difference_of_means_is_welchs_test():
    from scipy import stats

    one, other = np.array([1.0, 2.0, 4.0, 4.5]), np.array([0.1, 0.2, 0.15, 0.3, 0.1])
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = difference(mean_estimate(one), mean_estimate(other)).interval(0.95)
    assert found == pytest.approx((expected.low, expected.high))


def test_one_well_has_an_estimate_but_no_interval_and_is_undecided():
    found = difference(ratio_estimate([5], [100]), ratio_estimate([1, 2, 3], [100, 90, 80]))
    assert found.value == pytest.approx(0.05 - 6 / 270)
    assert np.isnan(found.interval(0.9)).all()
    assert equivalence_verdict(with_systematic_error(found, 1, 0.1), 0.1) == "undecided"


def test_no_wells_and_empty_wells_are_undecided():
    assert ratio_estimate([], []).n_wells == 0
    assert equivalence_verdict(ratio_estimate([0, 0], [0, 0]), 0.1) == "undecided"


def test_wells_without_objects_do_not_count():
    found = ratio_estimate([5, 0, 6, np.nan], [100, 0, 90, 50])
    assert found.n_wells == 2
    assert found.value == pytest.approx(11 / 190)


def test_zero_variance_gives_a_finite_interval():
    found = difference(ratio_estimate([0, 0, 0], [9, 9, 9]), ratio_estimate([0, 0], [5, 6]))
    assert found.interval(0.9) == (0.0, 0.0)
    low, high = with_systematic_error(found, 1, 0.1).interval(0.9)
    assert high == pytest.approx(0.1 * 1.6449, abs=1e-4)
    assert low == -high


def test_verdict_has_three_outcomes_by_the_rule():
    assert equivalence_verdict(estimate(0.0, 0.0004), 0.1) == "pass"
    assert equivalence_verdict(estimate(0.3, 0.0004), 0.1) == "fail"
    assert equivalence_verdict(estimate(0.05, 0.04), 0.1) == "undecided"
    # A small but certain difference inside the margin is harmless: it passes.
    assert equivalence_verdict(estimate(0.05, 0.0001), 0.1) == "pass"


def test_uncalibrated_never_passes_and_fails_only_beyond_the_margin():
    certain = estimate(0.0, 1e-8)
    assert equivalence_verdict(certain, 0.1, calibrated=False) == "undecided"
    clear = estimate(0.09, 1e-6)
    assert equivalence_verdict(clear, 0.05, calibrated=True) == "fail"
    assert equivalence_verdict(clear, 0.1, calibrated=False) == "undecided"
    assert equivalence_verdict(estimate(0.2, 1e-6), 0.1, calibrated=False) == "fail"
    assert equivalence_verdict(estimate(-0.2, 1e-6), 0.1, calibrated=False) == "fail"


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(1e-6, 0.1), st.floats(0.01, 1))
def test_a_wider_margin_never_turns_a_pass_into_less(value, variance, margin):
    found = estimate(value, variance)
    if equivalence_verdict(found, margin) == "pass":
        assert equivalence_verdict(found, 1.5 * margin) == "pass"


def test_wells_to_decide_lets_the_estimate_pass_and_one_fewer_does_not():
    found = estimate(0.03, 0.01, freedom=6.0, n_wells=8)
    wells = wells_to_decide(found, 0.1)

    def verdict_with(n):
        more = replace(found, variance=0.01 * 8 / (2 * n), degrees_of_freedom=2.0 * n - 2)
        return equivalence_verdict(more, 0.1)

    assert verdict_with(wells) == "pass"
    assert verdict_with(wells - 1) == "undecided"


@pytest.mark.parametrize(
    "found",
    [
        estimate(0.06, systematic=0.0016),
        estimate(0.0, systematic=0.01),
        estimate(0.0, variance=float("nan"), n_wells=1),
    ],
    ids=["near the margin", "systematic error too wide", "unknown variance"],
)
def test_wells_to_decide_says_none_when_no_number_would_do(found):
    assert wells_to_decide(found, 0.1) is None


def test_wells_to_decide_also_says_when_a_difference_would_be_shown():
    found = estimate(0.2, 0.01, n_wells=8)
    assert equivalence_verdict(found, 0.1) == "undecided"
    assert wells_to_decide(found, 0.1) > 4


def test_wells_to_decide_counts_the_wells_of_the_class_not_of_the_plate():
    # The scatter of a well is 0.2: a class of 4 has a variance of 0.01, a difference twice that.
    one = wells_to_decide(estimate(0.05, 0.01, 3.0, 4), 0.1, (4,))
    both = wells_to_decide(estimate(0.05, 0.02, 6.0, 8), 0.1, (4, 4))
    lopsided = wells_to_decide(estimate(0.05, 0.04 / 4 + 0.04 / 400, 3.1, 404), 0.1, (4, 400))
    assert one == pytest.approx(both / 2, rel=0.1)
    assert lopsided == pytest.approx(both, abs=2)


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(1e-6, 0.1), st.floats(0, 0.3), st.floats(2, 50))
def test_p_value_is_below_5_percent_where_the_95_percent_interval_lies_beyond(
    value, variance, beyond, freedom
):
    found = estimate(value, variance, freedom)
    low, high = found.interval(0.95)
    assert (found.p_value(beyond) < 0.05) == (low > beyond or high < -beyond)


def test_p_value_without_variance():
    assert estimate(0.1, 0.0).p_value() == 0 and estimate(0.0, 0.0).p_value() == 1
    assert np.isnan(estimate(0.1, float("nan")).p_value())


def test_holm_of_the_textbook_and_of_one_comparison():
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.04, np.nan]) == pytest.approx([0.04, np.nan], nan_ok=True)
    assert len(holm([])) == 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8), st.randoms(use_true_random=False))
def test_holm_never_lowers_a_p_value_keeps_their_order_and_ignores_places(values, random):
    found = holm(values)
    assert (found >= values).all() and (found <= 1).all()
    assert (np.diff(found[np.argsort(values, kind="stable")]) >= 0).all()
    order = random.sample(range(len(values)), len(values))
    assert holm([values[place] for place in order]) == pytest.approx(found[order])


def test_holm_keeps_false_failures_of_8_controls_that_share_their_negatives_below_5_percent():
    rng = np.random.default_rng(12)
    plain, corrected = [], []
    for _ in range(250):
        negative = ratio_estimate(*simulated_wells(rng, 8, 0.15))
        chances = [
            failure_p_value(
                difference(ratio_estimate(*simulated_wells(rng, 8, 0.15)), negative),
                0.05,
                calibrated=True,
            )
            for _ in range(8)
        ]
        plain.append(min(chances) < 0.05)
        corrected.append(min(holm(chances)) < 0.05)
    assert np.mean(plain) > 0.12
    assert np.mean(corrected) <= 0.08


def test_two_wells_per_class_cover_and_are_wide():
    rng = np.random.default_rng(13)
    covered, reach = [], []
    for _ in range(500):
        pair = [ratio_estimate(*simulated_wells(rng, 2, rate)) for rate in (0.18, 0.10)]
        low, high = difference(*pair).interval(0.9)
        covered.append(low <= 0.08 <= high)
        reach.append(high - low)
    assert np.mean(covered) >= 0.88
    assert np.median(reach) > 0.1


def test_floor_is_taken_off_before_the_slope():
    found = with_systematic_error(estimate(-0.05, 0.01), 2.0, 0.1, floor=-0.03)
    assert found.value == pytest.approx(-0.04)
    assert found.variance == pytest.approx(0.04) and found.systematic_variance == 0.1**2


def test_a_share_passes_above_fails_below_and_is_undecided_between():
    assert at_least_verdict(estimate(0.96, 1e-4), 0.9) == "pass"
    assert at_least_verdict(estimate(0.80, 1e-4), 0.9) == "fail"
    assert at_least_verdict(estimate(0.91, 1e-4), 0.9) == "undecided"
    assert at_least_verdict(estimate(0.96, float("nan")), 0.9) == "undecided"


def test_worse_of_two_verdicts():
    assert worse("pass", "undecided") == "undecided"
    assert worse("fail", "pass") == "fail"
    assert worse("pass", "pass") == "pass"


def test_plates_are_blocks_not_one_big_plate():
    # Wells agree within plates, plates disagree: pooling wells would be far too sure.
    plates = [estimate(value, 1e-6, 10.0, 12) for value in (0.0, 0.1, 0.2, 0.3)]
    together = combine_plates(plates)
    assert together.value == pytest.approx(0.15)
    assert together.standard_error == pytest.approx(np.std([0, 0.1, 0.2, 0.3], ddof=1) / 2)
    assert together.degrees_of_freedom == 3
    assert together.n_wells == 48


def test_plates_that_agree_narrow_the_interval_but_not_the_systematic_error():
    plates = [estimate(0.1, 0.01, 6.0, 8, systematic=0.04) for _ in range(4)]
    together = combine_plates(plates)
    assert together.variance == pytest.approx(0.01 / 4)
    assert together.systematic_variance == 0.04


def test_90_percent_interval_over_plates_covers_with_plate_effects():
    rng = np.random.default_rng(11)
    covered = []
    for _ in range(500):
        plates = []
        for shift in 0.04 * rng.standard_normal(5):
            negative = ratio_estimate(*simulated_wells(rng, 6, 0.15))
            positive = ratio_estimate(*simulated_wells(rng, 6, np.clip(0.2 + shift, 0, 1)))
            plates.append(difference(positive, negative))
        low, high = combine_plates(plates).interval(0.9)
        covered.append(low <= 0.05 <= high)
    assert np.mean(covered) >= 0.87


def test_a_plate_with_one_well_helps_only_through_the_scatter():
    single = estimate(0.2, float("nan"), float("nan"), 2)
    together = combine_plates([estimate(0.0), estimate(0.1), single])
    assert np.isfinite(together.interval(0.9)).all()
    assert combine_plates([single]).value == 0.2
    assert np.isnan(combine_plates([]).value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ratio_estimate([1, 2], [1]), "one of each per well"),
        (lambda: ratio_estimate([1], [-1]), "cannot be negative"),
        (lambda: equivalence_verdict(estimate(0), 0), "largest harmless size"),
        (lambda: with_systematic_error(estimate(0), 0, 0.1), "positive slope"),
        (lambda: estimate(0).interval(1), "between 0 and 1"),
    ],
)
def test_wrong_numbers_are_refused_with_a_reason(call, words):
    with pytest.raises(ValueError, match=words):
        call()
