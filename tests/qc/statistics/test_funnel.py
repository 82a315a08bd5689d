"""Control limits of wells: they cover what they say, and follow the number of objects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.qc.statistics.funnel import fit_funnel


@pytest.mark.parametrize("n_wells", [4, 16])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_a_further_well_lies_inside_as_often_as_it_should(n_wells, level):
    random = np.random.default_rng(n_wells)
    inside = []
    for _ in range(3000):
        objects = random.integers(40, 400, n_wells + 1)
        values = random.normal(0.02, 1 / np.sqrt(objects))
        low, high = fit_funnel(values[:-1], objects[:-1]).limits(objects[-1:], level)
        inside.append(low[0] <= values[-1] <= high[0])
    assert np.mean(inside) == pytest.approx(level, abs=0.03)


def test_limits_narrow_with_the_number_of_objects_and_lie_about_the_mean_of_objects():
    funnel = fit_funnel([0.1, 0.0, 0.05], [100, 300, 100])
    assert funnel.centre == pytest.approx(0.03)
    low, high = funnel.limits([10, 100, 1000], 0.95)
    assert (np.diff(high - low) < 0).all()
    assert (high + low) / 2 == pytest.approx([0.03] * 3)


def test_too_few_wells_have_no_limits_and_wells_without_a_value_do_not_count():
    assert fit_funnel([0.1, 0.2], [10, 10]) is None
    assert fit_funnel([0.1, 0.2, np.nan, 0.3], [10, 10, 10, 0]) is None
    whole = fit_funnel([0.1, 0.2, 0.3], [10, 20, 30])
    assert fit_funnel([np.nan, 0.1, 0.2, 0.3, 9.0], [5, 10, 20, 30, 0]) == whole


@given(st.floats(-1, 1), st.floats(0.1, 10))
def test_limits_move_and_stretch_with_the_values(shift, factor):
    values, objects = np.array([0.1, 0.0, 0.05, -0.1]), [90, 50, 210, 80]
    one = fit_funnel(values, objects).limits([100], 0.9)
    other = fit_funnel(factor * values + shift, objects).limits([100], 0.9)
    assert np.allclose(other, factor * np.array(one) + shift)
