"""Outlines from the image: planted objects, and what must stay as the network has it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from levelfield.labels.objects import expand, inner_part
from levelfield.segmentation.small_network.refinement import (
    REACH,
    local_background,
    refine_outlines,
)
from levelfield.segmentation.small_network.targets import distance_to_outside

SIDE = 160
CENTRES = ((30, 30), (30, 90), (90, 35), (100, 110))


def disks(centres=CENTRES, radius=10.0):
    """Return labels (Y, X) of disks, numbered in the order of their centres."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.int32)
    for number, (y, x) in enumerate(centres, 1):
        labels[np.hypot(rows - y, columns - x) <= radius] = number
    return labels


def photograph(labels, brightness=None, haze=0.0, noise=0.002, blur=1.0):
    """Return an image of objects, each as bright as told, under uneven haze."""
    levels = np.linspace(0.2, 0.8, labels.max() + 1) if brightness is None else brightness
    levels = np.concatenate([[0], np.asarray(levels)[-labels.max() :]])
    image = ndimage.gaussian_filter(levels[labels], blur)
    image += 0.1 + haze * np.linspace(0, 1, SIDE)
    return (image + np.random.default_rng(0).normal(0, noise, image.shape)).astype(np.float32)


def vague(labels):
    """Return a foreground that agrees with the labels, as vaguely as a network's."""
    return ndimage.gaussian_filter((labels > 0).astype(np.float32), 1.5)


def overlaps(labels, truth):
    """Return each object's intersection over union with its true one."""
    return np.array(
        [
            ((labels == number) & (truth == number)).sum()
            / ((labels == number) | (truth == number)).sum()
            for number in range(1, truth.max() + 1)
        ]
    )


@pytest.mark.parametrize("haze", [0.0, 0.3])
@pytest.mark.parametrize("wrong", [-2, 2])
def test_outlines_too_wide_or_too_tight_move_to_the_edges(wrong, haze):
    truth = disks()
    labels = expand(truth, wrong) if wrong > 0 else inner_part(truth, -wrong)
    refined = refine_outlines(photograph(truth, haze=haze), labels, vague(labels), level=0.5)
    assert overlaps(labels, truth).max() < 0.75
    assert overlaps(refined, truth).min() > 0.85


def test_a_brighter_object_is_no_larger():
    truth = disks()
    refined = refine_outlines(photograph(truth, (0.1, 0.2, 0.4, 0.8)), truth, vague(truth))
    areas = np.bincount(refined.ravel())[1:]
    assert areas.max() - areas.min() <= 0.03 * areas.mean()


def test_a_higher_level_makes_smaller_objects():
    truth = disks()
    image = photograph(truth, blur=2.0)
    areas = [
        (refine_outlines(image, truth, vague(truth), level) > 0).sum() for level in (0.2, 0.4, 0.7)
    ]
    assert areas[0] > areas[1] > areas[2]


@pytest.mark.parametrize("exposure, offset", [(0.1, 0.0), (1.0, 0.5), (1000.0, 100.0)])
def test_neither_exposure_nor_offset_matters(exposure, offset):
    truth = disks()
    image, labels = photograph(truth), expand(truth, 2)
    changed = (image * exposure + offset).astype(np.float32)
    results = [refine_outlines(one, labels, vague(labels)) for one in (image, changed)]
    assert (results[0] != results[1]).mean() < 1e-3


def test_touching_objects_keep_the_line_between_them():
    truth = disks(((60, 50), (60, 68)))
    refined = refine_outlines(photograph(truth), truth, vague(truth))
    both = (refined > 0) & (truth > 0)
    assert np.array_equal(refined[both], truth[both])
    assert set(np.unique(refined)) == {0, 1, 2}


def test_what_the_image_does_not_show_keeps_its_outline():
    truth = disks()
    rng = np.random.default_rng(0)
    for image in (np.full(truth.shape, 0.3), rng.normal(0.3, 0.05, truth.shape)):
        refined = refine_outlines(image.astype(np.float32), truth, vague(truth))
        assert np.array_equal(refined, truth)


def test_a_dark_centre_stays_inside():
    truth = disks(radius=12)
    image = photograph(truth)
    image[np.hypot(*(np.mgrid[:SIDE, :SIDE] - np.reshape(CENTRES[0], (2, 1, 1)))) < 4] = 0.1
    refined = refine_outlines(image, truth, vague(truth))
    assert refined[CENTRES[0]] == 1
    assert overlaps(refined, truth)[0] > 0.9


def test_debris_beyond_reach_is_not_taken():
    truth = disks(((60, 60),))
    image = photograph(truth)
    image[55:65, 72:90] = image.max()
    refined = refine_outlines(image, truth, vague(truth))
    assert not refined[:, 60 + 10 + int(REACH) + 1 :].any()


def test_nothing_stays_nothing():
    nothing = np.zeros((20, 30), np.int32)
    blank = np.zeros((20, 30), np.float32)
    assert np.array_equal(refine_outlines(blank, nothing, blank), nothing)


def test_an_image_full_of_one_object_is_left_alone():
    full = np.ones((20, 30), np.int32)
    image = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    assert (refine_outlines(image, full, np.ones_like(image)) == 1).sum() > 0.3 * full.size


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), radius=st.floats(4, 14))
def test_no_outline_moves_further_than_its_reach(seed, radius):
    rng = np.random.default_rng(seed)
    labels = disks(rng.integers(20, SIDE - 20, (6, 2)), radius)
    image = rng.random(labels.shape).astype(np.float32)
    image[labels > 0] += 20  # contrast enough for the image to decide
    refined = refine_outlines(image, labels, rng.random(labels.shape).astype(np.float32))
    assert not ((refined > 0) & (expand(labels, REACH) == 0)).any()
    both = (refined > 0) & (labels > 0)
    assert np.array_equal(refined[both], labels[both])
    whole = distance_to_outside(labels) > REACH
    kept = np.bincount(refined[whole], minlength=7)[1:]
    deep = np.bincount(labels[whole], minlength=7)[1:]
    # An object that another cuts in two keeps its larger part only.
    assert all(kept >= deep / 2)


def test_background_follows_haze_and_not_objects():
    truth = disks()
    image = photograph(truth, haze=0.3, noise=0)
    found = local_background(image, expand(truth, 5) == 0, 20.0)
    expected = 0.1 + 0.3 * np.linspace(0, 1, SIDE) + np.zeros_like(image)
    middle = slice(20, SIDE - 20)
    assert np.abs(found - expected)[middle, middle].max() < 0.03
