"""Well profiles, pycytominer on the tables, features of whole images, and the reference page."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from levelfield.measurement import FAMILIES, feature_names, measure_image, measure_site
from levelfield.measurement.reference import reference_page
from levelfield.measurement.tables import well_profiles

CHANNELS = ["DNA", "FKHR"]


def plate():
    """Eight wells, the last four brighter, with squares as nuclei."""
    labels = np.zeros((60, 60), np.int32)
    for k in range(9):
        row, column = 4 + 18 * (k // 3), 4 + 18 * (k % 3)
        labels[row : row + 8 + k % 3, column : column + 9] = k + 1
    tables = []
    for index in range(8):
        noise = np.random.default_rng(index).uniform(0.1, 0.3, (2, 60, 60))
        treated = index >= 4
        image = (noise * (1.5 if treated else 1)).astype(np.float32)
        table = measure_site(image, CHANNELS, {"Nuclei": labels})["Nuclei"]
        table.insert(0, "Metadata_Plate", "P1")
        table.insert(1, "Metadata_Well", f"{'AB'[treated]}{index % 4 + 1:02d}")
        table.insert(2, "Metadata_Site", 1)
        table.insert(3, "Metadata_ControlType", "trt" if treated else "negcon")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def objects():
    return plate()


def test_well_profiles_hold_the_statistics_chosen(objects):
    shuffled = objects.sample(frac=1, random_state=0, ignore_index=True)
    wells = well_profiles(shuffled, ["median", "mad", "mean", "count"])
    assert wells["Metadata_Well"].tolist() == [f"{row}{i:02d}" for row in "AB" for i in range(1, 5)]
    assert wells["Metadata_Object_Count"].tolist() == [9] * 8
    assert "Metadata_ControlType" in wells
    assert "Metadata_ObjectNumber" not in wells
    feature = "Nuclei_Intensity_MeanIntensity_DNA"
    values = objects.loc[objects["Metadata_Well"] == "B02", feature].astype(float)
    row = wells[wells["Metadata_Well"] == "B02"].iloc[0]
    assert row[feature] == values.median()
    assert row[f"{feature}_mad"] == (values - values.median()).abs().median()
    assert row[f"{feature}_mean"] == pytest.approx(values.mean())
    assert row[f"{feature}_count"] == 9


def test_values_that_are_not_finite_are_left_out_of_profiles():
    table = pd.DataFrame(
        {
            "Metadata_Plate": "P1",
            "Metadata_Well": ["A01", "A01", "A01", "A02"],
            "Nuclei_AreaShape_FormFactor": [0.8, np.inf, 0.6, np.nan],
        }
    )
    wells = well_profiles(table, ["mean", "median", "count"])
    assert wells["Nuclei_AreaShape_FormFactor_mean"][0] == pytest.approx(0.7)
    assert np.isnan(wells["Nuclei_AreaShape_FormFactor"][1])
    assert wells["Nuclei_AreaShape_FormFactor_count"].tolist() == [2, 0]


def test_profiles_need_wells_and_known_statistics(objects):
    with pytest.raises(ValueError, match="no well statistic 'mode'"):
        well_profiles(objects, ["mode"])
    with pytest.raises(ValueError, match="no column Metadata_Well"):
        well_profiles(objects.drop(columns="Metadata_Well"))


def test_pycytominer_runs_on_the_tables_unchanged(objects, tmp_path):
    import pycytominer

    profiles = pycytominer.aggregate(
        objects, strata=["Metadata_Plate", "Metadata_Well", "Metadata_ControlType"]
    )
    own = well_profiles(objects)
    feature = "Nuclei_Intensity_MeanIntensity_DNA"
    assert profiles[feature].to_numpy() == pytest.approx(own[feature].to_numpy(), rel=1e-6)
    normalized = pycytominer.normalize(
        profiles, samples="Metadata_ControlType == 'negcon'", method="mad_robustize"
    )
    assert normalized.loc[:3, feature].median() == pytest.approx(0, abs=1e-5)
    assert (normalized.loc[4:, feature] > 3).all()
    selected = pycytominer.feature_select(
        normalized, operation=["variance_threshold", "drop_na_columns", "correlation_threshold"]
    )
    assert 0 < selected.shape[1] < normalized.shape[1]
    target = tmp_path / "profiles.csv"
    pycytominer.cyto_utils.output(selected, target, output_type="csv", compression_options=None)
    assert len(pd.read_csv(target)) == 8


def test_a_whole_image_is_measured_as_one_object():
    image = np.random.default_rng(0).uniform(0, 1, (2, 32, 40)).astype(np.float32)
    image[1, :4] = 1
    labels = np.zeros((32, 40), np.int32)
    labels[2:5, 2:5], labels[10:12, 10:12] = 1, 7
    row = measure_image(image, CHANNELS, {"Nuclei": labels}, ["Intensity", "Correlation"]).iloc[0]
    assert row["Image_Count_Nuclei"] == 2
    assert row["Image_AreaOccupied_AreaOccupied_Nuclei"] == 13
    assert row["Image_Intensity_TotalIntensity_DNA"] == pytest.approx(image[0].sum(), rel=1e-6)
    assert row["Image_Intensity_MedianIntensity_DNA"] == pytest.approx(np.median(image[0]))
    assert row["Image_Intensity_PercentMaximal_FKHR"] == pytest.approx(12.5)
    expected = np.corrcoef(image[0].ravel(), image[1].ravel())[0, 1]
    assert row["Image_Correlation_Correlation_DNA_FKHR"] == pytest.approx(expected, rel=1e-5)
    assert not any("Edge" in name or "Displacement" in name for name in row.index)
    with pytest.raises(ValueError, match="whole image has no features of the family 'AreaShape'"):
        measure_image(image, CHANNELS, {}, ["AreaShape"])


def test_the_reference_page_is_up_to_date_and_defines_every_column():
    page = reference_page()
    assert (Path(__file__).parents[2] / "docs" / "features.md").read_text() == page
    templates = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    patterns = [re.sub(r"\\\{.*?\\\}", "[A-Za-z0-9]+", re.escape(t)) for t in templates]
    defined = re.compile("|".join(f"Nuclei_{pattern}" for pattern in patterns))
    names = feature_names("Nuclei", CHANNELS, relations={"Nuclei": "Cells", "Spots": "Nuclei"})
    assert [name for name in names if not defined.fullmatch(name)] == []
    assert {name.split("_")[1] for name in names} >= set(FAMILIES)
