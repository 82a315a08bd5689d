"""Segment Anything: the same masks as the package makes with the same weights."""

import numpy as np
import pytest
import torch
from PIL import Image
from real_images import BBBC038
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything_networks import small_network, write_small_network

from levelfield.labels import objects
from levelfield.segmentation import segment_objects
from levelfield.segmentation.methods.segment_anything import as_colours
from levelfield.segmentation.methods.segment_anything_cells import nucleus_boxes, nucleus_points
from levelfield.segmentation.networks.segment_anything import load_segment_anything

NAME = "05a8f65ebd0b30d3"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_segment_anything(write_small_network(tmp_path_factory.mktemp("sam") / "small.pth"))


@pytest.fixture(scope="module")
def image():
    with Image.open(BBBC038 / "images" / f"{NAME}.png") as picture:
        return np.asarray(picture, np.float32)[None, :, :200] / 255


@pytest.fixture(scope="module")
def nuclei():
    with Image.open(BBBC038 / "labels" / f"{NAME}.png") as picture:
        return objects.renumber(np.asarray(picture, np.int32)[:, :200])


class Painted:
    """In place of a network: masks that a test made up."""

    device_name = "cpu"

    def __init__(self, found):
        self.found = found

    def encode(self, images):
        return images

    def masks_of_prompts(self, image, boxes, points):
        return iter(self.found)

    def all_masks(self, image, *settings):
        return iter(self.found)


class Found:
    def __init__(self, score, rows, columns, shape=(40, 60)):
        self.score, self.mask = score, np.zeros(shape, bool)
        self.mask[rows, columns] = True


def test_the_architecture_is_read_from_the_weights(model):
    expected = {name: value.shape for name, value in small_network().state_dict().items()}
    found = {name: value.shape for name, value in model.network.state_dict().items()}
    assert found == expected
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(
            model.network.image_encoder(image), small_network().image_encoder(image)
        )


@pytest.mark.parametrize("prompts", ["boxes", "points", "both"])
def test_prompted_masks_are_those_of_the_package(prompts, model, image, nuclei):
    boxes = None if prompts == "points" else nucleus_boxes(nuclei, 0.5)
    points = None if prompts == "boxes" else nucleus_points(nuclei)
    found = list(model.masks_of_prompts(model.encode([as_colours(image)])[0], boxes, points))
    predictor = SamPredictor(small_network())
    predictor.set_image(as_colours(image))
    assert len(found) == nuclei.max()
    for number, one in enumerate(found):
        masks, quality, _ = predictor.predict(
            point_coords=None if points is None else points[number : number + 1],
            point_labels=None if points is None else np.ones(1),
            box=None if boxes is None else boxes[number],
            multimask_output=boxes is None,
        )
        assert one.score == pytest.approx(quality.max(), abs=1e-4)
        assert np.mean(one.mask != masks[quality.argmax()]) < 1e-3


def test_automatic_masks_are_those_of_the_package(model, image):
    found = list(model.all_masks(model.encode([as_colours(image)])[0], 4, -10.0, 0.0))
    generator = SamAutomaticMaskGenerator(
        small_network(), points_per_side=4, pred_iou_thresh=-10.0, stability_score_thresh=0.0
    )
    expected = generator.generate(as_colours(image))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other["predicted_iou"], abs=1e-4)
        assert np.mean(one.mask != other["segmentation"]) < 1e-3


def test_cells_keep_their_nuclei_and_numbers_and_the_better_has_what_both_claim():
    nuclei = np.zeros((40, 60), np.int32)
    nuclei[15:20, 10:15], nuclei[15:20, 30:35] = 2, 5
    cells = [Found(0.4, slice(10, 25), slice(5, 40)), Found(0.9, slice(10, 25), slice(22, 45))]
    image = np.random.default_rng(0).random((2, 40, 60)).astype(np.float32)
    result = segment_objects(
        image, "segment_anything_cells", {}, {"parent": nuclei, "model": Painted(cells)}
    )
    assert set(np.unique(result.labels)) == {0, 2, 5}
    assert (result.labels[nuclei > 0] == nuclei[nuclei > 0]).all()
    assert (result.labels[10:25, 22:45] == 5).all()
    assert (result.labels[10:25, 5:22] == 2).all()
    # The other's nucleus was never claimed.
    shared = 15 * 18 - 25
    assert result.record["OverlappedFraction"] == pytest.approx(shared / (15 * 40))


def test_a_cell_that_the_network_doubts_is_its_nucleus():
    nuclei = np.zeros((40, 60), np.int32)
    nuclei[15:20, 10:15] = 1
    given = {"parent": nuclei, "model": Painted([Found(0.4, slice(5, 30), slice(5, 30))])}
    image = np.random.default_rng(0).random((1, 40, 60)).astype(np.float32)
    result = segment_objects(image, "segment_anything_cells", {"minimum_quality": 0.5}, given)
    np.testing.assert_array_equal(result.labels, nuclei)


def test_no_nuclei_are_no_cells(model, image):
    nothing = np.zeros(image.shape[1:], np.int32)
    result = segment_objects(
        image, "segment_anything_cells", {}, {"parent": nothing, "model": model}
    )
    assert not result.labels.any()


def test_a_mask_of_the_background_takes_no_object_with_it():
    found = [
        Found(0.99, slice(0, 40), slice(0, 60)),
        Found(0.95, slice(5, 15), slice(5, 15)),
        Found(0.94, slice(6, 15), slice(5, 15)),
        Found(0.90, slice(20, 30), slice(30, 40)),
    ]
    image = np.random.default_rng(0).random((1, 40, 60)).astype(np.float32)
    result = segment_objects(
        image, "segment_anything", {"maximum_diameter": 20}, {"model": Painted(found)}
    )
    assert result.labels.max() == 2
    assert result.record["RemovedLarge"] == 1
    assert result.record["Duplicates"] == 1


def test_points_lie_in_their_nuclei_and_boxes_around_them(nuclei):
    columns, rows = nucleus_points(nuclei).astype(int).T
    np.testing.assert_array_equal(nuclei[rows, columns], np.arange(1, nuclei.max() + 1))
    tight, wide = nucleus_boxes(nuclei, 0.0), nucleus_boxes(nuclei, 0.5)
    assert (wide[:, :2] <= tight[:, :2]).all() and (wide[:, 2:] >= tight[:, 2:]).all()
    assert wide.min() >= 0 and wide[:, 2].max() <= nuclei.shape[1]


def test_other_weights_and_too_many_channels_are_refused(model, tmp_path, image):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="holds no weights of Segment Anything"):
        load_segment_anything(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="at most 3 channels but was given 4"):
        segment_objects(np.concatenate([image] * 4), "segment_anything", {}, {"model": model})
