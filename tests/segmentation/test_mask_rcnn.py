"""Mask R-CNN: targets, proposals, files. That one learns to segment is in tests/segmenters."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.draw import disk
from torchvision.models.detection.roi_heads import paste_masks_in_image

from levelfield.segmentation import segment_objects
from levelfield.segmentation.devices import Device
from levelfield.segmentation.networks.mask_rcnn import (
    build_network,
    load_mask_rcnn,
    read_weights,
    ready,
)
from levelfield.training.kinds import KINDS
from levelfield.training.loop import train
from levelfield.training.mask_rcnn import MASK_RCNN, instance_targets
from levelfield.training.recipe import Machine, TrainingSettings
from levelfield.training.samples import draw_crop, training_image

SHAPE = (96, 128)
BOXES = torch.tensor([[10.3, 12.0, 33.7, 40.2], [28.0, 14.5, 60.0, 44.0], [110.0, 80.0, 127.9, 96]])
SCORES = torch.tensor([0.7, 0.9, 0.6])


@pytest.fixture(scope="module")
def disks():
    """An image of bright disks on noise, and their labels."""
    rng = np.random.default_rng(0)
    labels = np.zeros(SHAPE, np.int32)
    for number, centre in enumerate([(20, 20), (20, 60), (60, 30), (70, 90), (30, 100)], 1):
        labels[disk(centre, 10, shape=SHAPE)] = number
    image = 0.1 + 0.6 * (labels > 0) + rng.normal(0, 0.02, SHAPE)
    return image.astype(np.float32), labels


class Fixed(torch.nn.Module):
    """In place of a network: boxes, scores and masks that a test made up."""

    def __init__(self, masks):
        super().__init__()
        self.masks = masks

    def forward(self, images):
        return [{"boxes": BOXES.clone(), "scores": SCORES.clone(), "masks": self.masks}]


@pytest.fixture
def masks():
    return torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def fixed(masks):
    return ready(Fixed(masks), {}, Device("cpu", "cpu"))


def test_proposals_are_pasted_as_torchvision_pastes_them(fixed, masks):
    expected = paste_masks_in_image(masks, BOXES, SHAPE)[:, 0].numpy()
    image = np.zeros(SHAPE, np.float32)
    for one, whole in zip(fixed.propose([image], 0.0, [SHAPE])[0], expected, strict=True):
        pasted = np.zeros(SHAPE, np.float32)
        height, width = one.probability.shape
        pasted[one.top : one.top + height, one.left : one.left + width] = one.probability
        np.testing.assert_array_equal(pasted, whole)


def test_the_better_proposal_has_the_pixels_and_unsure_ones_are_left_out(disks, fixed):
    fixed.network.masks = torch.ones(3, 1, 28, 28)
    parameters = {"minimum_score": 0.65, "minimum_kept": 0.1}
    result = segment_objects(disks[0][None], "mask_rcnn", parameters, {"model": fixed})
    assert result.labels.max() == 2
    assert result.labels[30, 45] != result.labels[30, 15]
    assert result.labels[30, 31] == result.labels[30, 45]
    assert result.record["OverlappedFraction"] > 0


def test_targets_are_the_boxes_and_masks_of_the_objects():
    labels = np.zeros((30, 40), np.int32)
    labels[5:12, 8:20], labels[20:30, 30:40], labels[0, 0:3], labels[15:18, :4] = 3, 7, 8, -1
    targets = instance_targets(labels)
    np.testing.assert_array_equal(targets["boxes"], [[8, 5, 20, 12], [30, 20, 40, 30]])
    np.testing.assert_array_equal(targets["masks"].sum((1, 2)), [84, 100])
    assert targets["labels"].tolist() == [1, 1]
    assert instance_targets(np.zeros((8, 8), np.int32))["boxes"].shape == (0, 4)


def settings(steps: int, **parameters: object) -> TrainingSettings:
    given = {"steps": steps, "batch": 2, "side": 64, "check_every": 1} | parameters
    return KINDS["mask_rcnn"].settings(given, fine_tuning=False)


def test_training_is_the_same_twice_resumed_or_not_and_its_file_is_read_back(disks, tmp_path):
    images = [training_image("disks", "a", *disks)]
    whole = train(images, images, settings(3), recipe=MASK_RCNN)
    assert list(whole.history["step"]) == [1, 2, 3]
    assert np.isfinite(whole.history.to_numpy()).all()

    def stop(row: dict[str, float], _: float) -> None:
        if row["step"] == 2:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "checkpoint.pt"
    given = (images, images, settings(3), None, Machine(), checkpoint)
    with pytest.raises(KeyboardInterrupt):
        train(*given, stop, MASK_RCNN)
    resumed = train(*given, None, MASK_RCNN)
    assert list(resumed.history["step"]) == [1, 2, 3]
    for name, tensor in whole.weights.items():
        torch.testing.assert_close(tensor, resumed.weights[name], rtol=0, atol=0)
    path = tmp_path / "small.safetensors"
    KINDS["mask_rcnn"].write(path, whole.weights, settings(3), {"data": "disks"})
    model = load_mask_rcnn(path)
    assert model.facts["backbone"] == "small"
    result = segment_objects(disks[0][None], "mask_rcnn", {}, {"model": model})
    assert result.labels.shape == SHAPE


def test_judging_the_losses_changes_nothing_in_the_network(disks):
    network = build_network("small").eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = [training_image("disks", "a", *disks)]
    batch = [
        MASK_RCNN.sample(*draw_crop(images, np.ones(1), settings(1).side, 0, number))
        for number in (0, 1)
    ]
    assert all(
        torch.isfinite(one) for one in MASK_RCNN.losses(network, batch, settings(1), "cpu").values()
    )
    assert not network.training
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_weights_that_fit_are_taken_over(disks, tmp_path):
    start = {
        name: torch.full_like(t, 0.5) for name, t in build_network("small").state_dict().items()
    }
    start["roi_heads.box_predictor.cls_score.weight"] = torch.zeros(91, 128)
    # As torchvision publishes its own.
    torch.save(start, tmp_path / "coco.pth")
    start = KINDS["mask_rcnn"].read(tmp_path / "coco.pth")
    images = [training_image("disks", "a", *disks)]
    trained = train(images, [], settings(1, learning_rate=1e-9), start, recipe=MASK_RCNN).weights
    torch.testing.assert_close(
        trained["backbone.last.0.weight"], start["backbone.last.0.weight"], rtol=0, atol=1e-6
    )
    assert trained["roi_heads.box_predictor.cls_score.weight"].shape == (2, 128)


def test_a_start_of_another_network_is_refused():
    start = {name: torch.zeros(3) for name in ("foreground.weight", "flow.weight")}
    with pytest.raises(ValueError, match="another network or another backbone"):
        MASK_RCNN.start(build_network("small"), start)


def test_images_of_which_only_parts_are_known_are_refused(disks):
    image, labels = disks
    labels = np.where(labels == 0, -1, labels)
    with pytest.raises(ValueError, match="of the image 'disks' only parts are known"):
        KINDS["mask_rcnn"].check_images([training_image("disks", "a", image, labels)])


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_the_larger_networks_can_be_built(backbone):
    assert build_network(backbone).backbone.out_channels == 256


def test_what_is_no_mask_rcnn_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="no weights of a Mask R-CNN that was trained here"):
        load_mask_rcnn(path)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load_mask_rcnn(path)
    with pytest.raises(ValueError, match="allowed are small, resnet18, resnet50"):
        build_network("resnet101")
    with pytest.raises(ValueError, match="holds no weights of a Mask R-CNN"):
        read_weights(path)
