"""Which parts of a class's fields collages are made of."""

import itertools
from collections import Counter

from levelfield.qc.collage.windows import affordable, choose_windows, window_side

FIELDS = [("A01", 1), ("A01", 2), ("B01", 1)]


def test_windows_follow_the_size_of_objects_within_limits():
    assert window_side(20) == 320
    assert window_side(4) == window_side(float("nan")) == 192
    assert window_side(200) == 512


def test_every_field_gives_as_many_windows_as_any_other_and_none_overlap():
    windows = choose_windows(FIELDS, (640, 480), 200, 9, [1])
    assert set(Counter(window[:2] for window in windows).values()) == {3}
    for one, other in itertools.combinations(windows, 2):
        if one[:2] == other[:2]:
            apart = [
                a.stop <= b.start or b.stop <= a.start
                for a, b in zip(one[2:], other[2:], strict=True)
            ]
            assert any(apart)
    for window in windows:
        assert (window.rows.stop - window.rows.start, window.columns.stop) <= (200, 480)


def test_fields_may_hold_fewer_windows_than_are_wanted():
    assert len(choose_windows(FIELDS, (150, 150), 200, 9, [1])) == len(FIELDS)
    assert choose_windows([], (150, 150), 200, 9, [1]) == []


def test_the_same_numbers_choose_the_same_windows():
    first, again, other = (choose_windows(FIELDS, (640, 640), 200, 6, [seed]) for seed in (1, 1, 2))
    assert first == again != other


def test_small_plates_get_fewer_windows():
    assert affordable(16, 200, 1000 * 1000 * 1000, 2) == 16
    assert affordable(16, 200, 32 * 640 * 640, 4) == 6
    assert affordable(16, 200, 640 * 640, 4) == 4
    assert affordable(2, 200, 640 * 640, 4) == 2
