"""The method `classical` goes by the scale of the plate's typical object."""

import numpy as np
import pytest
from PIL import Image
from real_images import BBBC013
from scipy import ndimage

from levelfield.evaluation import evaluate_image
from levelfield.labels.distance import distance_to_background
from levelfield.labels.labelwise import median_diameter
from levelfield.segmentation import segment_objects
from levelfield.segmentation.by_threshold import measure_typical
from levelfield.segmentation.methods.classical import ClassicalOptions
from levelfield.segmentation.sizes import in_px, with_px

SIDE = 240


def disks(places, radius, side=SIDE, blur=1.0):
    """Disks (y, x, height) on a dark background with pixel noise, and their labels."""
    y, x = np.mgrid[:side, :side]
    image, labels = np.full((side, side), 0.05), np.zeros((side, side), np.int32)
    for number, (row, column, height) in enumerate(places, 1):
        inside = (y - row) ** 2 + (x - column) ** 2 <= radius**2
        image[inside], labels[inside] = height, number
    noise = np.random.default_rng(0).normal(0, 0.003, image.shape)
    return np.float32(ndimage.gaussian_filter(image, blur) + noise), labels


GRID = [(row, column, 0.5) for row in (40, 120, 200) for column in (40, 120, 200)]


@pytest.mark.parametrize("radius", [3, 8, 30])
def test_the_typical_diameter_is_that_of_the_objects(radius):
    lines = range(2 * radius, SIDE - radius, 4 * radius)
    places = [(row, column, 0.5) for row in lines for column in lines]
    image, labels = disks(places, radius, blur=max(0.8, radius / 12))
    found = measure_typical([image[None]], ClassicalOptions())
    assert found.diameter == pytest.approx(median_diameter(labels), rel=0.08)
    assert found.contrast == pytest.approx(0.45, rel=0.15)


@pytest.mark.parametrize("zoom", [0.5, 2, 3])
def test_another_magnification_shows_the_same_objects(zoom):
    picture = Image.open(BBBC013 / "Channel2-01-A-01.tif")
    image = np.asarray(picture)[:256, :256].astype(np.float32) / 255
    as_it_is = segment_objects(image[None], "classical", {}).labels
    enlarged = np.float32(ndimage.zoom(image, zoom, order=1, grid_mode=True, mode="nearest"))
    wanted = ndimage.zoom(as_it_is, zoom, order=0, grid_mode=True, mode="nearest")
    found = segment_objects(enlarged[None], "classical", {})
    assert evaluate_image(found.labels, wanted).scores["ap_50"] > 0.85
    assert found.record["TypicalDiameter"] / zoom == pytest.approx(
        segment_objects(image[None], "classical", {}).record["TypicalDiameter"], rel=0.1
    )


def test_specks_go_by_size_and_contrast_and_only_if_that_is_wanted():
    image, labels = disks(GRID, 20)
    specks, _ = disks([(80, 80, 0.35), (80, 160, 0.35), (160, 80, 0.35)], 3)
    image = np.maximum(image, specks)
    found = segment_objects(image[None], "classical", {})
    assert found.labels.max() == labels.max()
    assert found.record["RemovedDebris"] == 3
    kept = segment_objects(image[None], "classical", {"debris": 0, "minimum_diameter": 3})
    assert kept.labels.max() == labels.max() + 3


def test_what_is_debris_depends_on_the_plate_and_not_on_the_image():
    image, _ = disks([(120, 120, 0.5)], 5)
    alone = segment_objects(image[None], "classical", {"diameter": 10, "contrast": 0.4})
    assert alone.labels.max() == 1
    of_large_nuclei = segment_objects(image[None], "classical", {"diameter": 80, "contrast": 0.4})
    assert of_large_nuclei.labels.max() == 0


def test_a_dim_nucleus_beside_a_bright_one_is_found():
    # As far apart as touching nuclei are: the dim one has no peak of its own.
    image, _ = disks([(60, 60, 0.4), (60, 160, 0.4), (160, 70, 0.9), (160, 104, 0.3)], 17, blur=2)
    labels = segment_objects(image[None], "classical", {"diameter": 34, "contrast": 0.35}).labels
    assert labels[160, 110] > 0
    assert labels[160, 110] != labels[160, 70]


def test_the_glow_of_cytoplasm_is_background():
    image, labels = disks(GRID[::2], 14)
    glow, _ = disks([(row, column, 0.16) for row, column, _ in GRID[::2]], 32, blur=4)
    found = segment_objects(np.maximum(image, glow)[None], "classical", {"diameter": 28})
    bias = np.sqrt(np.bincount(found.labels.ravel())[1:] / np.pi) - 14
    assert found.labels.max() == len(GRID[::2])
    assert np.abs(bias).max() < 1.5
    assert evaluate_image(found.labels, labels).scores["ap_70"] == 1


def test_sizes_are_in_px_diameters_or_um():
    assert [in_px(size, 20, 0.05) for size in (None, 3, "3 px", "0.3 diameters")] == [1, 3, 3, 6]
    given = {"minimum_diameter": "4 um", "declump": {"smoothing": "1 µm"}, "border": "keep"}
    assert with_px(given, 0.5) == {
        "minimum_diameter": 8, "declump": {"smoothing": 2}, "border": "keep",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"minimum_diameter is '4 um'.*pixel_size_um"):
        with_px(given, None)
    with pytest.raises(ValueError, match="pixel_size_um"):
        in_px("4 um", 20, 0.05)
    image, _ = disks(GRID, 8)
    with pytest.raises(ValueError, match=r"smoothing is '4 miles'.*4 um"):
        segment_objects(image[None], "classical", {"smoothing": "4 miles"})
    small = {"maximum_diameter": "0.5 diameters", "debris": 0}
    assert segment_objects(image[None], "classical", small).labels.max() == 0


def test_a_blank_image_has_no_objects_and_a_stated_scale():
    image = np.float32(np.random.default_rng(1).normal(0.1, 0.01, (60, 60)))
    found = segment_objects(image[None], "classical", {})
    assert found.labels.max() == 0
    assert found.record["TypicalDiameter"] == 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (40, 31)])
def test_distances_are_those_of_scipy(shape):
    for blur in (0, 1, 4):
        noise = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=shape), blur)
        mask = noise > np.median(noise)
        np.testing.assert_allclose(
            distance_to_background(mask), ndimage.distance_transform_edt(mask), rtol=1e-6
        )
