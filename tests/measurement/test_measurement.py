"""The measurement of a site: columns, shapes, units, relations, and errors for people."""

import re
import warnings

import numpy as np
import pytest

from levelfield.measurement import FAMILIES, feature_names, measure_site, parents

CHANNELS = ["DNA", "FKHR"]


def two_squares():
    labels = np.zeros((40, 50), np.int32)
    labels[5:15, 10:20] = 3
    labels[20:24, 30:40] = 7
    image = np.linspace(0, 1, 2 * 40 * 50, dtype=np.float32).reshape(2, 40, 50)
    return image, labels


def test_rows_are_the_objects_and_columns_are_named_before_measuring():
    image, labels = two_squares()
    table = measure_site(image, CHANNELS, {"Nuclei": labels})["Nuclei"]
    assert table["Metadata_ObjectNumber"].tolist() == [3, 7]
    assert table.columns.tolist() == ["Metadata_ObjectNumber", *feature_names("Nuclei", CHANNELS)]
    assert table["Nuclei_AreaShape_Area"].tolist() == [100, 40]
    assert table["Nuclei_Location_Center_X"].tolist() == [14.5, 34.5]
    expected = image[1][labels == 3].mean()
    assert table["Nuclei_Intensity_MeanIntensity_FKHR"][0] == pytest.approx(expected, rel=1e-6)


def test_no_objects_give_an_empty_table_with_the_same_columns_and_types():
    image, labels = two_squares()
    full = measure_site(image, CHANNELS, {"Nuclei": labels})["Nuclei"]
    empty = measure_site(image, CHANNELS, {"Nuclei": np.zeros_like(labels)})["Nuclei"]
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)


def test_families_are_measured_alone_as_they_are_together():
    image, labels = two_squares()
    together = measure_site(image, CHANNELS, {"Nuclei": labels})["Nuclei"]
    for family in FAMILIES:
        alone = measure_site(image, CHANNELS, {"Nuclei": labels}, [family])["Nuclei"]
        assert alone.equals(together[alone.columns]), family


def test_a_pixel_size_converts_lengths_and_areas_but_not_coordinates():
    image, labels = two_squares()
    pixels = measure_site(image, CHANNELS, {"Nuclei": labels})["Nuclei"]
    microns = measure_site(image, CHANNELS, {"Nuclei": labels}, pixel_size_um=0.5)["Nuclei"]
    ratio = (microns / pixels).iloc[0]
    assert ratio["Nuclei_AreaShape_Area"] == 0.25
    assert ratio["Nuclei_AreaShape_MajorAxisLength"] == 0.5
    assert ratio["Nuclei_Location_Center_X"] == 1
    assert ratio["Nuclei_Intensity_MeanIntensity_DNA"] == 1


def test_children_belong_to_the_parent_that_they_overlap_most():
    cells = np.zeros((10, 10), np.int32)
    cells[:, :5], cells[:, 5:] = 2, 4
    nuclei = np.zeros_like(cells)
    nuclei[1:3, 3:6] = 1  # four pixels in cell 2, two in cell 4
    nuclei[5:7, 6:8] = 5
    nuclei[8, 4:6] = 6  # one pixel in each: the lower number wins
    assert parents(nuclei, cells).to_dict() == {1: 2, 5: 4, 6: 2}
    tables = measure_site(
        np.zeros((2, 10, 10), np.float32),
        CHANNELS,
        {"Nuclei": nuclei, "Cells": cells},
        ["Location"],
        relations={"Nuclei": "Cells"},
    )
    assert tables["Nuclei"]["Nuclei_Parent_Cells"].tolist() == [2, 4, 2]
    assert tables["Cells"]["Cells_Children_Nuclei_Count"].tolist() == [2, 1]
    listed = feature_names("Cells", CHANNELS, ["Location"], relations={"Nuclei": "Cells"})
    assert tables["Cells"].columns[1:].tolist() == listed


def test_a_child_outside_every_parent_has_parent_0():
    nuclei = np.zeros((4, 4), np.int32)
    nuclei[0, 0] = 1
    assert parents(nuclei, np.zeros_like(nuclei)).to_dict() == {1: 0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": ["DNA"]}, "2 channels|has shape"),
        ({"channels": ["DNA", "DNA"]}, "named twice"),
        ({"families": ["Shape"]}, "There is no feature family 'Shape'"),
        ({"channel_pairs": [("DNA", "ER")]}, "not a pair of two different measured channels"),
        ({"pixel_size_um": 0}, "larger than 0 µm"),
        ({"texture_scale": 3}, "There is no measurement parameter 'texture_scale'"),
        ({"object_sets": {"Nuclei": np.zeros((3, 3), int)}}, "do not lie over each other"),
        ({"object_sets": {"Nuclei": -np.ones((40, 50), int)}}, "negative value -1"),
        ({"relations": {"Nuclei": "Cells"}}, "names Cells, which is not measured"),
    ],
)
def test_what_does_not_fit_together_is_named(change, words):
    image, labels = two_squares()
    arguments = {"image": image, "channels": CHANNELS, "object_sets": {"Nuclei": labels}}
    with pytest.raises(ValueError, match=words):
        measure_site(**(arguments | change))


def test_a_pixel_that_is_not_a_number_is_an_error():
    image, labels = two_squares()
    image[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"FKHR holds 1 pixels that are not numbers.*row 2"):
        measure_site(image, CHANNELS, {"Nuclei": labels})


def test_an_object_that_fills_the_image_has_no_rings_but_everything_else():
    image = np.random.default_rng(0).uniform(0, 1, (2, 20, 24)).astype(np.float32)
    row = measure_site(image, CHANNELS, {"Image": np.ones((20, 24), int)})["Image"].iloc[0]
    rings = [name for name in row.index if re.search("FracAtD|MeanFrac|RadialCV", name)]
    assert len(rings) == 24
    assert row[rings].isna().all()
    assert row["Image_AreaShape_Area"] == 480
    assert row["Image_AreaShape_MaximumRadius"] == 10
    assert row["Image_Neighbors_NumberOfNeighbors_Adjacent"] == 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 9), (64, 64)])
@pytest.mark.parametrize("offset", [-0.5, 0.0, 0.5])
def test_images_of_any_size_and_brightness_are_measured_quietly(shape, offset):
    noise = np.random.default_rng(0)
    image = noise.uniform(0, 1, (2, *shape)).astype(np.float32) + np.float32(offset)
    labels = noise.integers(0, 3, shape) * 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = measure_site(image, CHANNELS, {"Nuclei": labels}, neighbor_distances=[3])["Nuclei"]
    assert set(table["Metadata_ObjectNumber"]) == set(np.unique(labels)) - {0}


def test_without_families_only_the_objects_are_listed():
    image, labels = two_squares()
    table = measure_site(image, CHANNELS, {"Nuclei": labels}, families=[])["Nuclei"]
    assert table.to_dict("list") == {"Metadata_ObjectNumber": [3, 7]}
