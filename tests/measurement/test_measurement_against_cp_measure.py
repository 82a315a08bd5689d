"""Every number equals cp_measure 0.3.0's on real images and on objects that break formulas."""

import numpy as np
import pytest
from cp_measure.multimask.measureobjectneighbors import (
    D_ADJACENT,
    D_EXPAND,
    D_WITHIN,
    measureobjectneighbors,
)
from measurement_reference import (
    CHANNEL_KINDS,
    PAIR_KINDS,
    SHAPE_KINDS,
    ambiguous,
    reference,
    worst_difference,
)
from PIL import Image
from real_images import BBBC038

from levelfield.measurement import measure_site

CHANNELS = ["DNA", "FKHR"]
FAMILY = {
    "sizeshape": ["AreaShape"],
    "zernike": ["AreaShape"],
    "feret": ["AreaShape"],
    "intensity": ["Intensity", "Location"],
    "texture": ["Texture"],
    "granularity": ["Granularity"],
    "radial_distribution": ["RadialDistribution"],
    "radial_zernikes": ["RadialDistribution"],
}
IMAGES = ["00071198d059ba7f", "1a75de9e11303142", "0bf4b144167694b6"]


def real_site(name):
    """Two channels of a real image and its nuclei, with objects added that break formulas."""
    plane = np.asarray(Image.open(BBBC038 / "images" / f"{name}.png"), np.float32) / 255
    labels = np.asarray(Image.open(BBBC038 / "labels" / f"{name}.png")).astype(np.int32)
    second = np.clip(0.7 * np.roll(plane, 3, axis=1) + 0.1 * plane**2, 0, 1)
    image = np.stack([plane, second]).astype(np.float32)
    last = labels.max()
    labels[0, 0] = last + 1  # one pixel in the corner
    labels[100, -1] = last + 2  # one pixel at the border
    labels[5:9, 5:9] = labels[20:24, 30:34] = last + 3  # in two parts
    labels[-6:, -20:] = last + 4  # saturated, at the border
    image[:, -6:, -20:] = 1
    labels[40:50, 40:50] = last + 5  # empty in one channel
    image[0, 40:50, 40:50] = 0
    labels[60:70, 60:70] = last + 6  # constant
    image[:, 60:70, 60:70] = 0.25
    labels[80, 10:30] = last + 7  # a line
    labels[90:110, 90:110] = last + 8  # with a hole
    labels[95:100, 95:100] = 0
    return image, labels


def dense(labels):
    return np.searchsorted(np.unique(labels), labels).astype(np.int32)


def measured(image, labels, families, **settings):
    tables = measure_site(image, CHANNELS, {"Nuclei": labels}, families, dtype=float, **settings)
    return tables["Nuclei"].rename(columns=lambda name: name.removeprefix("Nuclei_"))


@pytest.mark.parametrize("kind", [*SHAPE_KINDS, *CHANNEL_KINDS])
@pytest.mark.parametrize("name", IMAGES[:2])
def test_features_of_objects_and_channels(kind, name):
    image, labels = real_site(name)
    if kind == "texture":  # cp_measure takes a tenth of a second for every object
        labels[(labels > 2) & (labels <= labels.max() - 8)] = 0
    values = measured(image, 3 * labels, FAMILY[kind])  # gaps in the numbering change nothing
    expected = reference(image, CHANNELS, dense(labels), [kind])
    assert set(expected) <= set(values.columns)
    circles, angles = ambiguous(dense(labels))
    for column in expected:
        if "Zernike" in column:
            expected[column] = np.where(circles, values[column], expected[column])
        if column == "AreaShape_Orientation":
            expected[column] = np.where(angles, values[column], expected[column])
    assert worst_difference(values, expected)[1] <= 1e-6


@pytest.mark.parametrize(("kind", "steps"), [*((k, 65535) for k in PAIR_KINDS), ("costes", 255)])
def test_features_of_channel_pairs(kind, steps):
    image, labels = real_site(IMAGES[0])
    values = measured(image, labels, ["Correlation"], costes_steps=steps)
    expected = reference(image, CHANNELS, dense(labels), [kind], steps)
    assert set(expected) <= set(values.columns)
    assert worst_difference(values, expected)[1] <= 1e-6


def test_costes_of_channels_that_exclude_each_other():
    image, labels = real_site(IMAGES[1])
    image[1] = np.clip(0.8 - image[0], 0, 1)
    values = measured(image, labels, ["Correlation"])
    expected = reference(image, CHANNELS, dense(labels), ["costes"])
    assert worst_difference(values, expected)[1] <= 1e-6


def test_costes_of_a_channel_that_hardly_varies():
    image, labels = real_site(IMAGES[0])
    image[1] = 0.5 + 1e-4 * (image[1] > image[1].mean()) * (1 - image[0])
    for pair in (("DNA", "FKHR"), ("FKHR", "DNA")):
        planes = image if pair[0] == "DNA" else image[::-1]
        values = measured(image, labels, ["Correlation"], channel_pairs=[pair])
        expected = reference(planes, pair, dense(labels), ["costes"])
        assert worst_difference(values, expected)[1] <= 1e-6


def test_objects_that_rounding_decides_in_cp_measure_are_rare():
    _, labels = real_site(IMAGES[2])
    values = measured(np.zeros((2, *labels.shape), np.float32), labels, ["AreaShape"])
    expected = reference(np.zeros((2, *labels.shape)), CHANNELS, dense(labels), ["zernike"])
    differ = np.abs(values["AreaShape_Zernike_8_8"] - expected["AreaShape_Zernike_8_8"]) > 1e-9
    circles, _ = ambiguous(dense(labels))
    assert not (differ & ~circles).any()
    assert differ.mean() < 0.02


def test_16_gray_levels_and_two_scales():
    from cp_measure.bulk import get_core_measurements

    image, labels = real_site(IMAGES[0])
    labels[labels > 3] = 0
    values = measured(image, labels, ["Texture"], texture_scales=[2, 5], texture_gray_levels=16)
    texture = get_core_measurements()["texture"]
    for scale in (2, 5):
        found = texture(labels, image[0].astype(float), scale=scale, gray_levels=16)
        for key, expected in found.items():
            feature, rest = key.split("_", 1)
            column = values[f"Texture_{feature}_DNA_{rest}"]
            assert column.to_numpy() == pytest.approx(expected, rel=1e-6, abs=1e-12)


def neighbors(labels, kind, distance=5):
    return measureobjectneighbors(labels, labels, kind, distance)


def test_neighbors_within_reach():
    _, labels = real_site(IMAGES[1])
    labels = dense(labels)
    values = measured(
        np.zeros((2, *labels.shape), np.float32), labels, ["Neighbors"], neighbor_distances=[4]
    )
    expected = neighbors(labels, D_ADJACENT) | neighbors(labels, D_WITHIN, 4)
    for name, right in expected.items():
        if "ObjectNumber" not in name:
            assert values[name].to_numpy() == pytest.approx(right, rel=1e-6), name


def test_expanded_neighbors_are_adjacent_after_all_have_grown():
    """CellProfiler grows objects and neighbours; cp_measure 0.3.0 only the objects."""
    from scipy.ndimage import distance_transform_edt

    _, labels = real_site(IMAGES[1])
    labels = dense(labels)
    nearest = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    values = measured(np.zeros((2, *labels.shape), np.float32), labels, ["Neighbors"])
    for name, right in neighbors(labels[tuple(nearest)], D_ADJACENT).items():
        if "ObjectNumber" not in name:
            own = values[name.replace("Adjacent", "Expanded")]
            assert own.to_numpy() == pytest.approx(right, rel=1e-6), name
    wrong = neighbors(labels, D_EXPAND)["Neighbors_NumberOfNeighbors_Expanded"]
    assert not np.array_equal(values["Neighbors_NumberOfNeighbors_Expanded"], wrong)


def test_the_closest_object_is_another_one():
    """cp_measure 0.3.0 names each object as its own closest neighbour."""
    _, labels = real_site(IMAGES[1])
    labels = dense(labels)
    values = measured(np.zeros((2, *labels.shape), np.float32), labels * 2, ["Neighbors"])
    first = values["Neighbors_FirstClosestObjectNumber_Adjacent"]
    assert (first != values["Metadata_ObjectNumber"]).all()
    rows, columns = np.nonzero(labels)
    size = np.bincount(labels[rows, columns])[1:]
    x = np.bincount(labels[rows, columns], columns)[1:] / size
    y = np.bincount(labels[rows, columns], rows)[1:] / size
    reach = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(reach, np.inf)
    assert first.tolist() == (2 * (reach.argmin(axis=1) + 1)).tolist()
    assert (
        neighbors(labels, D_ADJACENT)["Neighbors_FirstClosestObjectNumber_Adjacent"].tolist()
        == (np.arange(labels.max()) + 1).tolist()
    )
