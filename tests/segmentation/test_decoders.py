"""Decoders: perfect predictions of real labels, planted failures, and noise."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from perfect_predictions import perfect_prediction, split_affinities
from PIL import Image
from real_images import BBBC038
from scipy import ndimage

from levelfield.config.options import choices_of
from levelfield.evaluation import evaluate_image
from levelfield.labels.objects import renumber
from levelfield.segmentation.decoder_options import DECODING
from levelfield.segmentation.decoders import DECODERS
from levelfield.segmentation.methods.network import NetworkOptions
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_RAYS

LOSSLESS = ("flow", "affinity", "three_class")
GROUPS_OF_TWO = ("256x256_1", "256x256_3", "520x696_2")  # the densest
LOSSES = {"components": 0.6}


def decode(name, prediction, **options):
    return DECODERS[name](prediction, DECODING[name](**options))


def read_labels(name):
    return np.asarray(Image.open(BBBC038 / "labels" / f"{name}.png")).astype(np.int32)


@pytest.fixture(scope="module")
def real_labels():
    """Two images of each dense group and one of each other: 15, one of them with an odd side."""
    index = pd.read_csv(BBBC038 / "index.csv")
    index = index[[(BBBC038 / "labels" / f"{name}.png").exists() for name in index["name"]]]
    first = index.groupby("group").head(1)
    second = index[index["group"].isin(GROUPS_OF_TWO)].groupby("group").tail(1)
    return [read_labels(name) for name in pd.concat([first, second])["name"]]


@pytest.fixture(scope="module")
def perfect(real_labels):
    return [perfect_prediction(labels) for labels in real_labels]


@pytest.fixture(scope="module")
def one(real_labels):
    """The labels of dense objects, and their perfect prediction."""
    labels = max(real_labels, key=np.max)[:160, :151]
    return labels, perfect_prediction(labels)


FAR = "far_affinities"


def noise(shape=(40, 51), seed=0):
    """Return a prediction that says nothing."""
    generator = np.random.default_rng(seed)
    half = tuple(-(-side // 2) for side in shape)

    def values(*lengths, low=0.0, high=1.0):
        return generator.uniform(low, high, lengths).astype(np.float32)

    classes = values(3, *shape)
    near, far = split_affinities(values(len(AFFINITY_OFFSETS), *shape))
    return Prediction(
        foreground=values(*shape),
        classes=classes / classes.sum(axis=0),
        distance=values(*shape, low=-0.2, high=1.2),
        flow=values(2, *shape, low=-1.5, high=1.5),
        cell_probability=values(*shape),
        affinities=near,
        far_affinities=far,
        star_probability=values(*half),
        star_distances=values(N_RAYS, *half, low=0.1, high=30),
    )


def blurred(prediction, width=1.0):
    """Return a prediction that is unsure of every edge, as a network is."""

    def smooth(values):
        if isinstance(values, list):
            return [smooth(each) for each in values]
        if values.ndim < 2:  # pixels by their number
            return values
        return ndimage.gaussian_filter(values, [0] * (values.ndim - 2) + [width] * 2)

    return Prediction(**{name: smooth(values) for name, values in vars(prediction).items()})


def empty(shape):
    random = vars(noise(shape))
    zero = {name: np.zeros_like(values) for name, values in random.items() if name != FAR}
    zero[FAR] = [np.zeros_like(values) for values in random[FAR]]
    zero["classes"][0] = 1
    zero["star_distances"][:] = 0.135
    return Prediction(**zero)


def all_foreground(shape):
    whole = empty(shape)
    classes = np.zeros_like(whole.classes)
    classes[1] = 1
    ones = np.ones(shape, np.float32)
    return replace(whole, foreground=ones, cell_probability=ones, classes=classes)


def assert_valid(labels, shape):
    assert labels.dtype == np.int32 and labels.shape == shape
    assert np.array_equal(labels, renumber(labels))
    parts = [
        ndimage.label(labels == number, np.ones((3, 3)))[1] for number in np.unique(labels)[1:]
    ]
    assert parts == [1] * len(parts)


@pytest.mark.parametrize("name", LOSSLESS)
def test_perfect_predictions_give_the_labels_back(name, real_labels, perfect):
    scores = [
        evaluate_image(decode(name, prediction), labels).scores["ap_50"]
        for labels, prediction in zip(real_labels, perfect, strict=True)
    ]
    assert len(scores) >= 10 and np.mean(scores) >= 0.98 and min(scores) >= 0.95


@pytest.mark.parametrize(("name", "least"), LOSSES.items())
def test_what_a_representation_loses_by_nature_is_known(name, least, real_labels, perfect):
    decoded = [decode(name, prediction) for prediction in perfect]
    scores = [
        evaluate_image(objects, labels).scores["ap_50"]
        for objects, labels in zip(decoded, real_labels, strict=True)
    ]
    assert least <= np.mean(scores) < 1


def test_components_cannot_divide_what_touches(one):
    labels, prediction = one
    found = decode("components", prediction)
    touching = evaluate_image(found, labels).scores
    assert touching["merge_rate"] > 0.1 and touching["split_rate"] == 0


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "components"])
def test_touching_discs_are_divided_though_every_edge_is_unsure(name):
    y, x = np.mgrid[:64, :80]
    left, right = np.hypot(y - 30, x - 25) <= 13, np.hypot(y - 30, x - 50) <= 13
    labels = np.where(left, 1, np.where(right, 2, 0)).astype(np.int32)
    prediction = blurred(perfect_prediction(labels))
    found = decode(name, prediction, minimum_foreground=0.5)
    scores = evaluate_image(found, labels).scores
    assert found.max() == 2 and scores["ap_70"] == 1


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (2, 40), (33, 31)])
def test_nothing_gives_nothing(name, shape):
    assert not decode(name, empty(shape)).any()


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("shape", [(5, 8), (33, 31)])
def test_foreground_without_edges_is_an_object_or_nothing(name, shape):
    labels = decode(name, all_foreground(shape))
    assert_valid(labels, shape)
    assert labels.max() == 1


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("seed", range(3))
def test_noise_gives_valid_labels(name, seed):
    prediction = noise(seed=seed)
    before = deepcopy(prediction)
    labels = decode(name, prediction, minimum_foreground=0, minimum_diameter=0)
    assert_valid(labels, (40, 51))
    assert np.array_equal(
        labels, decode(name, prediction, minimum_foreground=0, minimum_diameter=0)
    )
    for values, those in zip(vars(prediction).values(), vars(before).values(), strict=True):
        for one, other in zip(values, those, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    ("side", "pixels", "foreground"),
    [
        pytest.param(slice(10, 30), slice(2, None, 6), 1, id="specks that are no objects"),
        pytest.param(slice(8, 35), slice(12, 32, 6), 0, id="holes that are filled"),
    ],
)
def test_single_wrong_pixels_of_foreground_change_nothing(name, side, pixels, foreground):
    labels = np.zeros((48, 48), np.int32)
    labels[side, side] = 1
    prediction = perfect_prediction(labels)
    altered = prediction.foreground.copy()
    altered[pixels, pixels] = foreground
    found = decode(name, replace(prediction, foreground=altered))
    assert found.max() == 1
    assert evaluate_image(found, labels).scores["ap_90"] == 1


@pytest.mark.parametrize("name", DECODERS)
def test_higher_foreground_makes_smaller_objects(name, one):
    prediction = blurred(one[1])
    areas = [
        np.count_nonzero(decode(name, prediction, foreground=level, minimum_foreground=0))
        for level in (0.3, 0.5, 0.7)
    ]
    assert areas[0] > areas[1] > areas[2] > 0


@pytest.mark.parametrize("name", DECODERS)
def test_doubtful_and_small_objects_are_removed(name):
    labels = np.zeros((60, 80), np.int32)
    labels[5:25, 5:25], labels[5:25, 40:60], labels[40:46, 10:16] = 1, 2, 3
    prediction = perfect_prediction(labels)
    doubtful = np.where(labels == 2, 0.7, prediction.foreground).astype(np.float32)
    classes = prediction.classes.copy()
    classes[:, labels == 2] *= 0.7
    classes[0, labels == 2] = 0.3
    doubted = replace(prediction, foreground=doubtful, classes=classes)

    def covered(**parameters):
        return set(np.unique(labels[decode(name, doubted, **parameters) > 0])) - {0}

    assert covered(minimum_foreground=0.6, minimum_diameter=0) == {1, 2, 3}
    assert covered(minimum_foreground=0.8, minimum_diameter=0) == {1, 3}
    assert covered(minimum_foreground=0.6, minimum_diameter=10) == {1, 2}


@pytest.mark.parametrize("name", DECODERS)
def test_each_decoder_can_be_configured(name):
    shared = {"foreground": 0.5, "minimum_foreground": 0.85, "minimum_diameter": 4.0}
    defaults = DECODING[name].defaults()
    assert shared.items() <= defaults.items()
    assert set(DECODING[name].model_fields) == set(defaults)
    for parameter in defaults:
        with pytest.raises(ValueError, match=parameter):
            DECODING[name].read({parameter: -1}, f"decoder {name}")


def test_every_decoder_that_ships_has_options_and_can_be_chosen():
    assert set(DECODERS) == set(DECODING)
    assert set(choices_of(NetworkOptions.fields()["decoder"])) == set(DECODERS)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"decoder": "star"}, "decoder is 'star'; allowed are flow, three_class"),
        ({"decoding": {"dividing": 0.5}}, r"decoder flow: unknown parameter 'dividing'.*depth"),
        ({"decoder": "affinity", "decoding": {"joining": 2}}, "joining is 2"),
    ],
)
def test_a_decoder_or_an_option_that_is_not_there_is_refused(parameters, says):
    with pytest.raises(ValueError, match=says):
        NetworkOptions.read(parameters, "method network")
