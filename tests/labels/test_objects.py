import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from real_images import BBBC038
from scipy import ndimage
from skimage.segmentation import expand_labels

from levelfield.labels import objects

label_images = arrays(np.int32, (9, 11), elements=st.integers(0, 4))


@given(label_images)
def test_renumber_gives_consecutive_numbers_in_raster_order_and_keeps_the_objects(labels):
    result = objects.renumber(labels)
    seen = [number for number in dict.fromkeys(result.ravel().tolist()) if number]
    assert seen == list(range(1, len(seen) + 1))
    pairs = set(zip(labels.ravel().tolist(), result.ravel().tolist(), strict=True))
    assert len(pairs) == len({before for before, _ in pairs}) == len({after for _, after in pairs})
    assert ((labels == 0) == (result == 0)).all()


@given(label_images)
def test_mask_holes_are_filled_as_scipy_does(labels):
    mask = labels > 1
    np.testing.assert_array_equal(objects.fill_mask_holes(mask), ndimage.binary_fill_holes(mask))


@given(label_images)
def test_object_holes_are_filled_unless_two_objects_border_on_them(labels):
    result = objects.fill_object_holes(labels)
    assert (result[labels > 0] == labels[labels > 0]).all()
    for number in np.unique(labels[labels > 0]):
        alone = ndimage.binary_fill_holes(labels == number)
        assert not ((result == number) & ~alone).any()
    only = np.where(labels == 1, 1, 0).astype(np.int32)
    expected = ndimage.binary_fill_holes(only)
    np.testing.assert_array_equal(objects.fill_object_holes(only) > 0, expected)


@given(label_images)
def test_largest_parts_keeps_one_part_of_each_object_and_none_is_larger(labels):
    result = objects.largest_parts(labels)
    for number in np.unique(labels[labels > 0]):
        parts, _ = ndimage.label(labels == number, np.ones((3, 3)))
        largest = np.bincount(parts.ravel())[1:].max()
        kept, n_kept = ndimage.label(result == number, np.ones((3, 3)))
        assert n_kept == 1 and (kept > 0).sum() == largest


def test_an_object_with_two_neighbours_in_its_hole_keeps_the_hole():
    labels = np.ones((7, 7), np.int32)
    labels[2:5, 2:5] = 0
    labels[3, 3] = 2
    np.testing.assert_array_equal(objects.fill_object_holes(labels), labels)


def test_border_and_area_are_reported_by_number_also_where_numbers_are_missing():
    labels = np.zeros((6, 8), np.int32)
    labels[0, 0:2] = 1
    labels[2:4, 2:5] = 3
    assert objects.areas(labels).tolist() == [2, 0, 6]
    assert objects.touches_border(labels).tolist() == [True, False, False]
    assert objects.object_numbers(labels).tolist() == [1, 3]
    kept = objects.keep_objects(labels, np.array([False, False, True]))
    assert objects.object_numbers(kept).tolist() == [3]


@pytest.mark.parametrize("shape", [(5, 5), (1, 7)])
def test_an_image_without_objects_passes_through_everything(shape):
    empty = np.zeros(shape, np.int32)
    for function in (
        objects.renumber,
        objects.fill_object_holes,
        objects.largest_parts,
        objects.split_parts,
    ):
        assert function(empty).shape == shape and not function(empty).any()
    assert objects.areas(empty).tolist() == []
    assert objects.touches_border(empty).tolist() == []
    assert not objects.expand(empty, 3).any()
    assert objects.relate(empty, empty).empty


@pytest.mark.parametrize("distance", [0, 1, 1.5, 2**0.5, 10])
def test_objects_grow_as_those_of_scikit_image(distance):
    name = pd.read_csv(BBBC038 / "index.csv")["name"][0]
    labels = np.asarray(Image.open(BBBC038 / "labels" / f"{name}.png")).astype(np.int32)
    grown = objects.expand(labels, distance)
    assert grown.dtype == np.int32
    np.testing.assert_array_equal(grown, expand_labels(labels, distance))


def test_cytoplasm_keeps_the_number_of_its_cell_and_may_be_empty():
    cells = np.zeros((10, 20), np.int32)
    cells[1:9, 1:9] = 1
    cells[1:9, 11:19] = 2
    nuclei = np.where(cells == 2, 2, 0).astype(np.int32)
    nuclei[3:6, 3:6] = 1
    cytoplasm = objects.subtract(cells, nuclei)
    assert objects.areas(cytoplasm).tolist() == [64 - 9]
    with_rim = objects.subtract(cells, nuclei, shrink=1)
    assert objects.object_numbers(with_rim).tolist() == [1, 2]
    assert objects.areas(with_rim)[1] == 64 - 36


def test_inner_part_at_the_image_border_is_not_eroded_from_outside():
    labels = np.ones((5, 5), np.int32)
    np.testing.assert_array_equal(objects.inner_part(labels, 2), labels)


def test_each_child_belongs_to_the_parent_that_covers_most_of_it():
    parents = np.zeros((4, 10), np.int32)
    parents[:, :5] = 1
    parents[:, 5:8] = 2
    children = np.zeros((4, 10), np.int32)
    children[0, 3:6] = 1
    children[1, 4:6] = 2
    children[2, 8:10] = 3
    children[3, 5:9] = 5
    table = objects.relate(children, parents)
    assert table["child"].tolist() == [1, 2, 3, 5]
    assert table["parent"].tolist() == [1, 1, 0, 2]
    np.testing.assert_allclose(table["fraction"], [2 / 3, 1 / 2, 0, 3 / 4])


def test_objects_are_cut_to_a_mask_or_removed_when_too_little_is_inside():
    labels = np.zeros((4, 12), np.int32)
    labels[:, 0:4] = 1
    labels[:, 6:10] = 2
    mask = np.zeros(labels.shape, bool)
    mask[:, 3:9] = True
    assert objects.areas(objects.within_mask(labels, mask)).tolist() == [4, 12]
    kept = objects.within_mask(labels, mask, minimum_fraction=0.5)
    assert objects.object_numbers(kept).tolist() == [2]


def test_near_objects_merge_and_parts_split_again():
    labels = np.zeros((5, 20), np.int32)
    labels[1:4, 1:4] = 1
    labels[1:4, 6:9] = 2
    labels[1:4, 14:17] = 3
    merged = objects.merge_near(labels, distance=4)
    assert merged.max() == 2 and merged[2, 2] == merged[2, 7] != merged[2, 15]
    np.testing.assert_array_equal(objects.split_parts(merged), labels)
    np.testing.assert_array_equal(objects.merge_near(labels, distance=1), labels)
