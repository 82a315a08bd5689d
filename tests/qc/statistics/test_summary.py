"""Sites, wells and objects."""

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
)

from levelfield.qc.statistics.field_sums import field_sums
from levelfield.qc.statistics.summary import flag_objects, rate_tables, threshold_call, with_calls
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
