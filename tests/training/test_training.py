"""Training: the same whoever computes it, on what is known only, and it learns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from real_images import BBBC038

from levelfield.segmentation import METHODS
from levelfield.segmentation.networks.unet import split_groups as split_channels
from levelfield.segmentation.small_network.prediction import FULL
from levelfield.segmentation.small_network.targets import N_RAYS, make_targets
from levelfield.training import loop
from levelfield.training.kinds import KINDS, unet_segmenter
from levelfield.training.losses import HEADS, head_losses, split_merge_loss, threshold_bias_loss
from levelfield.training.samples import draw_crop, sampling_weights, training_image
from levelfield.training.scoring import known_objects, score_segmenter
from levelfield.training.split import ROLES, TEST, TRAINING, VALIDATION, split_groups

SMALL = loop.TrainingSettings(steps=6, batch=2, side=32, check_every=2, seed=3)


def draw_sample(*drawn):
    image, labels = draw_crop(*drawn)
    return image, make_targets(labels)


def real_images(group: str, n: int) -> list:
    index = pd.read_csv(BBBC038 / "index.csv")
    index = index[index["group"] == group].sort_values("name")
    names = [name for name in index["name"] if (BBBC038 / "images" / f"{name}.png").is_file()][:n]
    planes = [
        [np.asarray(Image.open(BBBC038 / kind / f"{name}.png")) for kind in ("images", "labels")]
        for name in names
    ]
    return [
        training_image(name, group, image / np.float32(255), labels.astype(np.int32))
        for name, (image, labels) in zip(names, planes, strict=True)
    ]


@pytest.fixture(scope="module")
def images():
    return real_images("256x256_5", 3)


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_sample_follows_from_its_number_alone(images):
    weights = sampling_weights(images)
    first = [draw_sample(images, weights, 32, 0, number) for number in (7, 8)]
    again = [draw_sample(images, weights, 32, 0, number) for number in (8, 7)]
    for (image, targets), (image_again, targets_again) in zip(first, again[::-1], strict=True):
        assert np.array_equal(image, image_again)
        assert all(
            np.array_equal(part, vars(targets_again)[name]) for name, part in vars(targets).items()
        )
    assert not np.array_equal(first[0][0], first[1][0])


def test_samples_are_drawn_where_something_is_known():
    labels = np.full((400, 400), -1, np.int32)
    labels[300:330, 300:330] = 0
    labels[308:322, 308:322] = 1
    image = np.random.default_rng(0).random((400, 400), np.float32)
    some = [training_image("a", "g", image, labels)]
    known = [draw_sample(some, np.ones(1), 64, 0, number)[1].known.any() for number in range(40)]
    assert np.mean(known) > 0.6  # a crop drawn anywhere would hit it once in ten times


def outputs(labels: np.ndarray) -> tuple:
    """Random outputs of the network, whose gradients are wanted, and the targets of labels."""
    torch.manual_seed(0)
    height, width = labels.shape
    output = torch.randn(1, sum(FULL.values()), height, width, requires_grad=True)
    star = torch.randn(1, 1 + N_RAYS, height // 2, width // 2, requires_grad=True)
    targets = {
        name: torch.from_numpy(array)[None] for name, array in vars(make_targets(labels)).items()
    }
    return output, star, targets


def test_unknown_pixels_enter_no_loss():
    labels = np.zeros((32, 32), np.int32)
    labels[8:20, 8:20] = 1
    labels[22:30, 4:12] = 2
    unknown = np.zeros(labels.shape, bool)
    unknown[:, 14:] = True  # cuts object 1
    labels[unknown] = -1
    output, star, targets = outputs(labels)
    losses = head_losses(output, star, targets)
    assert set(losses) == set(HEADS)
    total = sum(losses.values()) + threshold_bias_loss(output, targets)
    (total + split_merge_loss(output, targets)).backward()
    assert torch.count_nonzero(output.grad[:, :, unknown]) == 0
    assert torch.count_nonzero(star.grad[:, :, unknown[::2, ::2]]) == 0
    for name, part in split_channels(output.grad).items():
        assert torch.count_nonzero(part[:, :, ~unknown]) > 0, name
    assert torch.count_nonzero(star.grad) > 0


class Interrupted(Exception):
    """Stands for a job that is killed."""


def test_an_interrupted_training_ends_with_the_same_bits(images, tmp_path):
    whole = loop.train(images[:2], images[2:], SMALL)

    def stop(row: dict, _: float) -> None:
        if row["step"] == 4:
            raise Interrupted

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        loop.train(images[:2], images[2:], SMALL, checkpoint=checkpoint, on_check=stop)
    steps = []
    resumed = loop.train(
        *(images[:2], images[2:], SMALL),
        checkpoint=checkpoint,
        on_check=lambda row, _: steps.append(row["step"]),
    )
    assert steps == [6]
    assert same(whole.weights, resumed.weights)
    pd.testing.assert_frame_equal(whole.history, resumed.history)
    with pytest.raises(ValueError, match="checkpoint of a training with other settings"):
        loop.train(images, [], replace(SMALL, steps=7), checkpoint=checkpoint)


def test_workers_do_not_change_the_weights(images):
    short = replace(SMALL, steps=3)
    alone, helped = (
        loop.train(images, [], short, machine=loop.Machine(workers=n)).weights for n in (0, 2)
    )
    assert same(alone, helped)


def test_training_stops_when_the_validation_loss_falls_no_more(images, monkeypatch):
    losses, seen = iter([3.0, 2.0, 2.5, 2.1, 1.0]), []

    def scripted(training: loop.Training, _) -> float:
        seen.append({name: part.clone() for name, part in training.average.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(loop.Training, "_validation_loss", scripted)
    settings = replace(SMALL, steps=10, check_every=1, patience=2)
    result = loop.train(images[:2], images[2:], settings)
    assert result.stopped_early
    assert list(result.history["step"]) == [1, 2, 3, 4]
    assert same(result.weights, seen[1])


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=30),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.integers(0, 5),
)
def test_groups_stay_whole_and_one_remains_for_training(groups, validation, test, seed):
    names = [f"g{number}" for number in groups]
    roles = split_groups(names, validation, test, seed)
    assert set(roles) == set(names)
    assert set(roles.values()) <= set(ROLES)
    assert TRAINING in roles.values()
    assert roles == split_groups(names[::-1], validation, test, seed)
    if test and len(roles) > 1:
        assert TEST in roles.values()
    later = split_groups([*names, "new", "newer"], validation, test, seed, roles)
    assert {group: later[group] for group in roles} == roles


def test_named_groups_get_their_roles_and_wrong_names_are_refused():
    roles = split_groups("abc", validation=["b"], test=["c"])
    assert roles == {"a": TRAINING, "b": VALIDATION, "c": TEST}
    with pytest.raises(ValueError, match=r"test_groups: there is no group 'd'\. The groups are a"):
        split_groups("abc", test=["d"])
    with pytest.raises(ValueError, match="'b' is used for test already"):
        split_groups("abc", validation=["b"], test=["b"])
    with pytest.raises(ValueError, match="'a' is used for training already"):
        split_groups("abc", test=["a"], earlier={"a": TRAINING})
    with pytest.raises(ValueError, match="no group is left to train on"):
        split_groups("ab", test=["a", "b"])


def test_objects_where_nobody_said_anything_are_not_judged():
    found = np.array([[1, 1, 1, 2, 2, 0, 3]], np.int32)
    labels = np.array([[5, 5, -1, -1, -1, -1, 0]], np.int32)
    assert known_objects(found, labels).tolist() == [[1, 1, 1, 0, 0, 0, 3]]
    assert known_objects(found, np.abs(labels)) is found


def test_a_short_training_finds_most_nuclei_of_an_image_it_never_saw():
    images = real_images("256x256_0", 8)
    heads = ("foreground", "cell_probability", "flow")
    size = {"steps": 200, "batch": 4, "side": 64, "learning_rate": 1e-2, "check_every": 40}
    result = loop.train(images[:7], [], loop.TrainingSettings(heads=heads, **size))
    losses = result.history["training"]
    assert losses.iloc[-1] < 0.6 * losses.iloc[0]
    scores = score_segmenter(unet_segmenter(result.weights), images[7:])
    assert list(scores["group"]) == ["all"]
    assert scores.loc[0, "ap_50"] >= 0.5


def test_the_methods_that_say_so_can_be_trained(schemas):
    trainable = {name for name, method in METHODS.items() if method.trainable}
    assert trainable == set(KINDS)
    assert trainable == set(schemas["networks"]["properties"]["method"]["enum"])
