"""Sites, wells, counts, trends, objects and confounders."""

import numpy as np
import pandas as pd
import pytest
from qc_plates import (
    CALIBRATED,
    SET,
    all_within,
    constants,
    layout,
    opinions_of,
    row_of,
    rows_of,
    scored_plate,
    sites_of,
    sums_of,
    wells_of,
)

from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.confounders import confounder_table
from levelfield.qc.statistics.doses import Trend, dose_trends
from levelfield.qc.statistics.field_sums import field_sums
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.statistics.summary import (
    ClassCount,
    class_counts,
    flag_objects,
    rate_tables,
    threshold_call,
    with_calls,
)
from levelfield.qc.verdict.rules import Rules

EXACT = Rules(constants=dict.fromkeys(CALIBRATED.constants, constants(0.0, 0.0)))
WELLS = {
    "A01": {"bias": 1.0, "merge": 0.2, "missed": 0.3},
    "A02": {"bias": 0.0},
    "B01": {"bias": -1.0, "count": 30},
}


def tables(wells=None, rules=EXACT, extra_fields=(), **options):
    scored = scored_plate(WELLS if wells is None else wells)
    fields = sites_of(scored)
    more = pd.DataFrame(extra_fields, columns=fields.columns)
    sums = field_sums(
        *scored, opinions_of(scored), pd.concat([fields, more]), [SET], all_within(scored)
    )
    sums = with_calls(sums, rules.constants_of)
    return scored, *rate_tables(sums, layout(), rules.constants_of, **options)


def test_sites_and_wells_have_the_columns_of_the_design():
    _, sites, wells = tables()
    shared = ["object_set", "n_objects", "n_second_opinion", "split_rate", "merge_rate", "balance"]
    shared += ["missed_rate", "invented_rate", "agreement", "threshold_bias_px", "not_covered"]
    for table, own in (
        (sites, ["Metadata_Site", "threshold_call", "outside_calibration"]),
        (wells, ["fraction_low", "fraction_high", "n_sites"]),
    ):
        for column in [*shared, *own, "within_calibration", "local_density", "mean_intensity"]:
            assert column in table
        assert list(table.columns[:2]) == ["Metadata_Plate", "Metadata_Well"]
        assert "Metadata_ControlType" in table
        assert table["within_calibration"].all()


def test_rates_are_sums_of_evidence_over_objects():
    scored, sites, wells = tables()
    own = scored.objects[scored.objects["Metadata_Well"] == "A01"]
    lost = scored.candidates[scored.candidates["Metadata_Well"] == "A01"]["missed_evidence"].sum()
    found = wells[wells["Metadata_Well"] == "A01"].iloc[0]
    assert found["n_objects"] == len(own) and found["n_sites"] == 2
    assert found["merge_rate"] == pytest.approx(own["merge_evidence"].mean())
    assert found["split_rate"] == pytest.approx(own["split_evidence"].mean())
    assert found["invented_rate"] == pytest.approx(own["invented_evidence"].mean())
    balance = own["split_evidence"].sum() - 1.25 * own["merge_evidence"].sum()
    assert found["balance"] == pytest.approx(balance / len(own))
    true = len(own) - balance - own["invented_evidence"].sum() + lost
    assert found["missed_rate"] == pytest.approx(lost / true)
    assert found["agreement"] == pytest.approx(own["right_evidence"].sum() / (len(own) + lost))
    assert found["n_second_opinion"] == 60
    first = sites[(sites["Metadata_Well"] == "A01") & (sites["Metadata_Site"] == 1)].iloc[0]
    bias = own.loc[own["Metadata_Site"] == 1, "threshold_bias_px"].median()
    assert first["threshold_bias_px"] == pytest.approx(bias)


def test_the_verdict_and_the_tables_of_wells_say_the_same_number():
    """A class of one well is that well: corrected by the same constants."""
    floored = {name: constants(0.02, 0.02, floor=0.1, slope=1.3) for name in EXACT.constants}
    rules = Rules(constants=floored)
    wells = tables(rules=rules)[2].set_index("Metadata_Well")
    rows = rows_of(WELLS, rules)
    for measure, column in (("bias", "threshold_bias_px"), ("missed", "missed_rate")):
        row = row_of(rows, measure, "poscon")
        assert row.estimate.value == pytest.approx(wells.loc["B01", column])


def test_calls_follow_the_corrected_bias():
    shifted = Rules(constants=EXACT.constants | {"bias": constants(0.1, 0.1, floor=-2.0)})
    _, _, wells = tables(rules=shifted)
    assert (wells["fraction_low"] == 1).all()


def test_where_no_second_opinion_was_asked_nothing_is_known_of_missed_objects():
    scored = scored_plate(WELLS)
    nobody = opinions_of(scored).assign(n_second_opinion=np.nan)
    sums = field_sums(*scored, nobody, sites_of(scored), [SET], all_within(scored))
    wells = rate_tables(with_calls(sums, EXACT.constants_of), layout(), EXACT.constants_of).wells
    assert wells[["missed_rate", "agreement", "n_second_opinion"]].isna().all().all()
    assert wells["merge_rate"].notna().all()


def test_a_field_outside_of_the_calibration_puts_its_well_outside():
    scored = scored_plate(WELLS)
    outside = all_within(scored)
    outside.loc[(slice(None), "A01", 2)] = "noisy"
    sums = field_sums(*scored, opinions_of(scored), sites_of(scored), [SET], outside)
    sums = with_calls(sums, EXACT.constants_of)
    sites, wells = rate_tables(sums, layout(), EXACT.constants_of)
    assert sites.loc[~sites["within_calibration"], "Metadata_Well"].tolist() == ["A01"]
    wells = wells.set_index("Metadata_Well")
    assert not wells.loc["A01", "within_calibration"] and wells.loc["A02", "within_calibration"]
    assert set(sites["outside_calibration"]) == {"", "noisy"}


def test_low_means_a_threshold_too_low_and_masks_too_large():
    calls = threshold_call(pd.Series([1.0, 0.4, -0.4, -1.0, np.nan]))
    assert calls.tolist() == ["low", "ok", "ok", "high", ""]
    shares = tables()[2].set_index("Metadata_Well")[["fraction_low", "fraction_high"]]
    assert shares.loc["A01"].tolist() == [1, 0]
    assert shares.loc["A02"].tolist() == [0, 0]
    assert shares.loc["B01"].tolist() == [0, 1]


def test_a_field_without_objects_has_a_row_without_rates():
    _, sites, wells = tables(extra_fields=[("P1", "B02", 1)])
    empty = sites[sites["Metadata_Well"] == "B02"].iloc[0]
    assert empty["n_objects"] == 0 and np.isnan(empty["balance"]) and empty["threshold_call"] == ""
    well = wells[wells["Metadata_Well"] == "B02"].iloc[0]
    assert well["n_sites"] == 1 and np.isnan(well["merge_rate"]) and np.isnan(well["fraction_low"])


def test_wells_that_are_not_covered_are_flagged():
    _, sites, wells = tables(not_covered=[(SET, "A02")])
    for table in (sites, wells):
        assert set(table.loc[table["not_covered"], "Metadata_Well"]) == {"A02"}


def test_cqc_columns_are_booleans_that_mark_what_is_doubtful():
    objects = flag_objects(scored_plate(WELLS).objects)
    flags = [name for name in objects if name.startswith("Metadata_cqc_")]
    assert len(flags) == 5
    assert all(pd.api.types.is_bool_dtype(objects[name]) for name in flags)
    assert (objects["Metadata_cqc_merged"] == (objects["merge_evidence"] > 0.5)).all()
    single = objects[flags].drop(columns="Metadata_cqc_any").any(axis=1)
    assert (objects["Metadata_cqc_any"] == single).all()
    table = objects.iloc[:4].assign(area_px=np.pi * 100, threshold_bias_px=[0.0, 1.9, 2.1, np.nan])
    assert flag_objects(table)["Metadata_cqc_misbounded"].tolist() == [False, False, True, False]


def test_counts_set_both_opinions_side_by_side(tmp_path):
    wells = wells_of("A", 2) | wells_of("B", 2, missed=0.5)
    scored = scored_plate(wells)
    pairs = comparisons(layout())
    found = class_counts("P1", sums_of(scored), pairs, EXACT.constants_of)
    negative, positive = found
    assert (negative.scope, negative.n_labels, negative.n_second_opinion) == ("negcon", 120, 120)
    assert positive.scope == "poscon" and positive.n_second_opinion == 120
    assert positive.n_labels < 80 and positive.missed == pytest.approx(50, abs=12)
    to_table(found, ClassCount).to_csv(tmp_path / "counts.csv", index=False)
    again = pd.read_csv(tmp_path / "counts.csv", float_precision="round_trip")
    assert from_table(again, ClassCount) == found


def dose_wells(rate):
    sheet = layout().assign(Metadata_ConcentrationUnit="uM")
    doses = {column: 10 * 2**column for column in range(1, 7)}
    positive = sheet["Metadata_ControlType"] == "poscon"
    columns = sheet["Metadata_Well"].str[1:].astype(int)
    sheet.loc[positive, "Metadata_Concentration"] = columns[positive].map(doses).map(str)
    wells = wells_of("A") | {f"B{k:02d}": {"merge": rate(k)} for k in doses}
    sums = sums_of(scored_plate(wells, count=300), EXACT)
    return rate_tables(sums, sheet, EXACT.constants_of).wells


def test_a_measure_that_follows_the_dose_is_told(tmp_path):
    found = {one.measure: one for one in dose_trends("P1", dose_wells(lambda k: 0.05 * k))}
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
    assert dose_trends("P1", tables()[2]) == []


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
    found = confounder_table("P1", tables(plate)[2], 8, 12).set_index(["measure", "confounder"])
    edge = found.loc[("threshold_bias_px", "edge")]
    assert edge["contrast"] == pytest.approx(0.8, abs=0.1)
    assert edge["p_value"] < 1e-6 and edge["unit"] == "px"
    for confounder in ("density", "column"):
        assert found.loc[("balance", confounder), "correlation"] < -0.6
    assert abs(found.loc[("balance", "row"), "correlation"]) < 0.3
    assert len(found) == 10


def test_confounders_of_too_few_wells_are_nan_and_bad_well_names_are_refused():
    wells = tables()[2]
    found = confounder_table("P1", wells, 8, 12)
    assert found["correlation"].isna().all() and (found["n_wells"] == 3).all()
    with pytest.raises(ValueError):
        confounder_table("P1", wells.assign(Metadata_Well="well one"), 8, 12)
