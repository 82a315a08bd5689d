"""Recalibrating probabilities of a class on objects of known truth."""

import numpy as np
import pytest
from scipy import special

from levelfield.qc.collage.recalibration import Recalibration, fit_recalibration


def objects(offset, slope, n=4000, seed=0):
    """Probabilities, and truths that follow from them by a known change."""
    random = np.random.default_rng(seed)
    given = special.expit(random.normal(-2, 2, n))
    chance = special.expit(offset + slope * special.logit(given))
    return given, random.random(n) < chance, chance


@pytest.mark.parametrize(("offset", "slope"), [(0.0, 1.0), (-1.0, 0.8), (0.7, 1.2)])
def test_a_known_change_is_found(offset, slope):
    given, truth, chance = objects(offset, slope)
    found = fit_recalibration(given, truth)
    assert found.offset == pytest.approx(offset, abs=0.25)
    assert found.slope == pytest.approx(slope, abs=0.12)
    assert found(given).mean() == pytest.approx(chance.mean(), abs=0.015)
    assert abs(found(given).mean() - truth.mean()) < 0.01


def test_few_objects_change_little_and_fewer_nothing():
    given, truth, _ = objects(-3.0, 1.0, n=60)
    few = fit_recalibration(given, truth)
    many = fit_recalibration(*objects(-3.0, 1.0)[:2])
    assert many.offset < few.offset < 0
    assert fit_recalibration(given[:5], truth[:5]) == Recalibration()
    assert np.allclose(Recalibration()(given), np.clip(given, 1e-4, 1 - 1e-4))


def test_a_class_without_any_error_is_not_certain():
    given, _, _ = objects(0.0, 1.0, n=200)
    found = fit_recalibration(given, np.zeros(200, bool))
    assert -5 < found.offset < -0.5
    assert 0 < found(given).mean() < given.mean()


def test_what_is_not_known_is_left_out_and_stays_so():
    given, truth, _ = objects(-1.0, 1.0)
    given[::7] = np.nan
    known = np.isfinite(given)
    assert fit_recalibration(given, truth) == fit_recalibration(given[known], truth[known])
    assert np.isnan(Recalibration(1.0, 1.0)(given)[::7]).all()


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 probabilities"):
        fit_recalibration(np.zeros(3), np.zeros(4))
