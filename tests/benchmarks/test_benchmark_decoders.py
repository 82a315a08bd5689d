"""The decoders that do not ship: what they lose, and that they still run."""

import sys

import numpy as np
import pytest
from conftest import REPOSITORY
from perfect_predictions import perfect_prediction
from PIL import Image
from real_images import BBBC038

from levelfield.evaluation import evaluate_image
from levelfield.labels.objects import renumber

sys.path.insert(0, str(REPOSITORY))
from benchmarks.decoders import DECODERS
from benchmarks.decoders.consensus import agreed

LEAST = {"star_seeds": 0.95, "consensus": 0.95, "distance": 0.9, "star": 0.9}


@pytest.fixture(scope="module")
def dense():
    """Labels of dense objects with an odd side, and their perfect prediction."""
    paths = sorted((BBBC038 / "labels").glob("*.png"))
    images = (np.asarray(Image.open(path)).astype(np.int32) for path in paths)
    labels = max(images, key=np.max)[:160, :151]
    return labels, perfect_prediction(labels)


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_perfect_predictions_give_the_labels_back(name, least, dense):
    labels, prediction = dense
    assert evaluate_image(DECODERS[name](prediction), labels).scores["ap_50"] >= least


@pytest.mark.parametrize("name", LEAST)
def test_touching_discs_are_divided(name):
    y, x = np.mgrid[:64, :80]
    left, right = np.hypot(y - 30, x - 25) <= 13, np.hypot(y - 30, x - 50) <= 13
    labels = np.where(left, 1, np.where(right, 2, 0)).astype(np.int32)
    assert DECODERS[name](perfect_prediction(labels)).max() == 2


def test_the_majority_corrects_the_errors_of_each():
    truth = np.zeros((40, 60), np.int32)
    truth[5:25, 5:25], truth[5:25, 25:45] = 1, 2
    halved, joined, lost = truth.copy(), np.minimum(truth, 1), np.where(truth == 1, 0, truth)
    halved[15:25, 5:25] = 3
    given = {"halved": halved, "joined": joined, "lost": renumber(lost), "a": truth, "b": truth}
    assert np.array_equal(renumber(agreed(given, 0.5)), truth)
    assert not agreed(given, 0.95).any()
