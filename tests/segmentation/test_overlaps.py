"""Claims on the same pixels, and polygons that mean the same object."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.segmentation.options import SizeFilter
from levelfield.segmentation.overlaps import Claim, claim, resolve_overlaps, without_overlaps
from levelfield.segmentation.star_polygons import polygon_claims, suppress

SHAPE = (20, 30)


def block(score: float, top: int, left: int, height: int = 6, width: int = 6) -> Claim:
    return claim(score, np.ones((height, width), bool), SHAPE[1], top, left)


def test_the_better_claim_has_the_shared_pixels_and_the_share_is_reported():
    labels, record = resolve_overlaps([block(0.5, 2, 2), block(0.9, 2, 5)], SHAPE)
    assert (labels[2:8, 2:5] == 1).all()
    assert (labels[2:8, 5:11] == 2).all()
    assert np.count_nonzero(labels) == 54
    assert record == {"OverlappedFraction": 18 / 54, "Duplicates": 0.0}


def test_of_equal_scores_the_first_has_the_pixels():
    labels, _ = resolve_overlaps([block(0.5, 2, 2), block(0.5, 2, 5)], SHAPE)
    assert (labels[2:8, 2:8] == 1).all()


def test_what_keeps_too_little_is_a_duplicate_and_claims_nothing():
    claims = [block(0.9, 2, 2), block(0.8, 3, 3), block(0.7, 3, 8)]
    labels, record = resolve_overlaps(claims, SHAPE, minimum_kept=0.5)
    assert set(np.unique(labels)) == {0, 1, 3}
    assert record == {"OverlappedFraction": 0.0, "Duplicates": 1.0}
    assert (labels[3:9, 8:14] == 3).all()


def test_no_claims_are_no_objects():
    labels, record = resolve_overlaps([], SHAPE)
    assert not labels.any()
    assert record["OverlappedFraction"] == 0


def test_an_object_that_was_cut_in_two_keeps_its_larger_part():
    bar = block(0.2, 8, 0, 2, 30)
    result = without_overlaps([bar, block(0.9, 5, 8)], SHAPE, SizeFilter(minimum_diameter=0))
    assert result.labels.max() == 2
    assert not result.labels[8, :8].any()
    assert (result.labels[8:10, 14:] == result.labels[8, 20]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 14), st.integers(0, 24), st.floats(0, 1, width=32)), max_size=8
    )
)
def test_the_order_of_claims_does_not_matter_but_for_their_numbers(places):
    scores = {round(score, 3) for *_, score in places}
    claims = [block(round(score, 3), top, left) for top, left, score in places]
    if len(scores) < len(claims):
        return  # equal scores: the first wins, so the order does matter
    forward, first = resolve_overlaps(claims, SHAPE, 0.3)
    backward, second = resolve_overlaps(claims[::-1], SHAPE, 0.3)
    renumbered = np.where(backward > 0, len(claims) + 1 - backward, 0)
    np.testing.assert_array_equal(forward, renumbered)
    assert first == second


def disks(centres, radius, n_rays=32):
    return np.array(centres), np.full((len(centres), n_rays), radius, np.float32)


@pytest.mark.parametrize("distance", range(2, 24))
def test_suppression_measures_the_overlap_of_two_disks(distance):
    """Against the area of a lens, at thresholds just above and below it."""
    radius = 10.0
    half = distance / 2
    lens = 0.0
    if distance < 2 * radius:
        lens = 2 * radius**2 * np.arccos(half / radius) - half * np.sqrt(
            4 * radius**2 - distance**2
        )
    share = lens / (np.pi * radius**2)
    points, distances = disks([(50, 50), (50, 50 + distance)], radius, 64)
    scores = np.array([0.9, 0.8], np.float32)
    assert len(suppress(points, distances, scores, share + 0.03)) == 2
    if share > 0.03:
        assert list(suppress(points, distances, scores, share - 0.03)) == [0]


def test_a_suppressed_polygon_suppresses_nothing():
    points, distances = disks([(50, 50), (50, 58), (50, 66)], 10.0)
    kept = suppress(points, distances, np.array([0.9, 0.8, 0.7], np.float32), 0.4)
    assert list(kept) == [0, 2]


def test_the_best_of_many_is_found_however_far_they_spread():
    rng = np.random.default_rng(3)
    centres = [(y, x) for y in range(20, 400, 40) for x in range(20, 400, 40)]
    points = np.concatenate([np.add(centre, rng.integers(-3, 4, (9, 2))) for centre in centres])
    distances = np.full((len(points), 32), 12, np.float32)
    scores = rng.random(len(points)).astype(np.float32)
    best = {int(9 * group + scores[9 * group : 9 * group + 9].argmax()) for group in range(100)}
    assert set(suppress(points, distances, scores, 0.3).tolist()) == best


def test_polygons_cover_the_disks_that_they_describe():
    points, distances = disks([(20, 20), (5, 48)], 8.0, 64)
    claims = polygon_claims(points, distances, np.array([0.5, 0.4]), (40, 50))
    y, x = np.mgrid[:40, :50]
    for (row, column), one in zip(points, claims, strict=True):
        disk = np.hypot(y - row, x - column) <= 8
        drawn = np.zeros(disk.size, bool)
        drawn[one.pixels] = True
        assert np.count_nonzero(drawn.reshape(disk.shape) ^ disk) < 0.06 * disk.sum()
