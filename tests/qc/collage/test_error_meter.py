"""How wide an interval must be, by what collages say."""

import numpy as np
import pytest

from levelfield.qc.collage.error_meter import ErrorMeter, fit_error_meter, leave_group_out

N_GROUPS, OF_GROUP = 12, 200


def plates(floor=0.02, collage=1.0, gap=0.0, seed=0):
    """Errors of plates of many groups, drawn by a known meter."""
    random = np.random.default_rng(seed)
    n = N_GROUPS * OF_GROUP
    truth, on_plate = random.normal(0, 0.02, (2, n))
    read = truth + random.normal(0, 0.06, n)
    meter = ErrorMeter(floor, collage, gap, np.inf)
    error = random.normal(0, np.sqrt(meter.variance(read, truth, on_plate)))
    return error, read, truth, on_plate, np.repeat(np.arange(N_GROUPS), OF_GROUP)


@pytest.mark.parametrize(("collage", "gap"), [(1.0, 0.0), (0.25, 0.0), (0.0, 0.5)])
def test_the_constants_are_found(collage, gap):
    meter = fit_error_meter(*plates(collage=collage, gap=gap))
    assert meter.floor == pytest.approx(0.02, rel=0.3)
    assert meter.per_collage_error + meter.per_gap == pytest.approx(collage + gap, rel=0.35)
    assert meter.degrees_of_freedom == N_GROUPS - 1


def test_intervals_cover_and_are_narrow_where_collages_read_the_truth():
    error, read, truth, on_plate, groups = plates()
    half = leave_group_out(error, read, truth, on_plate, groups, 0.9)
    assert 0.88 <= np.mean(np.abs(error) <= half) <= 0.95
    trusted = np.abs(read - truth) < 0.01
    assert np.median(half[trusted]) < 0.6 * np.median(half[~trusted])
    # And hold on either side, which one width for all would not.
    for part in (trusted, np.abs(read - truth) > 0.08):
        assert 0.85 <= np.mean(np.abs(error[part]) <= half[part]) <= 0.97


def test_every_group_weighs_the_same():
    error, read, truth, on_plate, groups = plates()
    twice = np.concatenate([np.flatnonzero(groups == 0)] * 9 + [np.flatnonzero(groups > 0)])
    arrays = (error, read, truth, on_plate, groups)
    first, again = fit_error_meter(*arrays), fit_error_meter(*(a[twice] for a in arrays))
    assert again.floor == pytest.approx(first.floor, rel=0.02)


def test_one_group_says_nothing_of_others():
    arrays = [array[:OF_GROUP] for array in plates()]
    with pytest.raises(ValueError, match="two groups"):
        fit_error_meter(*arrays)
