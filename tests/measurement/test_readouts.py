"""Ratios per object, medians per well, and Z-prime between the controls."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from levelfield.measurement.readouts import assay_quality, well_readouts, z_prime

RULE = {"ratio": {"numerator": "Nuclei_I", "denominator": "Cytoplasm_I"}}


def objects(values, name, wells="A01"):
    n = len(values)
    return pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": wells,
            "Metadata_Site": 1,
            "Metadata_ObjectNumber": np.arange(1, n + 1),
            name: values,
        }
    )


def test_z_prime_of_a_hand_worked_example():
    # means 10 and 2, sample deviations 1 and 0.5: 1 - 3 * 1.5 / 8
    assert z_prime(np.array([9, 10, 11.0]), np.array([1.5, 2, 2.5])) == pytest.approx(0.4375)


@pytest.mark.parametrize("few", [[], [1.0], [np.nan, 1.0]])
def test_z_prime_needs_two_wells_of_each_class(few):
    assert np.isnan(z_prime(np.array(few), np.array([1.0, 2.0])))


@given(arrays(float, 5, elements=st.floats(1, 9)), arrays(float, 4, elements=st.floats(20, 99)))
def test_z_prime_knows_no_unit_and_no_order(negative, positive):
    expected = z_prime(positive, negative)
    assert z_prime(negative, positive) == pytest.approx(expected)
    assert z_prime(3 * positive + 5, 3 * negative + 5) == pytest.approx(expected)
    assert expected <= 1


def test_a_wells_readout_is_the_median_ratio_of_its_objects():
    tables = {
        "Nuclei": objects([1.0, 6.0, 30.0], "Nuclei_I"),
        "Cytoplasm": objects([2.0, 2.0, 3.0], "Cytoplasm_I"),
    }
    wells = well_readouts(tables, RULE)
    assert wells["Readout_ratio"].tolist() == [3.0]


def test_objects_without_a_partner_or_with_nothing_below_do_not_count():
    tables = {
        "Nuclei": objects([1.0, 6.0, 30.0, 8.0], "Nuclei_I"),
        "Cytoplasm": objects([0.0, 2.0, 3.0], "Cytoplasm_I"),
    }
    assert well_readouts(tables, RULE)["Readout_ratio"].tolist() == [6.5]


def test_a_feature_that_was_not_measured_is_named():
    with pytest.raises(ValueError, match=r"readouts\.ratio: the feature 'Cytoplasm_I'"):
        well_readouts({"Nuclei": objects([1.0], "Nuclei_I")}, RULE)


def test_a_positive_control_is_compared_with_the_negative_wells_of_its_group():
    wells = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": ["A01", "A02", "B01", "B02", "C01", "C02"],
            "Metadata_ControlType": ["negcon"] * 4 + ["poscon"] * 2,
            "Metadata_Perturbation": ["none"] * 4 + ["drug"] * 2,
            "Metadata_ControlGroup": ["one", "one", "two", "two", "one", "one"],
            "Readout_r": [1.0, 2.0, 100.0, 200.0, 10.0, 11.0],
        }
    )
    quality = assay_quality(wells).iloc[0]
    assert (quality["n_negative"], quality["n_positive"]) == (2, 2)
    assert quality["median_negative"] == 1.5
    ungrouped = assay_quality(wells.assign(Metadata_ControlGroup="")).iloc[0]
    assert ungrouped["n_negative"] == 4


def test_a_plate_without_positive_controls_has_an_empty_table_with_columns():
    wells = pd.DataFrame(
        {
            "Metadata_Plate": ["P"],
            "Metadata_ControlType": ["negcon"],
            "Metadata_Perturbation": ["none"],
            "Metadata_ControlGroup": [""],
            "Readout_r": [1.0],
        }
    )
    quality = assay_quality(wells)
    assert quality.empty
    assert "z_prime" in quality
