"""Targets of planted shapes, known to the pixel, and their properties on any labels."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from levelfield.segmentation.small_network.targets import (
    AFFINITY_OFFSETS,
    BACKGROUND,
    BOTH_BACKGROUND,
    BOUNDARY,
    DIFFERENT_OBJECTS,
    INTERIOR,
    N_RAYS,
    OBJECT_AND_BACKGROUND,
    SAME_OBJECT,
    UNKNOWN_PAIR,
    distance_to_outside,
    make_targets,
)

EIGHT = np.ones((3, 3), bool)
LEFT = np.s_[10:21, 8:19]  # 11 x 11 px
RIGHT = np.s_[10:21, 19:30]
RADIUS, CENTRE = 15.2, 20  # px
SMALL_LABELS = arrays.arrays(np.int32, (16, 18), elements=st.integers(-1, 3))


def two_rectangles():
    labels = np.zeros((32, 40), np.int32)
    labels[LEFT], labels[RIGHT] = 1, 2
    return labels


def disc():
    y, x = np.mgrid[:40, :40]
    return (np.hypot(y - CENTRE, x - CENTRE) <= RADIUS).astype(np.int32)


@pytest.fixture(scope="module")
def rectangles():
    return make_targets(two_rectangles())


@pytest.fixture(scope="module")
def round_object():
    return make_targets(disc())


def test_touching_rectangles_are_known_foreground(rectangles):
    assert rectangles.known.all()
    assert np.array_equal(rectangles.foreground, two_rectangles() > 0)


def test_interiors_of_touching_rectangles_are_two_pixels_apart(rectangles):
    expected = np.zeros((32, 40), np.uint8)
    expected[LEFT], expected[RIGHT] = BOUNDARY, BOUNDARY
    expected[11:20, 9:18], expected[11:20, 20:29] = INTERIOR, INTERIOR
    # The background pixels above and below the seam see both rectangles.
    expected[[9, 9, 21, 21], [18, 19, 18, 19]] = BOUNDARY
    assert np.array_equal(rectangles.classes, expected)


def test_background_between_near_objects_is_boundary():
    labels = np.zeros((12, 12), np.int32)
    labels[2:10, 2:5], labels[2:10, 6:9] = 1, 2
    classes = make_targets(labels).classes
    assert (classes[2:10, 5] == BOUNDARY).all()
    assert classes[0, 5] == BACKGROUND and (classes[:, 10:] == BACKGROUND).all()


def test_distance_in_a_rectangle_is_that_to_its_nearest_side(rectangles):
    y, x = np.mgrid[1:12, 1:12]
    expected = np.minimum(np.minimum(y, 12 - y), np.minimum(x, 12 - x)) / 6
    assert np.allclose(rectangles.distance[LEFT], expected, atol=1e-6)
    assert np.allclose(rectangles.distance[RIGHT], expected, atol=1e-6)
    assert (rectangles.distance[two_rectangles() == 0] == 0).all()


def test_flow_leads_away_from_the_seam_to_each_rectangles_centre(rectangles):
    inside = two_rectangles() > 0
    y, x = np.mgrid[-5:6, -5:6]
    straight_at = np.arange(11) != 5
    for place in (LEFT, RIGHT):
        dy, dx = rectangles.flow[(slice(None), *place)]
        away = (y != 0) | (x != 0)
        assert np.allclose(np.hypot(dy, dx)[away], 1, atol=1e-4)
        assert ((dy * y + dx * x)[away] < 0).all()
        # In the middle row and column only one direction is possible; at the centre, any.
        straight = -np.sign(np.arange(-5, 6))[straight_at]
        assert np.allclose(dy[straight_at, 5], straight, atol=0.1)
        assert np.allclose(dx[5, straight_at], straight, atol=0.1)
    assert (rectangles.flow[:, ~inside] == 0).all()
    assert (rectangles.flow[1, 10:21, 18] < 0).all() and (rectangles.flow[1, 10:21, 19] > 0).all()


def test_pairs_across_the_seam_are_of_different_objects(rectangles):
    offset = AFFINITY_OFFSETS.index((0, -1))
    pairs = rectangles.pairs[offset]
    assert (pairs[10:21, 19] == DIFFERENT_OBJECTS).all()
    assert (pairs[10:21, 18] == SAME_OBJECT).all()
    assert (pairs[10:21, 8] == OBJECT_AND_BACKGROUND).all()
    assert (pairs[:10, 1:] == BOTH_BACKGROUND).all()
    assert (pairs[:, 0] == UNKNOWN_PAIR).all()
    far = rectangles.pairs[AFFINITY_OFFSETS.index((0, -13))]
    assert (far[10:21, 21:30] == DIFFERENT_OBJECTS).all()
    assert (far[:, :13] == UNKNOWN_PAIR).all()


def test_rays_of_a_rectangle_end_at_its_sides(rectangles):
    # Pixel (14, 12): 4.5 px to the edge above and on the left, 6.5 to either other; in half steps.
    rays = rectangles.star_distances[:, 7, 6]
    quarter = N_RAYS // 4
    assert rays[[0, quarter, 2 * quarter, 3 * quarter]] == pytest.approx(
        [6.5, 6.5, 4.5, 4.5], abs=0.5
    )
    outside = two_rectangles()[::2, ::2] == 0
    assert (rectangles.star_distances[:, outside] == 0).all()


def test_disc_is_round_in_every_representation(round_object):
    y, x = np.mgrid[:40, :40] - CENTRE
    far = np.hypot(y, x)
    inside = disc() > 0
    euclidean = ndimage.distance_transform_edt(inside)
    assert np.allclose(round_object.distance, euclidean / euclidean.max(), atol=0.05)
    assert round_object.distance[CENTRE, CENTRE] == 1
    ring = inside & (far > 3) & (far < 12)
    towards = -(round_object.flow[0] * y + round_object.flow[1] * x)[ring] / far[ring]
    assert towards.min() > np.cos(np.radians(12))
    rays = round_object.star_distances[:, CENTRE // 2, CENTRE // 2]
    assert np.allclose(rays, RADIUS, atol=0.8)
    assert np.array_equal(round_object.classes == INTERIOR, ndimage.binary_erosion(inside, EIGHT))


@pytest.mark.parametrize("radius", [3, 7.5, 15.2, 60])
def test_distance_is_within_two_thirds_of_a_pixel_of_the_euclidean(radius):
    y, x = np.mgrid[:128, :128] - 64
    labels = (np.hypot(y, x) <= radius).astype(np.int32)
    error = distance_to_outside(labels) - ndimage.distance_transform_edt(labels)
    assert np.abs(error).max() < 0.67 + 0.02 * radius


def test_what_is_unknown_teaches_nothing():
    labels = two_rectangles()
    labels[:, 25:] = -1
    targets = make_targets(labels)
    assert np.array_equal(targets.known, labels >= 0)
    assert not targets.foreground[:, 25:].any()
    # Nobody says that the right rectangle ends at column 25.
    assert (targets.classes[12:19, 24] == INTERIOR).all()
    assert (targets.distance[13:18, 24] > 0.5).all()
    for offset, (dy, dx) in enumerate(AFFINITY_OFFSETS):
        shifted = np.full_like(labels, -1)
        y, x = np.nonzero(np.ones_like(labels))
        within = (y + dy >= 0) & (y + dy < 32) & (x + dx >= 0) & (x + dx < 40)
        shifted[y[within], x[within]] = labels[y[within] + dy, x[within] + dx]
        unknown = (labels < 0) | (shifted < 0)
        assert np.array_equal(targets.pairs[offset] == UNKNOWN_PAIR, unknown)


def test_the_border_of_the_image_is_no_edge_of_an_object():
    labels = np.zeros((24, 24), np.int32)
    labels[:10, 6:17] = 5
    targets = make_targets(labels)
    assert (targets.classes[0, 7:16] == INTERIOR).all()
    assert targets.distance[0, 11] == 1
    expected = np.minimum(np.arange(1, 12), 12 - np.arange(1, 12)) / 6
    assert np.allclose(targets.distance[0, 6:17], expected, atol=1e-6)
    assert targets.star_distances[N_RAYS * 3 // 4, 2, 5] == pytest.approx(4.5, abs=0.5)


def test_numbers_of_objects_do_not_matter():
    labels = two_rectangles()
    once, again = make_targets(labels), make_targets(np.where(labels > 0, labels * 1000, 0))
    for name, values in vars(once).items():
        assert np.array_equal(values, getattr(again, name)), name


@pytest.mark.parametrize("value", [0, -1])
def test_images_without_objects_have_targets(value):
    targets = make_targets(np.full((8, 6), value, np.int32))
    assert not targets.foreground.any() and not targets.distance.any() and not targets.flow.any()
    assert targets.known.all() == (value == 0)


@pytest.mark.parametrize("shape", [(7, 8), (8, 7), (2, 8, 8)])
def test_odd_sides_are_refused(shape):
    with pytest.raises(ValueError, match="even sides"):
        make_targets(np.zeros(shape, np.int32))


@settings(max_examples=60, deadline=None)
@given(SMALL_LABELS)
def test_interiors_of_two_objects_never_touch(labels):
    targets = make_targets(labels)
    interior = np.where(targets.classes == INTERIOR, labels, 0)
    parts, n_parts = ndimage.label(interior > 0, EIGHT)
    for part in range(1, n_parts + 1):
        assert len(np.unique(interior[parts == part])) == 1
    assert (interior[labels <= 0] == 0).all()


@settings(max_examples=60, deadline=None)
@given(SMALL_LABELS)
def test_targets_stay_in_their_ranges(labels):
    targets = make_targets(labels)
    inside = labels > 0
    assert np.array_equal(targets.foreground, inside)
    assert ((targets.distance >= 0) & (targets.distance <= 1)).all()
    assert (targets.distance[~inside] == 0).all() and (targets.flow[:, ~inside] == 0).all()
    assert np.hypot(*targets.flow).max() <= 1 + 1e-5
    assert ((targets.star_distances > 0).all(axis=0) == inside[::2, ::2]).all()
    for offset, (dy, dx) in enumerate(AFFINITY_OFFSETS[:2]):
        own, other = labels[-dy:, -dx:], labels[: 16 + dy, : 18 + dx]
        same = (own == other) & (own > 0)
        pairs = targets.pairs[offset, -dy:, -dx:]
        assert np.array_equal(pairs == SAME_OBJECT, same)
        assert np.array_equal(pairs == BOTH_BACKGROUND, (own == 0) & (other == 0))
        assert np.array_equal(pairs == DIFFERENT_OBJECTS, (own > 0) & (other > 0) & (own != other))
