"""Making a class look like another one, with its labels held fixed."""

import numpy as np
import pytest
from qc_images import nuclei_by_group
from scipy import ndimage

from levelfield.labels.labelwise import areas
from levelfield.qc.collage.appearance_matching import (
    Appearance,
    Change,
    appearance_of,
    matching_change,
)


@pytest.fixture(scope="module")
def field():
    return dict(nuclei_by_group(1))["256x256_3"][0]


def matched(field, other):
    """What the field looks like once it is matched to another, beside how that looks."""
    target = appearance_of(*other)
    change = matching_change(*field, target, np.random.default_rng(0))
    return change, appearance_of(*change.of(*field, np.random.default_rng(1))), target


def test_alike_classes_need_no_change(field):
    change, _, _ = matched(field, field)
    assert change.is_none
    image, labels = change.of(*field, np.random.default_rng(0))
    assert np.array_equal(image, field[0])
    assert np.array_equal(labels, field[1])


def test_a_planted_blur_is_found(field):
    image, labels = field
    change, seen, target = matched(field, (ndimage.gaussian_filter(image, 1.5), labels))
    assert change.blur_px == pytest.approx(1.5, abs=0.5)
    assert seen.sharpness == pytest.approx(target.sharpness, rel=0.1)


def test_a_planted_size_is_found_and_every_object_stays(field):
    image, labels = field
    smaller = (ndimage.zoom(image, 0.7, order=1), ndimage.zoom(labels, 0.7, order=0))
    change, seen, target = matched(field, smaller)
    assert change.factor == pytest.approx(0.7, abs=0.03)
    assert seen.area_px == pytest.approx(target.area_px, rel=0.1)
    _, changed = change.of(*field, np.random.default_rng(0))
    assert len(areas(changed)) >= 0.97 * np.count_nonzero(areas(labels))


def test_planted_noise_is_found(field):
    image, labels = field
    noise = 0.15 * float(np.median(image[labels > 0]))
    noisy = image + np.random.default_rng(2).normal(0, noise, image.shape)
    change, seen, target = matched(field, (noisy.astype(np.float32), labels))
    assert change.noise == pytest.approx(noise, rel=0.4)
    assert seen.contrast == pytest.approx(target.contrast, rel=0.3)


def test_nothing_is_made_larger_or_sharper_or_less_noisy(field):
    own = appearance_of(*field)
    better = Appearance(2 * own.area_px, 2 * own.sharpness, 2 * own.contrast)
    assert matching_change(*field, better, np.random.default_rng(0)) == Change()
