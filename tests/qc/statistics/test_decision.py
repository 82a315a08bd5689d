"""Statistics of the verdict: coverage, symmetry, the rule, and how it errs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from levelfield.qc.statistics.decision import Bound, bound_of, decide, wells_to_decide
from levelfield.qc.statistics.estimates import (
    Estimate,
    difference,
    mean_estimate,
    ratio_estimate,
    satterthwaite,
    worst_verdict,
)
from levelfield.qc.statistics.family import failure_level
from levelfield.questions import MEASURES

counts = st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 300)), min_size=2, max_size=12)
BOUND = Bound(0.1)


def fails(found, bound, **options):
    return decide(found, bound, **options) == "fail"


def estimate(value, variance=0.01, freedom=6.0, n_wells=8, systematic=0.0):
    return Estimate(value, variance, freedom, n_wells, systematic)


def simulated_wells(rng, n_wells, rate, spread=0.03):
    """Counts of errors and objects; the rate of each well scatters around the class rate."""
    objects = rng.poisson(200, n_wells) + 20
    own_rate = np.clip(rate + spread * rng.standard_normal(n_wells), 0, 1)
    return rng.binomial(objects, own_rate), objects


@pytest.mark.parametrize("n_wells", [4, 8, 32])
def test_90_percent_interval_of_a_difference_covers_the_planted_difference(n_wells):
    rng = np.random.default_rng(n_wells)
    covered = []
    for _ in range(600):
        negative = ratio_estimate(*simulated_wells(rng, n_wells, 0.10))
        positive = ratio_estimate(*simulated_wells(rng, n_wells, 0.18))
        low, high = difference(positive, negative).interval(0.9)
        covered.append(low <= 0.08 <= high)
    assert 0.87 <= np.mean(covered) <= 0.94


@pytest.mark.parametrize(
    ("of_margin", "least", "most"),
    [(0.0, 0, 0.005), (0.5, 0, 0.03), (1.0, 0.4, 0.6), (1.4, 0.9, 1), (2.0, 0.99, 1)],
)
def test_the_rule_fails_as_often_as_it_promises(of_margin, least, most):
    """At half the margin hardly ever, at the margin every second time, at 1.4 margins nearly so."""
    rng, margin = np.random.default_rng(1), 0.1
    values = of_margin * margin + 0.025 * rng.standard_normal(4000)
    found = [decide(estimate(value, 0.025**2, float("inf")), BOUND) for value in values]
    assert least <= np.mean([one == "fail" for one in found]) <= most


def test_false_pass_at_the_margin_is_at_most_five_percent():
    rng = np.random.default_rng(2)
    passed = []
    for _ in range(1500):
        wells = 0.1 + 0.04 * rng.standard_normal(6)
        passed.append(decide(mean_estimate(wells), BOUND) == "pass")
    assert np.mean(passed) <= 0.07


@given(
    st.floats(-0.5, 0.5),
    st.floats(0, 0.5),
    st.floats(0.001, 0.2),
    st.floats(0, 0.39),
    st.floats(1, 50),
    st.booleans(),
)
def test_more_error_never_fails_less(value, more, error, of_value, freedom, calibrated):
    """At a fixed error of the estimate, and where that grows with the value by less than 0.4."""
    larger = value + np.sign(value or 1) * more

    def failed(size):
        free = estimate(size, error**2, freedom)
        grown = replace(free, systematic_variance=(of_value * size) ** 2)
        return fails(grown, BOUND, without_error=free, calibrated=calibrated)

    assert failed(larger) >= failed(value)


@given(st.floats(0.001, 0.1), st.floats(0, 0.39))
def test_doubt_that_grows_with_the_error_does_not_hide_it(error, per_size):
    """A doubt such as the variants' range grows with what they disagree about."""
    sizes = np.linspace(0, 2, 41)
    failed = [
        fails(estimate(size, error**2 + (per_size * size) ** 2, float("inf")), BOUND)
        for size in sizes
    ]
    assert failed == sorted(failed) and failed[-1]


def test_a_planted_series_fails_ever_more_often_and_a_gross_error_always():
    rng, margin = np.random.default_rng(4), 0.1
    shares = []
    for planted in (0, 0.02, 0.05, 0.10, 0.20, 0.40):
        negative = rng.normal(0.02, 0.02, (400, 8))
        positive = rng.normal(0.02 + planted, 0.02, (400, 8))
        verdicts = [
            decide(difference(mean_estimate(one), mean_estimate(other)), Bound(margin))
            for one, other in zip(positive, negative, strict=True)
        ]
        shares.append(np.mean([one == "fail" for one in verdicts]))
    assert shares == sorted(shares)
    assert shares[2] <= 0.01 and shares[4] == shares[5] == 1


@given(counts, counts)
def test_swapping_the_classes_mirrors_estimate_and_interval(one, other):
    first, second = (ratio_estimate(*zip(*wells, strict=True)) for wells in (one, other))
    forth, back = difference(first, second), difference(second, first)
    assert forth.value == pytest.approx(-back.value)
    assert forth.interval(0.9)[0] == pytest.approx(-back.interval(0.9)[1])


@given(counts, st.randoms())
def test_order_of_wells_does_not_matter(wells, random):
    shuffled = list(wells)
    random.shuffle(shuffled)
    one, other = (ratio_estimate(*zip(*each, strict=True)) for each in (wells, shuffled))
    assert one.value == pytest.approx(other.value, rel=1e-9, abs=1e-12)
    assert one.variance == pytest.approx(other.variance, rel=1e-6, abs=1e-9)


@given(counts, st.integers(2, 9))
def test_counting_every_object_k_times_changes_nothing(wells, k):
    top, bottom = (np.array(each, float) for each in zip(*wells, strict=True))
    one, other = ratio_estimate(top, bottom), ratio_estimate(k * top, k * bottom)
    assert one.value == pytest.approx(other.value)
    assert one.variance == pytest.approx(other.variance, abs=1e-9)


def test_difference_of_means_is_welchs_test():
    rng = np.random.default_rng(5)
    one, other = rng.normal(0, 1, 7), rng.normal(0.5, 3, 5)
    found = difference(mean_estimate(one), mean_estimate(other))
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert found.p_value() == pytest.approx(expected.pvalue)
    assert found.degrees_of_freedom == pytest.approx(expected.df)


def test_no_wells_and_empty_wells_are_undecided():
    for found in (ratio_estimate([], []), ratio_estimate([1.0, 2.0], [0.0, 0.0])):
        assert found.n_wells == 0 and np.isnan(found.value)
        assert decide(found, BOUND) == "undecided"


def test_one_well_has_an_estimate_but_no_scatter_of_its_own():
    found = ratio_estimate([3.0], [10.0])
    assert found.value == 0.3 and np.isnan(found.variance)
    assert decide(found, BOUND) == "undecided"


def test_a_class_with_one_well_may_fail_but_not_pass():
    fine, bad = estimate(0.0, 1e-6), estimate(0.4, 1e-4)
    assert decide(fine, BOUND) == "pass"
    assert decide(fine, BOUND, can_pass=False) == "undecided"
    assert decide(bad, BOUND, can_pass=False) == "fail"


def test_within_the_margin_nothing_fails_however_sure():
    assert decide(estimate(0.099, 1e-12), BOUND) == "pass"
    assert decide(estimate(0.0999999, 1e-8), BOUND) == "undecided"


def test_uncalibrated_never_passes_and_fails_only_beyond_the_margin():
    options = {"calibrated": False}
    assert decide(estimate(0.0, 1e-9), BOUND, **options) == "undecided"
    assert decide(estimate(0.2, 0.05**2, float("inf")), BOUND, **options) == "fail"
    assert decide(estimate(0.2, 0.052**2, float("inf")), BOUND, **options) == "undecided"


def test_of_a_rate_only_the_upper_end_counts():
    rate = bound_of(MEASURES["merges"], "negcon", 0.1)
    low = estimate(-0.3, 0.05**2)
    assert decide(low, rate) == "pass" and decide(low, BOUND) == "fail"
    assert bound_of(MEASURES["merges"], "difference", 0.1).kind == "signed"


def test_a_share_passes_above_fails_below_and_is_undecided_between():
    share = bound_of(MEASURES["agreement"], "poscon", 0.9)
    tight, wide = 0.01**2, 0.06**2
    assert decide(estimate(0.97, tight), share) == "pass"
    assert decide(estimate(0.97, wide), share) == "undecided"
    assert decide(estimate(0.80, tight), share) == "fail"
    assert decide(estimate(0.88, wide), share) == "undecided"


@given(st.floats(-1, 1), st.floats(1e-6, 0.1), st.floats(0.01, 0.5))
def test_a_wider_margin_never_makes_a_verdict_worse(value, variance, margin):
    order = ("pass", "undecided", "fail")
    found = [decide(estimate(value, variance), Bound(each)) for each in (margin, margin * 1.5)]
    assert order.index(found[1]) <= order.index(found[0])


def test_wells_to_decide_lets_the_estimate_pass_and_one_fewer_does_not():
    found = estimate(0.05, 0.03**2, 6.0, 8)
    number = wells_to_decide(found, BOUND, [4, 4])
    per_well = found.variance * 8 / 2 / 2

    def verdict(wells):
        more = replace(found, variance=2 * per_well / wells, degrees_of_freedom=2 * wells - 2)
        return decide(more, BOUND)

    assert verdict(number) == "pass" and verdict(number - 1) == "undecided"


def test_wells_to_decide_says_none_when_no_number_would_do():
    assert wells_to_decide(estimate(0.05, 0.01**2, systematic=0.05**2), BOUND, [4, 4]) is None
    assert wells_to_decide(ratio_estimate([1.0], [3.0]), BOUND, [1]) is None


def test_one_row_asks_for_95_percent_and_rows_far_inside_their_reach_cost_nothing():
    assert failure_level([0.1], [0.08], [5.0]) == 0.95
    assert failure_level([], [], []) == 0.95
    many = failure_level([0.1] * 40, [0.01] * 40, [20.0] * 40)
    assert many == 0.95
    assert failure_level([0.1] * 12, [0.08] * 12, [20.0] * 12) > 0.99


rows = st.lists(
    st.tuples(st.floats(0.02, 0.5), st.floats(1e-4, 0.3), st.floats(2, 60), st.booleans()),
    min_size=1,
    max_size=20,
)


@given(rows, st.floats(0.01, 0.3))
def test_a_further_row_never_makes_failing_easier(family, error):
    limits, errors, freedoms, sure = zip(*family, strict=True)
    before = failure_level(limits, errors, freedoms, sure)
    after = failure_level([*limits, 0.1], [*errors, error], [*freedoms, 9.0], [*sure, True])
    assert 0.95 <= before <= after + 1e-12 <= 1 + 1e-12


@given(rows)
def test_noise_fails_any_row_of_a_family_in_five_percent_at_most(family):
    limits, errors, freedoms, sure = (np.array(each) for each in zip(*family, strict=True))
    level = failure_level(limits, errors, freedoms, sure)
    reach = errors * stats.t.isf((1 - level) / 2, freedoms)
    beyond = np.where(sure, np.maximum(limits, reach), limits + reach)
    assert np.sum(2 * stats.t.sf(beyond / errors, freedoms)) <= 0.05 + 1e-9


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_false_failures_of_a_noisy_plate_stay_below_five_percent(correlation):
    rng = np.random.default_rng(7)
    shared = rng.standard_normal((4000, 1)) * np.sqrt(correlation)
    noise = 0.07 * (shared + np.sqrt(1 - correlation) * rng.standard_normal((4000, 12)))
    level = failure_level([0.1] * 12, [0.07] * 12, [float("inf")] * 12)
    failed = [
        any(fails(estimate(value, 0.07**2, float("inf")), BOUND, level=level) for value in plate)
        for plate in noise
    ]
    assert np.mean(failed) <= 0.055


def test_the_level_does_not_depend_on_what_was_estimated_so_rows_fail_monotonely():
    family = ([0.1] * 6, [0.06] * 6, [10.0] * 6)
    level = failure_level(*family)
    failed = [
        fails(estimate(value, 0.06**2, 10.0), BOUND, level=level) for value in np.linspace(0, 1, 50)
    ]
    assert failed == sorted(failed)


def test_worse_of_two_verdicts():
    for verdicts in (("pass", "undecided"), ("undecided", "pass")):
        assert worst_verdict(verdicts) == "undecided"
    assert worst_verdict(("fail", "undecided")) == "fail"


@settings(max_examples=20)
@given(st.floats(-1, 0))
def test_margins_that_are_none_are_refused(margin):
    with pytest.raises(ValueError, match="largest harmless size"):
        Bound(margin)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Bound(1.2, "share")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ratio_estimate([1], [1, 2]), "one of each per well"),
        (lambda: ratio_estimate([1, 2], [-1, 2]), "cannot be negative"),
        (lambda: estimate(0.1).interval(90), "between 0 and 1"),
    ],
)
def test_wrong_numbers_are_refused_with_a_reason(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_what_is_known_has_infinite_degrees_of_freedom():
    assert satterthwaite([0.0, 0.0], [3.0, 4.0]) == float("inf")
    assert satterthwaite([0.01, 0.0], [float("inf"), 12.0]) == float("inf")
    assert satterthwaite([0.01, 0.0], [3.0, 12.0]) == pytest.approx(3)
    assert satterthwaite([0.01, 0.01], [3.0, 3.0]) == pytest.approx(6)
