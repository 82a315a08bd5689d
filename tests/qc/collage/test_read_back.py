"""How much of a planted error is read."""

import numpy as np
import pandas as pd
import pytest

from levelfield.qc.collage.read_back import PLANTED, Planted, read_back, read_back_line
from levelfield.qc.statistics.errors import Constants
from levelfield.qc.verdict.rules import UNCALIBRATED
from levelfield.questions import MEASURES

N = np.array([40.0, 60.0, 50.0])
SPLITS = Planted("split_percent", 10, "splits")
GROWN = Planted("grow_px", 1, "bias")


def constants_of(measure: str, object_set: str) -> Constants:
    return UNCALIBRATED[measure]


def sums(splits, bias_px=0.0):
    return pd.DataFrame({"n_objects": N, "splits": splits, "bias_px": bias_px})


def images(excess, bias_px=0.0):
    return pd.DataFrame(
        {"n_prediction": N, "n_excess_fragments": excess, "boundary_bias_px": bias_px}
    )


def test_what_is_read_is_the_change_and_not_what_was_read_before():
    plain, altered = sums(0.03 * N), sums(0.12 * N)
    found = read_back(SPLITS, plain, altered, images(0.1 * N), "Nuclei", constants_of)
    assert found.planted == pytest.approx(0.1)
    assert found.read == pytest.approx(0.09)
    assert found.read_se == pytest.approx(0)
    uneven = sums(0.03 * N + [0, 9, 0])
    assert read_back(SPLITS, plain, uneven, images(0.1 * N), "N", constants_of).read_se > 0.02


def test_outlines_are_read_in_px():
    found = read_back(GROWN, sums(0.0, 0.2), sums(0.0, 1.1), images(0.0, 0.97), "N", constants_of)
    line = read_back_line(GROWN, found, ("P", "Nuclei", "negcon", "DMSO"), (3, 150))
    assert (line.unit, line.n_windows, line.n_objects) == ("px", 3, 150)
    assert (line.planted, line.read) == (pytest.approx(0.97), pytest.approx(0.9))


def test_rates_are_in_percentage_points():
    found = read_back(SPLITS, sums(0 * N), sums(0.09 * N), images(0.1 * N), "N", constants_of)
    line = read_back_line(SPLITS, found, ("P", "Nuclei", "poscon", "Drug"), (3, 150))
    assert (line.error, line.amount, line.measure) == ("split_percent", 10, "splits")
    assert (line.planted, line.read) == (pytest.approx(10), pytest.approx(9))


def test_every_planted_error_is_measured_by_what_it_changes():
    assert all(planted.measure in MEASURES for planted in PLANTED)
    assert {planted.error for planted in PLANTED} == {
        *("split_percent", "merge_percent", "drop_percent", "grow_px")
    }
