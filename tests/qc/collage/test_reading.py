"""What is read of collages, held against what is true of them."""

import numpy as np
import pandas as pd
import pytest

from levelfield.qc.collage.reading import (
    MEASURES_READ,
    ClassFacts,
    Enough,
    Reading,
    collage_lines,
    jackknife_error,
    read_collages,
)
from levelfield.qc.statistics.errors import Constants
from levelfield.qc.verdict.rules import UNCALIBRATED

N = np.array([40.0, 60.0, 50.0])
MERGES = np.array([4.0, 6.0, 5.0])


def sums(merges):
    """Sums of the evidence of collages of `N` objects, whose only errors are merges."""
    zero = np.zeros(3)
    return pd.DataFrame(
        {
            "n_objects": N,
            "n_known": N,
            "n_second_opinion": N,
            "n_true": N + merges,
            "merges": merges,
            "lacking": merges,
            "balance": -merges,
            "splits": zero,
            "missed": zero,
            "invented": zero,
        }
    )


def images(merges):
    zero = np.zeros(3)
    return pd.DataFrame(
        {
            "n_prediction": N,
            "n_reference": N + merges,
            "n_merges": merges,
            "n_lacking_objects": merges,
            "n_excess_fragments": zero,
            "n_missed": zero,
            "n_extra": zero,
        }
    )


def constants_of(measure: str, object_set: str) -> Constants:
    return UNCALIBRATED[measure]


def test_what_is_read_rightly_has_no_error():
    found = read_collages(sums(MERGES), images(MERGES), "Nuclei", constants_of)
    assert set(found) == set(MEASURES_READ)
    assert found["merges"].reading == found["merges"].truth == pytest.approx(0.1)
    assert found["balance"].truth == pytest.approx(-0.1)
    assert found["missed"].truth == found["splits"].reading == 0
    assert all(each.error_se == pytest.approx(0) for each in found.values())


def test_what_the_evidence_reads_too_much_is_its_error():
    found = read_collages(sums(MERGES + 0.05 * N), images(MERGES), "Nuclei", constants_of)
    assert found["merges"].reading - found["merges"].truth == pytest.approx(0.05)
    assert found["merges"].error_se == pytest.approx(0)
    uneven = read_collages(sums(np.add(MERGES, [0, 6, 1])), images(MERGES), "Nuclei", constants_of)
    assert uneven["merges"].error_se > 0.02


def test_the_jackknife_is_the_standard_error_of_a_mean():
    values = np.random.default_rng(0).normal(size=20)
    left_out = np.array([np.delete(values, k).mean() for k in range(20)])
    assert jackknife_error(left_out) == pytest.approx(values.std(ddof=1) / np.sqrt(20))
    assert np.isnan(jackknife_error(np.array([1.0])))


def test_rows_are_in_percentage_points_and_say_when_there_are_too_few_donors():
    enough = Enough(donors=50, donor_yield=0.2)
    facts = ClassFacts("P", "Nuclei", "poscon", "Drug", 16, 80, 0.4, 16, 200, 190, 3)
    readings = {"merges": Reading(0.09, 0.1, 0.01)}
    rows = {line.measure: line for line in collage_lines(facts, readings, enough)}
    assert list(rows) == list(MEASURES_READ)
    assert (rows["merges"].reading, rows["merges"].truth) == (9, 10)
    assert rows["merges"].error == pytest.approx(-1)
    assert np.isnan(rows["missed"].reading)
    assert all(line.is_enough and not line.note for line in rows.values())
    few = ClassFacts("P", "Nuclei", "poscon", "Drug", 16, 80, 0.1, 16, 200, 190, 3)
    for line in collage_lines(few, readings, enough):
        assert not line.is_enough
        assert "0.10 per object" in line.note
        assert "review this class" in line.note
    small = ClassFacts("P", "Nuclei", "poscon", "Drug", 4, 20, 0.5, 4, 50, 50, 0)
    assert "20 donors, and 50 are needed" in collage_lines(small, readings, enough)[0].note


def test_without_collages_the_rows_say_why():
    (first, *_) = collage_lines(
        ClassFacts("P", "Cells", "negcon", ""), {}, Enough(50, 0.2), "not here"
    )
    assert first.note == "not here"
    assert not first.is_enough
    assert np.isnan([first.reading, first.truth, first.donor_yield]).all()
