"""Phenotypes change an image together with its reference, as a treatment changes cells."""

import numpy as np
import pytest
from qc_fields import grid, picture
from qc_images import load_nuclei
from scipy import ndimage

from levelfield.qc.train.phenotypes import (
    DEGRADED,
    EXTREME,
    FAMILIES,
    FAMILY_OF,
    PHENOTYPES,
    with_change,
)

TRUE = grid()
IMAGE = picture(TRUE)
ALL = (*PHENOTYPES, *DEGRADED)


def test_families_hold_every_phenotype_once():
    members = [name for names in FAMILIES.values() for name in names]
    assert sorted(members) == sorted(PHENOTYPES) and len(set(members)) == len(members)
    assert set(FAMILY_OF) == set(PHENOTYPES) and set(EXTREME) <= set(PHENOTYPES)
    assert not set(PHENOTYPES) & set(DEGRADED)


@pytest.mark.parametrize("name", ALL)
def test_image_and_reference_stay_aligned_and_are_read_out_with_8_bits(name):
    image, labels = with_change(name, IMAGE, TRUE, seed=0)
    assert image.shape == labels.shape and image.dtype == np.float32 and labels.dtype == np.int32
    steps = image * 255
    assert np.abs(steps - np.round(steps)).max() < 1e-3
    assert image.min() >= 0 and image.max() <= 1
    numbers = np.unique(labels)
    assert numbers.tolist() == list(range(len(numbers))) and len(numbers) > 1
    # Every object is still brighter than the background.
    background = np.median(image[labels == 0])
    means = ndimage.mean(image, labels, numbers[1:])
    assert np.mean(means > background + 0.02) > 0.9


@pytest.mark.parametrize("name", ["noisy", "lined", "lobed", "speckled"])
def test_a_change_is_the_same_every_time(name):
    one, again, other = (with_change(name, IMAGE, TRUE, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_nothing_is_changed_without_a_change():
    image, labels = with_change("none", IMAGE, TRUE, seed=0)
    assert image is IMAGE and labels is TRUE


def test_sizes_change_as_named():
    for name, factor in (("smaller", 0.49), ("elongated", 1.04)):
        labels = with_change(name, IMAGE, TRUE, seed=0)[1]
        assert (labels > 0).sum() == pytest.approx(factor * (TRUE > 0).sum(), rel=0.05)
        assert labels.max() == TRUE.max()


def test_brightness_and_focus_leave_the_reference_as_it_is():
    for name in ("dim", "saturated", "gradient", "blurred", "noisy", "speckled", "lined", "ring"):
        assert np.array_equal(with_change(name, IMAGE, TRUE, seed=0)[1], TRUE)
    bright = with_change("saturated", IMAGE, TRUE, seed=0)[0]
    assert 0.3 < np.mean(bright[TRUE > 0] >= 0.999) < 0.5
    inside, outside = (np.median(IMAGE[where]) for where in (TRUE > 0, TRUE == 0))
    dim = with_change("dim", IMAGE, TRUE, seed=0)[0]
    contrast = np.median(dim[TRUE > 0]) - np.median(dim[TRUE == 0])
    assert contrast == pytest.approx(0.35 * (inside - outside), rel=0.1)


def test_notches_are_cut_out_of_image_and_reference_alike_and_leave_one_piece():
    image, labels = with_change("lobed", IMAGE, TRUE, seed=0)
    cut = (TRUE > 0) & (labels == 0)
    assert 0.05 < cut.sum() / (TRUE > 0).sum() < 0.6
    assert image[cut].mean() < 0.6 * IMAGE[cut].mean()
    for number in range(1, labels.max() + 1):
        assert ndimage.label(labels == number)[1] == 1


def test_a_denser_field_has_more_nuclei_each_as_bright_as_before():
    image, labels = load_nuclei("00071198d059ba7f")
    more, denser = with_change("dense", image, labels, seed=0)
    assert denser.max() > labels.max()
    there = np.stack([labels[labels > 0], denser[labels > 0]])
    assert np.unique(there, axis=1).shape[1] == labels.max()  # the same objects, renumbered
    background = np.median(image[labels == 0])
    added = np.unique(denser[(labels == 0) & (denser > 0)])
    means = ndimage.mean(more, denser, added)
    assert np.mean(means > background) > 0.9
