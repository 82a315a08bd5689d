"""Sites, wells, objects and confounders."""

import numpy as np
import pandas as pd
import pytest
from qc_plates import SET, all_within, invented_objects, layout

from levelfield.qc.statistics.confounders import confounder_table
from levelfield.qc.statistics.summary import flag_objects, site_table, threshold_call, well_table

WELLS = {
    "A01": {"bias": 1.0, "merge": 0.2},
    "A02": {"bias": 0.0},
    "B01": {"bias": -1.0, "count": 30},
}


def tables(wells=None, extra_fields=()):
    objects = flag_objects(invented_objects(WELLS if wells is None else wells))
    fields = objects[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]].drop_duplicates()
    more = pd.DataFrame(extra_fields, columns=fields.columns)
    within = all_within(objects)
    sites = site_table(objects, pd.concat([fields, more]), layout(), [SET], within)
    return objects, sites, well_table(sites)


def test_sites_have_the_columns_of_the_design():
    _, sites, wells = tables()
    shared = ["object_set", "n_objects", "split_rate", "merge_rate", "balance"]
    for table, own in (
        (sites, ["Metadata_Site", "threshold_call"]),
        (wells, ["fraction_low", "fraction_high"]),
    ):
        for column in [*shared, *own, "threshold_bias_px", "within_calibration"]:
            assert column in table
        assert list(table.columns[:2]) == ["Metadata_Plate", "Metadata_Well"]
        assert "Metadata_ControlType" in table
        assert table["within_calibration"].all()


def test_rates_are_sums_of_evidence_over_objects():
    objects, sites, wells = tables()
    own = objects[objects["Metadata_Well"] == "A01"]
    found = wells[wells["Metadata_Well"] == "A01"].iloc[0]
    assert found["n_objects"] == 60 and found["n_sites"] == 2
    assert found["merge_rate"] == pytest.approx(own["merge_evidence"].mean())
    assert found["split_rate"] == pytest.approx(own["split_evidence"].mean())
    expected = (own["split_evidence"].sum() - 1.25 * own["merge_evidence"].sum()) / 60
    assert found["balance"] == pytest.approx(expected)
    first = sites[(sites["Metadata_Well"] == "A01") & (sites["Metadata_Site"] == 1)].iloc[0]
    bias = own.loc[own["Metadata_Site"] == 1, "threshold_bias_px"].median()
    assert first["threshold_bias_px"] == pytest.approx(bias)


def test_a_field_outside_of_the_calibration_puts_its_well_outside():
    objects = flag_objects(invented_objects(WELLS))
    fields = objects[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]].drop_duplicates()
    within = all_within(objects)
    within.loc[(slice(None), "A01", 2)] = "noisy"
    sites = site_table(objects, fields, layout(), [SET], within)
    assert sites.loc[~sites["within_calibration"], "Metadata_Well"].tolist() == ["A01"]
    wells = well_table(sites).set_index("Metadata_Well")["within_calibration"]
    assert not wells["A01"] and wells["A02"]
    assert set(sites["outside_calibration"]) == {"", "noisy"}


def test_low_means_a_threshold_too_low_and_masks_too_large():
    calls = threshold_call(pd.Series([1.0, 0.4, -0.4, -1.0, np.nan]))
    assert calls.tolist() == ["low", "ok", "ok", "high", ""]
    _, _, wells = tables()
    shares = wells.set_index("Metadata_Well")[["fraction_low", "fraction_high"]]
    assert shares.loc["A01"].tolist() == [1, 0]
    assert shares.loc["A02"].tolist() == [0, 0]
    assert shares.loc["B01"].tolist() == [0, 1]


def test_a_field_without_objects_has_a_row_without_rates():
    _, sites, wells = tables(extra_fields=[("P1", "B02", 1)])
    empty = sites[sites["Metadata_Well"] == "B02"].iloc[0]
    assert empty["n_objects"] == 0 and np.isnan(empty["balance"]) and empty["threshold_call"] == ""
    well = wells[wells["Metadata_Well"] == "B02"].iloc[0]
    assert well["n_sites"] == 1 and np.isnan(well["merge_rate"]) and np.isnan(well["fraction_low"])


def test_cqc_columns_are_booleans_that_mark_what_is_doubtful():
    objects, _, _ = tables()
    flags = [name for name in objects if name.startswith("Metadata_cqc_")]
    assert len(flags) == 4
    assert all(pd.api.types.is_bool_dtype(objects[name]) for name in flags)
    assert (objects["Metadata_cqc_merged"] == (objects["merge_evidence"] > 0.5)).all()
    single = objects[flags].drop(columns="Metadata_cqc_any").any(axis=1)
    assert (objects["Metadata_cqc_any"] == single).all()


def test_right_evidence_counts_merges_fragments_and_edges_that_are_far_off():
    objects = invented_objects({"A01": {"merge": 0, "split": 0}}).iloc[:4].copy()
    objects["area_px"] = np.pi * 10**2
    objects["threshold_bias_px"] = [0.0, 1.9, 2.1, np.nan]
    objects["fragment_evidence"] = [0.25, 0, 0, 0]
    assert flag_objects(objects)["right_evidence"].tolist() == [0.75, 1, 0, 1]


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
    _, _, wells = tables(plate)
    found = confounder_table("P1", wells, 8, 12).set_index(["measure", "confounder"])
    edge = found.loc[("threshold_bias_px", "edge")]
    assert edge["contrast"] == pytest.approx(0.8, abs=0.1)
    assert edge["p_value"] < 1e-6 and edge["unit"] == "px"
    for confounder in ("density", "column"):
        assert found.loc[("balance", confounder), "correlation"] < -0.6
    assert abs(found.loc[("balance", "row"), "correlation"]) < 0.3
    assert len(found) == 10


def test_confounders_of_too_few_wells_are_nan_and_bad_well_names_are_refused():
    _, _, wells = tables()
    found = confounder_table("P1", wells, 8, 12)
    assert found["correlation"].isna().all() and (found["n_wells"] == 3).all()
    with pytest.raises(ValueError):
        confounder_table("P1", wells.assign(Metadata_Well="well one"), 8, 12)
