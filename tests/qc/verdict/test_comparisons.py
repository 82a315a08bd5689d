"""Which wells are compared with which, also at equal local density."""

import numpy as np
import pandas as pd
import pytest
from qc_plates import answer_to, layout, readings_of, row_of, rows_of, wells_of

from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.density import density_matched_weights
from levelfield.qc.statistics.readings import MATCHED
from levelfield.questions import MEASURES


def test_each_positive_control_is_held_against_the_negatives_of_its_group():
    one = layout(group="kinase")
    other = layout(positive="E", negative="D", group="toxin").assign(
        Metadata_Perturbation=lambda t: t["Metadata_Perturbation"].replace("drug", "poison")
    )
    sheet = pd.concat([one, other[other["Metadata_ControlType"] != "trt"]], ignore_index=True)
    wells = wells_of("A") | wells_of("B", bias=0.8) | wells_of("D", bias=2) | wells_of("E", bias=2)
    rows = rows_of(wells, sheet=sheet)
    assert row_of(rows, "bias", "difference", "drug").verdict == "fail"
    assert row_of(rows, "bias", "difference", "poison").verdict == "pass"
    assert sum(row.measure_name == "bias" and row.scope == "negcon" for row in rows) == 2
    assert answer_to(rows, "threshold").worst.perturbation in ("drug", "poison", "DMSO [toxin]")


def test_doses_of_one_control_are_judged_apart():
    sheet = layout().assign(Metadata_ConcentrationUnit="uM")
    positive = sheet["Metadata_ControlType"] == "poscon"
    half = sheet["Metadata_Well"].str[1:].astype(int) > 6
    sheet.loc[positive, "Metadata_Concentration"] = "20.0"
    sheet.loc[positive & half, "Metadata_Concentration"] = "80.0"
    assert [one.perturbation for one in comparisons(sheet)] == ["drug 20 uM", "drug 80 uM"]
    low, high = (
        {f"B{k:02d}": planted for k in columns}
        for columns, planted in ((range(1, 7), {}), (range(7, 13), {"merge": 0.4}))
    )
    rows = rows_of(wells_of("A") | low | high, sheet=sheet)
    assert row_of(rows, "merges", "poscon", "drug 20 uM").verdict == "pass"
    assert row_of(rows, "merges", "poscon", "drug 80 uM").verdict == "fail"
    assert answer_to(rows, "split_merge").worst.perturbation == "drug 80 uM"


def test_a_difference_that_density_hides_is_judged_at_equal_density_too():
    """Merges follow density alone, and the positive wells are mostly the dense ones."""
    wells = {}
    for k in range(12):
        for name, dense in (("A", k < 4), ("B", k >= 4)):
            wells[f"{name}{k + 1:02d}"] = {
                "density": 20 if dense else 8,
                "merge": 0.30 if dense else 0.05,
            }
    row = row_of(rows_of(wells), "merges", "difference")
    assert row.estimate.value > 0.05
    assert abs(row.matched.value) < row.estimate.value / 2


def test_missed_objects_are_matched_by_the_fields_number_of_true_objects():
    rng = np.random.default_rng(3)
    wells = {
        f"{name}{k:02d}": {"count": int(number), "missed": 0.3 if number > 60 else 0.02}
        for name, mean in (("A", 40), ("B", 80))
        for k, number in enumerate(rng.normal(mean, 20, 12).clip(15, 110), start=1)
    }
    readings = {
        one.adjustment: one
        for one in readings_of(wells)
        if one.key[1:3] == ("missed", "difference")
    }
    assert abs(readings[MATCHED].value) < 0.6 * readings["raw"].value


def test_classes_without_common_density_have_no_matched_estimate():
    assert density_matched_weights(np.full(50, 30.0) + np.arange(50), np.arange(50) / 50) is None
    rows = rows_of(wells_of("A", density=1) | wells_of("B", density=30))
    assert row_of(rows, "merges", "difference").matched is None


def test_matched_weights_give_both_classes_the_same_density():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(12, 2, 4000), rng.normal(10, 2, 3000)
    one, other = density_matched_weights(positive, negative)
    gap = np.average(positive, weights=one) - np.average(negative, weights=other)
    assert abs(gap) < 0.3 < positive.mean() - negative.mean()


def test_swapping_the_classes_turns_the_sign_of_the_difference():
    wells = wells_of("A", bias=0.2, merge=0.1) | wells_of("B", bias=0.9, merge=0.3)
    forth, back = rows_of(wells), rows_of(wells, sheet=layout(positive="A", negative="B"))
    for measure in MEASURES:
        one, other = (row_of(rows, measure, "difference") for rows in (forth, back))
        assert one.estimate.value == pytest.approx(-other.estimate.value)
        assert one.verdict == other.verdict
