"""Sums do not depend on the version of Python."""

from levelfield.qc.sums import ordered_sum


def test_floats_are_added_one_after_the_other():
    assert ordered_sum([1e16, 1.0, -1e16]) == 0.0
    assert ordered_sum(value for value in (0.5, 0.25)) == 0.75
    assert ordered_sum([]) == 0.0
