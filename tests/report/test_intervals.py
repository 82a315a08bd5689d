"""Estimates drawn with their intervals."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import answer_of, row_of, tables_of

from levelfield.questions import MEASURES
from levelfield.report.intervals import interval_plot, interval_scale
from levelfield.report.records import read_rows


def shown(row):
    return read_rows(tables_of([answer_of([row])])[1])[0]


@pytest.mark.parametrize("measure", ["missed", "invented", "splits", "merges"])
def test_rates_of_a_class_start_at_zero(measure):
    rate, apart = shown(row_of(measure, value=0.2)), shown(row_of(measure, "difference", 0.2))
    assert interval_scale([rate]).low == 0
    assert interval_scale([apart]).low == -interval_scale([apart]).high


@given(
    measure=st.sampled_from(list(MEASURES)),
    scope=st.sampled_from(["negcon", "difference"]),
    value=st.floats(-1, 1),
)
def test_labels_of_plots_never_touch_nor_leave_the_drawing(measure, scope, value):
    row = shown(row_of(measure, scope, value))
    picture = interval_plot(row, interval_scale([row]))
    width = float(re.search(r'viewBox="0 0 (\S+) ', picture)[1])
    texts = re.findall(r'<text x="(\S+)" y="\S+" text-anchor="middle"[^>]*>([^<]+)<', picture)
    ends = sorted((float(x) - 2.6 * len(words), float(x) + 2.6 * len(words)) for x, words in texts)
    assert ends
    assert ends[0][0] >= 0
    assert ends[-1][1] <= width
    assert all(a[1] <= b[0] for a, b in pairwise(ends))
