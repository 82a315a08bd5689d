"""Hulls, contacts, distances and virtual cuts against independent ways to compute them."""

import numpy as np
import pytest
from qc_images import nuclei_by_group
from scipy import ndimage
from skimage.measure import regionprops

from levelfield.images.smoothing import gaussian, gradient_magnitude
from levelfield.labels.boundaries import inner_distance
from levelfield.labels.contacts import contacts
from levelfield.labels.convex_hull import hull_areas
from levelfield.labels.labelwise import (
    axis_lengths,
    coordinate_sums,
    percentiles_per_group,
    percentiles_per_label,
)
from levelfield.labels.row_extents import row_extents
from levelfield.qc.evidence.background import local_background
from levelfield.qc.evidence.cuts import best_cuts

IMAGE, LABELS = nuclei_by_group(1)[-1][1][0]


def two_disks(apart, radius=12):
    y, x = np.mgrid[:60, :90]
    one = np.hypot(y - 30, x - 45 + apart / 2) <= radius
    other = np.hypot(y - 30, x - 45 - apart / 2) <= radius
    return one, other


def test_hull_areas_equal_scipys_on_real_nuclei():
    from scipy.spatial import ConvexHull

    areas = hull_areas(row_extents(LABELS))
    for region in regionprops(LABELS)[:40]:
        corners = np.concatenate([region.coords + d for d in ((0, 0), (0, 1), (1, 0), (1, 1))])
        assert areas[region.label - 1] == pytest.approx(ConvexHull(corners).volume)


def test_hull_of_a_union_equals_the_hull_of_the_relabelled_pair():
    pairs = contacts(LABELS).pairs[:20]
    extents = row_extents(LABELS)
    for pair, area in zip(pairs, hull_areas(extents, pairs), strict=True):
        union = np.isin(LABELS, pair).astype(np.int32)
        assert area == pytest.approx(hull_areas(row_extents(union))[0])


def test_axes_equal_scikit_images_plus_the_extent_of_a_pixel():
    major, minor = axis_lengths(coordinate_sums(LABELS))
    for region in regionprops(LABELS):
        for mine, theirs in ((major, region.axis_major_length), (minor, region.axis_minor_length)):
            expected = np.sqrt(theirs**2 + 16 / 12)  # a pixel is a square, not a point
            assert mine[region.label - 1] == pytest.approx(expected, rel=1e-6)


def test_inner_distance_separates_touching_objects():
    labels = np.zeros((30, 40), np.int32)
    labels[5:25, 5:20], labels[5:25, 20:35] = 1, 2
    both = inner_distance(labels)
    alone = inner_distance(np.where(labels == 1, 1, 0).astype(np.int32))
    assert np.array_equal(both[labels == 1], alone[labels == 1])
    assert both.max() == 7.5
    assert (both[labels == 0] == 0).all()


def test_contacts_count_direct_neighbours_and_gaps_of_one_pixel_but_not_two():
    labels = np.zeros((12, 30), np.int32)
    labels[2:10, 2:8], labels[2:10, 8:14] = 1, 2  # touching
    labels[2:10, 15:20], labels[2:10, 22:28] = 3, 4  # gaps of one and of two pixels
    found = contacts(labels)
    assert found.pairs.tolist() == [[1, 2], [2, 3]]
    assert np.bincount(found.pair_of_contact).tolist() == [8, 8]


def test_percentiles_per_label_equal_numpys_and_missing_labels_are_nan():
    labels = np.where(LABELS == 2, 0, LABELS)
    found = percentiles_per_label(labels, IMAGE, (90,), int(LABELS.max()))[0]
    assert np.isnan(found[1])
    for label in (1, 3, int(LABELS.max())):
        expected = np.percentile(IMAGE[label == LABELS], 90, method="nearest")
        assert found[label - 1] == pytest.approx(expected, abs=0.01)
    groups = np.array([2, 0, 2, 2])
    found = percentiles_per_group(np.array([3.0, 1.0, 9.0, 5.0]), groups, 3, (50,))[0]
    assert found[[0, 2]].tolist() == [1, 5]


def test_two_overlapping_disks_are_cut_where_they_meet():
    one, other = two_disks(apart=18)
    labels = (one | other).astype(np.int32)
    relief = ndimage.gaussian_filter(inner_distance(labels), 0.5)
    cut = best_cuts(labels, relief, 20)
    assert 0.4 < cut.saddle[0] < 0.9
    left = np.arange(90)[None, :] < 45
    inside = labels > 0
    agreement = (cut.side == left)[inside].mean()
    assert max(agreement, 1 - agreement) > 0.98


def test_a_deeper_waist_gives_a_lower_saddle():
    saddles = []
    for apart in (8, 14, 18, 22):
        labels = np.logical_or(*two_disks(apart)).astype(np.int32)
        relief = ndimage.gaussian_filter(inner_distance(labels), 0.5)
        saddles.append(best_cuts(labels, relief, 20).saddle[0])
    assert saddles == sorted(saddles, reverse=True)
    assert saddles[0] > saddles[-1] + 0.3


def test_a_single_disk_has_no_cut():
    labels = two_disks(apart=0)[0].astype(np.int32)
    cut = best_cuts(labels, ndimage.gaussian_filter(inner_distance(labels), 0.5), 20)
    assert cut.saddle[0] == 1
    assert not cut.side.any()


def test_touching_objects_are_cut_each_by_itself():
    one, other = two_disks(apart=22)
    labels = np.where(one, 1, np.where(other, 2, 0)).astype(np.int32)
    cut = best_cuts(labels, ndimage.gaussian_filter(inner_distance(labels), 0.5), 20)
    assert (cut.saddle > 0.95).all()


def test_a_part_smaller_than_asked_for_is_not_cut_off():
    one, other = two_disks(apart=22)
    relief = ndimage.gaussian_filter(inner_distance((one | other).astype(np.int32)), 0.5)
    labels = (one | other).astype(np.int32)
    assert best_cuts(labels, relief, 20).saddle[0] < 1
    assert best_cuts(labels, relief, 0.6 * labels.sum()).saddle[0] == 1


def test_background_follows_a_gradient_under_the_objects():
    y, x = np.mgrid[:200, :200]
    ramp = (0.1 + 0.001 * x).astype(np.float32)
    labels = np.zeros((200, 200), np.int32)
    for index in range(16):
        row, column = 25 + 50 * (index // 4), 25 + 50 * (index % 4)
        labels[np.hypot(y - row, x - column) < 10] = index + 1
    image = ramp + 0.5 * (labels > 0)
    estimate = local_background(labels, image, 20.0)
    assert np.abs(estimate - ramp)[labels > 0].max() < 0.03


def test_background_without_background_is_the_dimmest_pixels():
    labels = np.ones((20, 20), np.int32)
    image = np.linspace(0.2, 0.9, 400, dtype=np.float32).reshape(20, 20)
    assert local_background(labels, image, 20.0) == pytest.approx(np.percentile(image, 5))


@pytest.mark.parametrize("sigma", [0.6, 1.0, 3.7])
@pytest.mark.parametrize("size", [256, 7])
def test_smoothing_equals_scipys(sigma, size):
    image = IMAGE[:size, : size - 2]
    assert np.array_equal(gaussian(image, sigma), ndimage.gaussian_filter(image, sigma))
    expected = ndimage.gaussian_gradient_magnitude(image, sigma)
    assert gradient_magnitude(image, sigma) == pytest.approx(expected, rel=1e-5, abs=1e-8)
