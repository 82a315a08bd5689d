"""Each threshold option moves the level as its documentation says, on real images."""

import numpy as np
import pytest
from PIL import Image
from real_images import BBBC013
from scipy import ndimage

from levelfield.images.noise import pixel_noise
from levelfield.segmentation.options import ThresholdOptions
from levelfield.segmentation.threshold import (
    GLOBAL_THRESHOLDS,
    find_threshold,
    measure_threshold,
    minimum_cross_entropy,
)


@pytest.fixture(scope="module")
def image():
    return np.asarray(Image.open(BBBC013 / "Channel2-12-A-12.tif")).astype(np.float32) / 255


@pytest.mark.parametrize("method", GLOBAL_THRESHOLDS)
def test_every_method_finds_the_valley_between_two_classes(method):
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.normal(0.1, 0.01, 9500), rng.normal(0.6, 0.03, 500)])
    # Three classes divide one of the two peaks, too; all else lies in the gap.
    low, high = (0.09, 0.7) if method.startswith("otsu_three") else (0.11, 0.58)
    assert low < measure_threshold(pixels.astype(np.float32), method) < high


@pytest.mark.parametrize("method", GLOBAL_THRESHOLDS)
@pytest.mark.parametrize("log", [False, True])
def test_scale_and_camera_offset_move_the_level_with_the_image(image, method, log):
    offset_matters = method in ("li", "minimum_cross_entropy") and not log
    level = measure_threshold(image, method, log)
    assert measure_threshold(image / 4, method, log) == pytest.approx(level / 4, rel=0.02)
    if not offset_matters:
        shifted = measure_threshold(image + np.float32(0.25), method, log)
        assert shifted == pytest.approx(level + 0.25, abs=0.005)


def test_the_middle_class_is_foreground_or_background(image):
    low = measure_threshold(image, "otsu_three_low")
    high = measure_threshold(image, "otsu_three_high")
    assert low < measure_threshold(image, "otsu") < high


def test_minimum_cross_entropy_is_the_minimum_over_all_levels(image):
    def entropy(level):
        parts = [image[image <= level], image[image > level]]
        return -sum(part.sum(dtype=float) * np.log(part.mean(dtype=float)) for part in parts)

    found = minimum_cross_entropy(image)
    assert all(entropy(found) <= entropy(found + step) + 1e-6 for step in (-0.02, 0.02, 0.1))


def test_the_logarithm_lowers_the_level(image):
    assert measure_threshold(image, "otsu", log=True) < measure_threshold(image, "otsu")


def test_clipped_zeros_do_not_draw_the_logarithm_down(image):
    clipped = np.maximum(image - np.percentile(image, 40), 0)
    level = measure_threshold(clipped, "otsu", log=True)
    assert level > 0.02


def test_correction_counts_from_the_background(image):
    plain = find_threshold(image)
    half = find_threshold(image, options=ThresholdOptions(correction=0.5))
    expected = plain.background + 0.5 * (plain.final - plain.background)
    assert half.final == pytest.approx(expected)
    assert half.original == plain.original
    shifted = find_threshold(image + np.float32(0.25), options=ThresholdOptions(correction=0.5))
    assert shifted.final == pytest.approx(half.final + 0.25, abs=0.005)


def test_bounds_hold_after_correction(image):
    level = find_threshold(image).final
    assert find_threshold(
        image, options=ThresholdOptions(lower=level + 0.1)
    ).final == pytest.approx(level + 0.1)
    assert find_threshold(
        image, options=ThresholdOptions(upper=level - 0.05)
    ).final == pytest.approx(level - 0.05)


def test_a_window_follows_shading_that_one_level_cannot(image):
    shading = np.linspace(0.3, 1.7, image.shape[1], dtype=np.float32)
    truth = ndimage.gaussian_filter(image, 1) > find_threshold(image).level
    shaded = ndimage.gaussian_filter(image * shading, 1)

    def agreement(**parameters):
        found = shaded > find_threshold(shaded, options=ThresholdOptions(**parameters)).level
        return (found & truth).sum() / (found | truth).sum()

    assert agreement(window=160) > agreement() + 0.02


def test_block_levels_stay_near_the_global_one(image):
    overall = find_threshold(image).final
    blocks = find_threshold(image, options=ThresholdOptions(window=64)).level
    assert blocks.shape == image.shape
    assert 0.69 * overall < blocks.min() and blocks.max() < 1.51 * overall


def test_sauvola_has_a_level_for_every_pixel(image):
    assert (
        find_threshold(image, options=ThresholdOptions(method="sauvola", window=101)).level.shape
        == image.shape
    )


def test_a_level_measured_on_control_wells_is_used_as_it_is(image):
    others = [np.asarray(Image.open(BBBC013 / f"Channel2-{n}.tif")) for n in ("01-A-01", "14-B-02")]
    level = measure_threshold(np.concatenate([o.ravel() for o in others]).astype(np.float32) / 255)
    found = find_threshold(image, options=ThresholdOptions(method="manual", value=level))
    assert found.final == level == found.original


def test_pixel_noise_is_measured_also_over_structures(image):
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(image, 3)
    noisy = smooth + rng.normal(0, 0.02, image.shape)
    assert pixel_noise(noisy) == pytest.approx(0.02, rel=0.1)
    assert pixel_noise(image[:2]) == 0


def test_an_image_without_contrast_has_an_infinite_level():
    noise = np.random.default_rng(0).normal(0.1, 0.01, (200, 200)).astype(np.float32)
    found = find_threshold(noise)
    assert found.final == np.inf and found.contrast < 5 and np.isfinite(found.original)


def test_no_pixels_are_an_error():
    with pytest.raises(ValueError, match="0 pixels"):
        measure_threshold(np.zeros(0, np.float32))
