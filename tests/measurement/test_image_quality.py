"""Blur, saturation, shading, debris and shifts that are planted into real images are measured."""

import numpy as np
import pytest
from conftest import DEMO_IMAGES
from scipy import ndimage
from skimage.filters import threshold_otsu

from levelfield.images.planes import read_plane
from levelfield.measurement.image_quality import PREFIX, measure_quality


def raw_image(well="A-07"):
    return np.stack(
        [read_plane(next(DEMO_IMAGES.glob(f"Channel{c}-*-{well}.tif"))) for c in (2, 1)]
    )


def nuclei(raw):
    smooth = ndimage.gaussian_filter(raw[0].astype(np.float32), 2)
    return ndimage.label(smooth > threshold_otsu(smooth))[0]


def quality(raw, labels=None):
    labels = nuclei(raw) if labels is None else labels
    image = raw.astype(np.float32) / 255
    row = measure_quality(raw, image, ["DNA", "FKHR"], {"Nuclei": labels}, ["DNA"], 255).iloc[0]
    return row.rename(lambda name: name.removeprefix(PREFIX))


@pytest.mark.parametrize("well", ["A-01", "A-07", "H-12"])
def test_a_blurred_channel_has_a_steeper_spectrum(well):
    raw = raw_image(well)
    blurred = raw.copy()
    blurred[0] = ndimage.gaussian_filter(raw[0], 3)
    sharp, soft = quality(raw), quality(blurred)
    assert sharp["PowerLogLogSlope_DNA"] > -4.0
    assert soft["PowerLogLogSlope_DNA"] < -4.6
    assert soft["PowerLogLogSlope_FKHR"] == sharp["PowerLogLogSlope_FKHR"]


def test_saturated_pixels_are_counted_in_raw_counts():
    raw = raw_image()
    raw[1, :64] = 255
    found = quality(raw)
    assert found["PercentSaturated_FKHR"] == pytest.approx(10, abs=0.1)
    assert found["PercentSaturated_DNA"] < 0.1


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (6, -4), (-15, 9)])
@pytest.mark.parametrize("well", ["A-01", "A-07"])
def test_a_planted_shift_between_channels_is_found(well, dy, dx):
    raw = raw_image(well)
    own = quality(raw)
    raw[1] = np.roll(raw[1], (dy, dx), (0, 1))
    found = quality(raw)
    assert found["ShiftY_DNA_FKHR"] - own["ShiftY_DNA_FKHR"] == dy
    assert found["ShiftX_DNA_FKHR"] - own["ShiftX_DNA_FKHR"] == dx


def test_channels_of_different_fields_tell_no_shift():
    raw = np.stack([raw_image("A-01")[0], raw_image("H-12")[1]])
    assert np.isnan(quality(raw)["ShiftX_DNA_FKHR"])


def test_a_bright_fibre_is_debris():
    raw = raw_image()
    labels = nuclei(raw)
    clean = quality(raw, labels)
    raw[0, 300:330] = 200
    dirty = quality(raw, labels)
    assert clean["PercentBrightOutside_DNA"] < 0.5
    assert dirty["PercentBrightOutside_DNA"] > 3.5
    assert "PercentBrightOutside_FKHR" not in dirty  # no objects are segmented in it


def test_shading_that_was_not_corrected_makes_the_background_uneven():
    raw = raw_image()
    labels = nuclei(raw)
    shaded = raw.copy()
    shaded[0] = np.clip(raw[0] + np.linspace(0, 90, 640)[:, None], 0, 255).astype(np.uint8)
    assert quality(raw, labels)["BackgroundUnevenness_DNA"] < 0.1
    assert quality(shaded, labels)["BackgroundUnevenness_DNA"] > 0.5


def test_without_background_or_objects_nothing_is_made_up():
    raw = raw_image()
    covered = quality(raw, np.ones((640, 640), np.int32))
    assert np.isnan(covered["Background_DNA"])
    empty = quality(raw, np.zeros((640, 640), np.int32))
    assert np.isnan(empty["PercentBrightOutside_DNA"])
    assert np.isfinite(empty["Background_DNA"])
    flat = quality(np.full((2, 640, 640), 7, np.uint8), np.zeros((640, 640), np.int32))
    assert np.isnan(flat["ShiftX_DNA_FKHR"])
    assert np.isnan(flat["PowerLogLogSlope_DNA"])
