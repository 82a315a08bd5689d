"""Threshold bias: masks moved by a known distance on real images."""

import numpy as np
import pytest
from qc_images import dilated, eroded, nuclei_and_cells, nuclei_by_group
from scipy import ndimage

from levelfield.qc.evidence.bias import threshold_bias

GROUPS = nuclei_by_group()
# Pixels within a distance of 1.5 px of a mask form a square around each of its pixels, within 2 px
# a diamond: this is how far they move an edge on average over its directions.
MEAN_SHIFTS = {1.5: 4 / np.pi, 2.0: 4 * np.sqrt(2) / np.pi}


def image_median(labels, image, **options):
    return np.nanmedian(threshold_bias(labels, image, **options))


def disk_scene(radius=10.0, edge=1.0, background=0.1, foreground=0.6, count=4):
    """Blurred disks on a grid: the 50 % level lies at the radius."""
    size = 80 * count
    y, x = np.mgrid[:size, :size] % 80 - 40.0
    distance = np.hypot(y, x)
    image = background + (foreground - background) / (1 + np.exp((distance - radius) / edge))
    labels, _ = ndimage.label(distance <= radius)
    return labels.astype(np.int32), image.astype(np.float32)


@pytest.mark.parametrize(("group", "images"), GROUPS, ids=[group for group, _ in GROUPS])
def test_dilating_real_masks_by_1_5_px_moves_the_bias_by_what_the_edge_moved(group, images):
    for image, labels in images:
        for distance, mean_shift in MEAN_SHIFTS.items():
            larger = dilated(labels, distance)
            moved = image_median(larger, image) - image_median(labels, image)
            assert moved == pytest.approx(mean_shift, abs=0.35)


@pytest.mark.parametrize(("group", "images"), GROUPS, ids=[group for group, _ in GROUPS])
def test_eroding_real_masks_moves_the_bias_down(group, images):
    for image, labels in images:
        smaller = eroded(labels, 2.0)
        moved = image_median(smaller, image) - image_median(labels, image)
        assert moved == pytest.approx(-1.5, abs=0.5)


@pytest.mark.parametrize("well", ["A01", "A12", "E01"])
def test_8_bit_images_clipped_at_zero_are_measured(well):
    dna, nuclei, _, _ = nuclei_and_cells(well)
    dna = np.maximum(dna - np.float32(12 / 255), 0)
    assert (dna[nuclei == 0] == 0).mean() > 0.5
    bias = threshold_bias(nuclei, dna)
    assert np.isfinite(bias).mean() > 0.95
    moved = image_median(dilated(nuclei, 1.5), dna) - np.nanmedian(bias)
    assert moved == pytest.approx(1.5, abs=0.4)


@pytest.mark.parametrize("well", ["B01", "E01"])
def test_cells_move_too_and_most_are_measured(well):
    _, nuclei, fkhr, cells = nuclei_and_cells(well)
    bias = threshold_bias(cells, fkhr, inner=nuclei)
    assert np.isfinite(bias).mean() > 0.5
    moved = image_median(dilated(cells, 1.5), fkhr, inner=nuclei) - np.nanmedian(bias)
    assert 0.7 < moved < 1.9


def test_a_stain_that_moves_into_the_nucleus_is_not_taken_for_a_moved_edge():
    # The same cell edge; the stain is in the cytoplasm or in the nucleus, as in translocation.
    labels, image = disk_scene(radius=16.0, background=0.05, foreground=0.4)
    nuclei, bright = disk_scene(radius=7.0, background=0.0, foreground=1.0)
    inside = labels.copy() * (nuclei > 0)
    moved_in, moved_out = image + 0.5 * bright, image - 0.25 * bright
    naive = image_median(labels, moved_in) - image_median(labels, moved_out)
    aware = image_median(labels, moved_in, inner=inside) - image_median(
        labels, moved_out, inner=inside
    )
    assert abs(naive) > 1
    assert abs(aware) < abs(naive) / 3


@pytest.mark.parametrize("radius", [5.0, 10.0, 30.0])
def test_level_sets_where_the_edge_lies(radius):
    labels, image = disk_scene(radius=radius, edge=0.8)
    bias = {level: image_median(labels, image, level=level) for level in (0.3, 0.5, 0.7)}
    assert bias[0.5] == pytest.approx(0, abs=0.35)
    assert bias[0.3] < bias[0.5] < bias[0.7]


def test_brightness_offset_and_scale_do_not_matter():
    labels, image = disk_scene()
    first = threshold_bias(labels, image)
    assert threshold_bias(labels, 0.2 + 0.3 * image) == pytest.approx(first, abs=1e-3)


def test_rotating_the_field_hardly_matters():
    image, labels = GROUPS[0][1][0]
    turned = image_median(np.rot90(labels).copy(), np.rot90(image).copy())
    assert turned == pytest.approx(image_median(labels, image), abs=0.1)


def test_numbering_of_the_objects_does_not_matter():
    image, labels = GROUPS[1][1][0]
    order = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(labels.max())])
    renumbered = order[labels].astype(np.int32)
    assert threshold_bias(renumbered, image)[order[1:] - 1] == pytest.approx(
        threshold_bias(labels, image), nan_ok=True
    )


def test_same_input_gives_the_same_bytes():
    image, labels = GROUPS[2][1][0]
    assert threshold_bias(labels, image).tobytes() == threshold_bias(labels, image).tobytes()


def test_what_cannot_be_measured_is_nan_not_a_number():
    labels = np.zeros((60, 60), np.int32)
    labels[:, :] = 1  # fills the field: no background at all
    assert np.isnan(threshold_bias(labels, np.ones((60, 60), np.float32))).all()
    labels = np.zeros((60, 60), np.int32)
    labels[20:40, 20:40] = 1
    flat = threshold_bias(labels, np.full((60, 60), 0.3, np.float32))
    assert np.isnan(flat).all()
    noise = np.random.default_rng(1).normal(0.5, 0.1, (60, 60)).astype(np.float32)
    assert np.isnan(threshold_bias(labels, noise)).all()


def test_an_object_walled_in_by_others_is_nan():
    labels = np.zeros((90, 90), np.int32)
    for index in range(9):
        row, column = 15 + 20 * (index // 3), 15 + 20 * (index % 3)
        labels[row : row + 20, column : column + 20] = index + 1
    image = ndimage.gaussian_filter((labels > 0).astype(np.float32), 1)
    bias = threshold_bias(labels, image)
    assert np.isnan(bias[4])
    assert np.isfinite(np.delete(bias, 4)).all()


def test_missing_labels_and_empty_fields():
    labels, image = disk_scene()
    gaps = np.where(labels > 0, labels * 2, 0).astype(np.int32)
    bias = threshold_bias(gaps, image)
    assert np.isnan(bias[::2]).all() and np.isfinite(bias[1::2]).all()
    assert threshold_bias(np.zeros((9, 9), np.int32), np.zeros((9, 9), np.float32)).size == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((3, 3), np.float32)}, "one shape"),
        ({"image": np.full((4, 4), np.nan, np.float32)}, "NaN"),
        ({"labels": np.ones((4, 4), np.float32)}, "whole numbers"),
        ({"level": 1.0}, "between them"),
        ({"inner": np.zeros((2, 2), np.int32)}, "same field"),
    ],
)
def test_wrong_input_is_refused_with_a_reason(change, words):
    given = {"labels": np.ones((4, 4), np.int32), "image": np.zeros((4, 4), np.float32)}
    with pytest.raises(ValueError, match=words):
        threshold_bias(**(given | change))
