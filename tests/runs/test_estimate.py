"""What a run will cost, foretold from jobs of different size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.runs.estimate import fit_line


@given(
    fixed=st.floats(0, 100),
    each=st.floats(0, 10),
    sites=st.lists(st.integers(1, 500), min_size=2, max_size=8).filter(
        lambda n: max(n) >= 2 * min(n)
    ),
)
def test_a_cost_is_found_again_from_jobs_of_different_size(fixed, each, sites):
    line = fit_line(sites, [fixed + each * n for n in sites])
    assert line(1000) == pytest.approx(fixed + each * 1000, rel=1e-6, abs=1e-6)


def test_jobs_of_one_size_keep_the_known_cost_of_starting():
    line = fit_line([4, 4], [6.0, 6.0], fixed=2.0)
    assert (line.fixed, line.each) == (2.0, 1.0)
    assert fit_line([4, 4], [1.0, 1.0], fixed=2.0)(8) == pytest.approx(1.0)
