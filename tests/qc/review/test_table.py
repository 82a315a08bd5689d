"""The reviewed rows on disk."""

import numpy as np
import pytest
from review_cases import SET, answered, plate, review_of, row

from levelfield.io.tables import read_csv, write_csv
from levelfield.qc.review.table import reviewed_rows, reviewed_table
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.verdict.rows import NextStep
from levelfield.qc.verdict.steps import review_step


def test_review_and_evidence_stand_beside_each_other_in_the_units_of_the_row():
    objects = plate()
    rows = review_of(objects, answered(objects))
    evidence = {(SET, "balance", "difference", "drug 80 uM"): Estimate(-0.04, 0.0004, 6.0, 8)}
    table = reviewed_table(rows, evidence)
    of_row = (table["measure"] == "balance") & (table["scope"] == "difference")
    found = table[of_row].iloc[0]
    assert found["unit"] == "pp" and found["question"] == "split_merge"
    assert found["reviewed_estimate"] == pytest.approx(100 * row(rows).estimate.value)
    assert found["reviewed_ci_low"] < found["these_wells_ci_low"] < found["reviewed_estimate"]
    assert found["evidence_estimate"] == pytest.approx(-4.0)
    assert found["evidence_ci_low"] < -4 < found["evidence_ci_high"]
    assert found["minutes_needed"] == np.ceil(2 * found["reviews_needed"] * 6 / 60)
    bias = table[table["measure"] == "bias"].iloc[0]
    assert bias["unit"] == "share" and np.isnan(bias["evidence_estimate"])


def test_rows_come_back_from_disk_as_they_were(tmp_path):
    rows = [*review_of(plate(), answered(plate())), *review_of(plate(), None)]
    write_csv(reviewed_table(rows), tmp_path / "reviewed.csv")
    assert repr(reviewed_rows(read_csv(tmp_path / "reviewed.csv"))) == repr(rows)
    assert reviewed_rows(reviewed_table([])) == []


def test_a_review_of_50_crops_of_two_classes_takes_10_minutes():
    assert review_step([50, None, 10], 2) == NextStep("review", 50, 10)
    assert review_step([None], 2) == NextStep()


def test_the_same_answers_give_the_same_rows_in_any_order():
    objects = plate()
    sheet = answered(objects)
    shuffled = objects.sample(frac=1, random_state=1)
    first, other = review_of(objects, sheet), review_of(shuffled, sheet.iloc[::-1])
    for one, same in zip(first, other, strict=True):
        assert one.estimate.value == pytest.approx(same.estimate.value)
        assert one.estimate.variance == pytest.approx(same.estimate.variance)
        assert one.reviews_needed == same.reviews_needed
