"""Moving, turning or brightening an object changes exactly the features that should change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from levelfield.measurement import feature_names, measure_site

CHANNELS = ["DNA", "FKHR"]
SIZE = 48
# Whole images: Granularity sees the surroundings, Neighbors the other objects.
FAMILIES = ["AreaShape", "Location", "Intensity", "Texture", "RadialDistribution", "Correlation"]
NAMES = feature_names("Nuclei", CHANNELS, FAMILIES)
COORDINATES = [
    name for name in NAMES if "_Location_" in name or "Center_" in name or "BoundingBoxM" in name
]
DIRECTED = ("Orientation", "SpatialMoment", "CentralMoment", "NormalizedMoment", "InertiaTensor_")


def blob(seed):
    """One smooth irregular object in the middle, two channels, no intensity at 0 or 1."""
    noise = np.random.default_rng(seed)
    distance = np.hypot(*(np.indices((SIZE, SIZE)) - SIZE / 2))
    rough = ndimage.gaussian_filter(noise.normal(0, 1, (SIZE, SIZE)), 3)
    labels, _ = ndimage.label(distance + 25 * rough < 9)
    labels = (labels == labels[SIZE // 2, SIZE // 2]) & (labels > 0)
    planes = ndimage.gaussian_filter(noise.uniform(0, 1, (2, SIZE, SIZE)), (0, 1.5, 1.5))
    image = 0.1 + 0.3 * planes
    return image.astype(np.float32), labels.astype(np.int32)


def features(image, labels):
    table = measure_site(image, CHANNELS, {"Nuclei": labels}, FAMILIES, dtype=float)["Nuclei"]
    return table.iloc[0][NAMES].astype(float)


def same(one, two, tolerance):
    """Return the names of the features that are equal within a tolerance of their size."""
    return set(one.index[np.isclose(one, two, rtol=tolerance, atol=tolerance, equal_nan=True)])


seeds = st.integers(0, 10_000).filter(lambda seed: blob(seed)[1].sum() > 60)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(-4, 4), st.integers(-4, 4))
def test_shifting_an_object_changes_its_coordinates_only(seed, down, across):
    image, labels = blob(seed)
    before = features(image, labels)
    after = features(
        np.roll(image, (down, across), (1, 2)), np.roll(labels, (down, across), (0, 1))
    )
    rest = [name for name in NAMES if name not in COORDINATES and "Zernike" not in name]
    assert set(rest) <= same(before, after, 1e-9)
    moved = (after - before)[["Nuclei_Location_Center_X", "Nuclei_AreaShape_BoundingBoxMinimum_Y"]]
    assert moved.tolist() == pytest.approx([across, down])


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from(["turn", "mirror"]))
def test_turning_an_object_changes_what_has_a_direction_only(seed, motion):
    image, labels = blob(seed)
    if motion == "turn":
        moved = np.rot90(image, axes=(1, 2)), np.rot90(labels)
    else:
        moved = image[:, :, ::-1], labels[:, ::-1]
    before, after = features(image, labels), features(*map(np.ascontiguousarray, moved))
    rest = [
        name
        for name in NAMES
        if name not in COORDINATES
        and not any(word in name for word in DIRECTED)
        # Textures have a direction; Hu's last moment tells mirror images apart; the centre of the
        # radial rings is the first of several equals; rounding decides on the enclosing circle.
        and not any(word in name for word in ("Texture", "HuMoment_6", "Radial", "Zernike"))
    ]
    assert set(rest) <= same(before, after, 1e-9)
    textures = [name for name in NAMES if "Texture_" in name]
    turned = {"00": "02", "01": "03", "02": "00", "03": "01"}
    mirrored = {"00": "00", "01": "03", "02": "02", "03": "01"}
    directions = turned if motion == "turn" else mirrored
    for name in textures:
        head, direction, levels = name.rsplit("_", 2)
        partner = f"{head}_{directions[direction]}_{levels}"
        assert after[partner] == pytest.approx(before[name], rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([0.5, 2.0]))
def test_brightening_an_object_scales_its_intensities_only(seed, factor):
    image, labels = blob(seed)
    before, after = features(image, labels), features(image * np.float32(factor), labels)
    scaled = [
        name
        for name in NAMES
        if ("_Intensity_" in name and "Displacement" not in name) or "ZernikeMagnitude" in name
    ]
    unchanged = [
        name
        for name in NAMES
        if name not in scaled and "Texture_" not in name and "Costes" not in name
    ]
    assert set(unchanged) <= same(before, after, 1e-9)
    assert after[scaled].to_numpy() == pytest.approx(factor * before[scaled].to_numpy(), rel=1e-9)


def test_brightening_one_channel_changes_that_channel_only():
    image, labels = blob(1)
    brighter = image.copy()
    brighter[1] *= 2
    before, after = features(image, labels), features(brighter, labels)
    changed = set(NAMES) - same(before, after, 1e-9)
    assert changed
    assert all("FKHR" in name for name in changed)


def test_a_brighter_background_changes_no_object():
    image, labels = blob(2)
    changed = image.copy()
    changed[:, labels == 0] += 0.3
    assert same(features(image, labels), features(changed, labels), 0) == set(NAMES)


def test_other_objects_do_not_change_an_object():
    image, labels = blob(3)
    crowded = labels * 2
    crowded[(ndimage.binary_dilation(labels, iterations=2)) & (labels == 0)] = 1
    alone = measure_site(image, CHANNELS, {"Nuclei": labels}, FAMILIES, dtype=float)["Nuclei"]
    beside = measure_site(image, CHANNELS, {"Nuclei": crowded}, FAMILIES, dtype=float)["Nuclei"]
    assert same(alone.iloc[0][NAMES], beside.iloc[1][NAMES], 1e-12) == set(NAMES)


def test_measuring_twice_gives_the_same_bytes():
    image, labels = blob(4)
    one, two = (measure_site(image, CHANNELS, {"Nuclei": labels})["Nuclei"] for _ in range(2))
    assert one.to_numpy().tobytes() == two.to_numpy().tobytes()


def test_one_channel_has_no_correlations():
    image, labels = blob(5)
    table = measure_site(image[:1], ["DNA"], {"Nuclei": labels})["Nuclei"]
    assert not any("Correlation" in name and "Texture" not in name for name in table)
