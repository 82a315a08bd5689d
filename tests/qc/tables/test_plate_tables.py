"""Counts, trends and confounders: the tables beside the verdict."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qc_plates import CALIBRATED, constants, layout, scored_plate, sums_of, wells_of

from levelfield.qc.judged import JudgedPlate
from levelfield.qc.review.answers import read_answers
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.statistics.summary import rate_tables
from levelfield.qc.tables import TABLES
from levelfield.qc.tables.confounders import confounders
from levelfield.qc.tables.counts import ClassCount, class_counts
from levelfield.qc.tables.trend import Trend, dose_trends
from levelfield.qc.verdict.rules import Rules

EXACT = Rules(constants=dict.fromkeys(CALIBRATED.constants, constants(0.0, 0.0)))
WELLS = {
    "A01": {"bias": 1.0, "merge": 0.2, "missed": 0.3},
    "A02": {"bias": 0.0},
    "B01": {"bias": -1.0, "count": 30},
}


def judged(wells, sheet=None, **options):
    """A plate of 96 wells with planted errors, judged by exact constants."""
    scored, sheet = scored_plate(wells, **options), layout() if sheet is None else sheet
    sums, pairs = sums_of(scored, EXACT), comparisons(sheet)
    answers = read_answers(None, "P1", {}, scored.objects)
    rates = rate_tables(sums, sheet, EXACT.constants_of)
    tables = scored.objects, scored.candidates, sums, *rates
    return JudgedPlate("P1", (8, 12), sheet, pairs, *tables, answers, EXACT)


def test_counts_set_both_opinions_side_by_side(tmp_path):
    wells = wells_of("A", 2) | wells_of("B", 2, missed=0.5)
    found = class_counts(judged(wells))
    negative, positive = found
    assert (negative.scope, negative.n_labels, negative.n_second_opinion) == ("negcon", 120, 120)
    assert positive.scope == "poscon" and positive.n_second_opinion == 120
    assert positive.n_labels < 80 and positive.missed == pytest.approx(50, abs=12)
    to_table(found, ClassCount).to_csv(tmp_path / "counts.csv", index=False)
    again = pd.read_csv(tmp_path / "counts.csv", float_precision="round_trip")
    assert from_table(again, ClassCount) == found


def plate_with_doses(rate):
    sheet = layout().assign(Metadata_ConcentrationUnit="uM")
    doses = {column: 10 * 2**column for column in range(1, 7)}
    positive = sheet["Metadata_ControlType"] == "poscon"
    columns = sheet["Metadata_Well"].str[1:].astype(int)
    sheet.loc[positive, "Metadata_Concentration"] = columns[positive].map(doses).map(str)
    wells = wells_of("A") | {f"B{k:02d}": {"merge": rate(k)} for k in doses}
    return judged(wells, sheet, count=300)


def test_a_measure_that_follows_the_dose_is_told(tmp_path):
    found = {one.measure: one for one in dose_trends(plate_with_doses(lambda k: 0.05 * k))}
    merges = found["merges"]
    assert (merges.n_doses, merges.n_wells, merges.perturbation) == (6, 6, "drug")
    assert merges.spearman > 0.9 and merges.p_value < 0.05
    assert merges.slope == pytest.approx(25 / np.log10(2**5), rel=0.3) and merges.unit == "pp"
    assert abs(found["splits"].slope) < 3
    table = to_table(list(found.values()), Trend)
    table.to_csv(tmp_path / "trend.csv", index=False)
    again = pd.read_csv(tmp_path / "trend.csv", float_precision="round_trip")
    assert [repr(one) for one in from_table(again, Trend)] == [repr(one) for one in found.values()]


def test_without_several_doses_there_is_no_trend():
    assert dose_trends(judged(WELLS)) == []


def test_confounders_find_a_planted_edge_effect_and_density_effect():
    plate = {
        f"{row}{column:02d}": {
            "bias": 0.8 * (row in "AH" or column in (1, 12)),
            "merge": 0.02 + 0.02 * column,
            "density": 5 + column,
        }
        for row in "ABCDEFGH"
        for column in range(1, 13)
    }
    found = TABLES["confounders"].of(judged(plate)).set_index(["measure", "confounder"])
    edge = found.loc[("threshold_bias_px", "edge")]
    assert edge["contrast"] == pytest.approx(0.8, abs=0.1)
    assert edge["p_value"] < 1e-6 and edge["unit"] == "px"
    for confounder in ("density", "column"):
        assert found.loc[("balance", confounder), "correlation"] < -0.6
    assert abs(found.loc[("balance", "row"), "correlation"]) < 0.3
    assert len(found) == 10


def test_confounders_of_too_few_wells_are_nan_and_bad_well_names_are_refused():
    plate = judged(WELLS)
    found = TABLES["confounders"].of(plate)
    assert found["correlation"].isna().all() and (found["n_wells"] == 3).all()
    with pytest.raises(ValueError):
        confounders(replace(plate, wells=plate.wells.assign(Metadata_Well="well one")))
