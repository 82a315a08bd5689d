"""A screen from its plates: nobody is silenced, and nobody decides alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qc_plates import CALIBRATED, constants, readings_of, review_said, row_of, wells_of

from levelfield.qc.statistics.errors import ErrorModel
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.statistics.plates import combine_plates, variance_between
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.verdict.screen import Drift, drift, screen_cases

GOOD = wells_of("A") | wells_of("B")
DOUBTING = Rules(
    constants={
        name: replace(one, error_difference=ErrorModel(0.01, 0.0, {"size": 0.3}))
        for name, one in CALIBRATED.constants.items()
    }
)


def plates_of(number, plate_wells=GOOD, rules=CALIBRATED, **changed):
    """Readings of plates P0, P1, ...; `changed` holds the wells of those that differ."""
    return [
        readings_of(changed.get(f"P{k}", plate_wells), rules=rules, plate=f"P{k}", seed=k)
        for k in range(number)
    ]


def screen_of(plates, rules=CALIBRATED, reviews=()):
    return judge(screen_cases(plates, reviews, rules), rules)


def test_plates_that_agree_pass_together_and_sharper_than_one():
    plates = plates_of(5)
    row = row_of(screen_of(plates), "merges", "difference")
    alone = row_of(screen_of(plates[:1]), "merges", "difference")
    assert row.verdict == "pass" and row.plate == "screen" and row.n_wells == 80
    assert row.estimate.variance < alone.estimate.variance
    assert row.estimate.systematic_variance == pytest.approx(0.015**2)


def test_one_plate_in_doubt_does_not_silence_a_screen():
    odd = wells_of("A") | wells_of("B", size=0.3, merge=0.3)
    plates = plates_of(6, rules=DOUBTING, P5=odd)
    alone = row_of(screen_of(plates[5:], DOUBTING), "merges", "difference")
    row = row_of(screen_of(plates, DOUBTING), "merges", "difference")
    without = row_of(screen_of(plates[:5], DOUBTING), "merges", "difference")
    assert alone.estimate.standard_error > 0.3
    assert row.verdict == without.verdict == "pass"
    assert abs(row.estimate.value - without.estimate.value) < 0.01


def test_a_failure_on_every_plate_fails_the_screen():
    rows = screen_of(plates_of(4, wells_of("A") | wells_of("B", missed=0.2)))
    assert row_of(rows, "missed", "difference").verdict == "fail"


def test_plates_that_differ_widen_the_screen():
    differing = {
        f"P{k}": wells_of("A") | wells_of("B", merge=0.02 + 0.15 * (k % 2)) for k in range(6)
    }
    row = row_of(screen_of(plates_of(6, **differing)), "merges", "difference")
    same = row_of(screen_of(plates_of(6)), "merges", "difference")
    assert row.estimate.variance > 4 * same.estimate.variance


def test_a_control_that_stands_on_some_plates_is_combined_over_those():
    plates = plates_of(3, P2=wells_of("A"))
    row = row_of(screen_of(plates), "merges", "difference")
    assert row.verdict == "pass" and row.fewest_wells == 16
    assert row_of(screen_of(plates), "merges", "negcon").fewest_wells == 24
    nowhere = screen_of(plates_of(2, wells_of("A")))
    assert row_of(nowhere, "merges", "difference").reason == "no_wells"


def reviews_of(plates, chosen, value):
    said = Estimate(value, 0.01**2, 7.0, 8)
    return [
        [review_said(one.key, estimate=said) for one in own if one.adjustment == "raw"]
        if place in chosen
        else []
        for place, own in enumerate(plates)
    ]


def test_a_screen_counts_as_reviewed_when_every_plate_is():
    plates = plates_of(4, wells_of("A") | wells_of("B", merge=0.3))
    whole = row_of(
        screen_of(plates, reviews=reviews_of(plates, range(4), 0.0)), "merges", "difference"
    )
    assert (whole.basis, whole.verdict, whole.review.state) == ("review", "pass", "complete")
    assert whole.estimate.systematic_variance == 0
    assert whole.evidence.value == pytest.approx(0.28, abs=0.07)


def test_reviewed_plates_sharpen_a_screen_that_is_not_reviewed_throughout():
    plates = plates_of(4)
    none = row_of(screen_of(plates), "merges", "difference")
    some = row_of(
        screen_of(plates, reviews=reviews_of(plates, (0, 1), 0.0)), "merges", "difference"
    )
    assert (some.basis, some.review.state) == ("evidence", "partial")
    assert some.estimate.systematic_variance < none.estimate.systematic_variance


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-4, 0.5)), min_size=1, max_size=8))
def test_the_mean_lies_among_the_plates_and_a_plate_in_great_doubt_has_no_weight(plates):
    blocks = [Estimate(value, variance, 8.0, 8) for value, variance in plates]
    found = combine_plates(blocks)
    values = [one.value for one in blocks]
    assert min(values) - 1e-9 <= found.value <= max(values) + 1e-9
    worst = [replace(blocks[0], variance=1e9), *blocks[1:]]
    if len(blocks) > 1:
        assert min(values[1:]) - 1e-6 <= combine_plates(worst).value <= max(values[1:]) + 1e-6


def test_the_error_that_plates_share_is_not_averaged_down():
    blocks = [Estimate(0.0, 1e-6, 8.0, 8, 0.03**2)] * 50
    assert combine_plates(blocks).systematic_variance == pytest.approx(0.03**2)


def test_90_percent_interval_over_plates_covers_with_plate_effects():
    rng = np.random.default_rng(11)
    covered = []
    for _ in range(500):
        own = 0.05 + 0.04 * rng.standard_normal(6)
        variances = rng.uniform(0.01, 0.04, 6) ** 2
        values = own + np.sqrt(variances) * rng.standard_normal(6)
        found = combine_plates(
            [Estimate(*pair, 10.0, 8) for pair in zip(values, variances, strict=True)]
        )
        low, high = found.interval(0.9)
        covered.append(low <= 0.05 <= high)
    assert 0.85 <= np.mean(covered) <= 0.96


def test_variance_between_plates_is_zero_where_their_own_explains_them():
    assert variance_between(np.array([0.0, 0.01]), np.array([0.1, 0.1])) == 0
    found = variance_between(np.array([-1.0, 1.0, 0.0]), np.array([1e-9] * 3))
    assert found == pytest.approx(1.0, rel=1e-3)


def test_plates_without_an_estimate_do_not_count():
    gone = Estimate(float("nan"), float("nan"), 1.0, 0)
    assert np.isnan(combine_plates([gone]).value)
    assert combine_plates([gone, Estimate(0.2, 0.01, 5.0, 8)]).value == pytest.approx(0.2)


def test_drift_follows_the_dates_and_else_the_order(tmp_path):
    plates = plates_of(3)
    dates = {"P0": "2026-03-01", "P1": "2026-01-01", "P2": "2026-02-01"}
    found = drift(plates, [], CALIBRATED, dates)
    order = {one.plate: one.order for one in found}
    assert order == {"P1": 1, "P2": 2, "P0": 3}
    assert {one.plate: one.order for one in drift(plates, [], CALIBRATED)} == {
        "P0": 1,
        "P1": 2,
        "P2": 3,
    }
    row = next(one for one in found if one.measure == "bias" and one.scope == "negcon")
    assert row.unit == "px" and row.ci_low < row.estimate < row.ci_high
    to_table(found, Drift).to_csv(tmp_path / "drift.csv", index=False)
    again = from_table(pd.read_csv(tmp_path / "drift.csv", float_precision="round_trip"), Drift)
    assert again == found


def test_moments_are_compared_across_offsets_and_equal_ones_keep_the_order():
    dates = {"P0": "2026-03-01T09:00+02:00", "P1": "2026-03-01T08:00Z", "P2": "2026-03-01T06:30"}
    dates["P3"] = "2026-03-01T08:00:00Z"
    found = drift(plates_of(4), [], CALIBRATED, dates)
    order = {one.order: one.plate for one in found}
    assert [order[place] for place in (1, 2, 3, 4)] == ["P2", "P0", "P1", "P3"]


def test_a_value_that_grows_its_own_error_widens_the_screen_too():
    rules = Rules(constants=dict.fromkeys(CALIBRATED.constants, constants(0.01, 0.01)))
    grown = Rules(
        constants={
            name: replace(one, error_difference=ErrorModel(0.01, 0.3))
            for name, one in rules.constants.items()
        }
    )
    plates = plates_of(3, wells_of("A") | wells_of("B", merge=0.4))
    narrow, wide = (
        row_of(screen_of(plates, each), "merges", "difference") for each in (rules, grown)
    )
    assert wide.estimate.systematic_variance > 5 * narrow.estimate.systematic_variance
    assert narrow.verdict == wide.verdict == "fail"
