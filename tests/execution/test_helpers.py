"""Processes beside one that serves a GPU: what they do, and when they are worth starting."""

import os

import numpy as np
import pytest

from levelfield.execution.helpers import Helpers, helpers_worth, map_with
from levelfield.segmentation.elsewhere import map_elsewhere


def scaled(image, common):
    return image * common["factor"], os.getpid()


def own_process(number):
    if number == 13:
        raise ValueError("13 is refused")
    return number, os.getpid()


def test_without_helpers_the_calling_thread_does_the_work():
    common = {"factor": 3}
    with Helpers(0, common):
        ((found, process),) = map_with(common, scaled, [(np.ones(2),)])
        assert map_elsewhere(own_process, [(1,)]) == [(1, os.getpid())]
    assert found.tolist() == [3, 3] and process == os.getpid()


def test_helpers_know_what_is_common_and_keep_the_order():
    common = {"factor": 3}
    with Helpers(2, common):
        found = map_with(common, scaled, [(np.full(2, n),) for n in range(20)])
        apart = map_elsewhere(own_process, [(n,) for n in range(5)])
        with pytest.raises(ValueError, match="13 is refused"):
            map_elsewhere(own_process, [(13,)])
    assert [values.tolist() for values, _ in found] == [[3 * n] * 2 for n in range(20)]
    assert os.getpid() not in {process for _, process in found}
    assert [number for number, _ in apart] == list(range(5))
    assert os.getpid() not in {process for _, process in apart}
    # Afterwards it is this process again.
    assert map_elsewhere(own_process, [(1,)]) == [(1, os.getpid())]


@pytest.mark.parametrize(
    ("fields", "cores", "expected"), [(400, 4, 4), (40, 4, 2), (8, 4, 0), (400, 1, 0)]
)
def test_helpers_are_started_where_there_are_fields_enough_for_them(fields, cores, expected):
    assert helpers_worth(fields, cores) == expected
