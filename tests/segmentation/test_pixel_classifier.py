"""A random forest as plain data: trained on few images, applied without scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from real_images import BBBC038
from scipy import ndimage

from levelfield.segmentation import segment_objects
from levelfield.segmentation.pixel_classifier import (
    PixelClassifier,
    class_probabilities,
    classes_from_labels,
    pixel_features,
    train_pixel_classifier,
)
from levelfield.segmentation.threshold import GLOBAL_THRESHOLDS, measure_threshold


def load(name):
    image = (
        np.asarray(Image.open(BBBC038 / "images" / f"{name}.png"))[None].astype(np.float32) / 255
    )
    return image, np.asarray(Image.open(BBBC038 / "labels" / f"{name}.png")).astype(np.int32)


def stump(cut=0.5, n_channels=1):
    """One tree with one question: is the intensity above `cut`?"""
    return PixelClassifier(
        roots=np.array([0], np.int32),
        feature=np.array([0, -1, -1], np.int32),
        cut=np.array([cut, 0, 0], np.float32),
        left=np.array([1, 0, 0], np.int32),
        right=np.array([2, 0, 0], np.int32),
        probability=np.array([[0, 0], [0.9, 0.1], [0.2, 0.8]], np.float32),
        sigmas=np.array([1.0, 4.0]),
        n_channels=n_channels,
        normalise=False,
    )


@pytest.fixture(scope="module")
def names():
    index = pd.read_csv(BBBC038 / "index.csv")
    index = index[(index["group"] != "misc") & (index["h"] < 500)]
    return index["name"].sample(frac=1, random_state=0).tolist()


@pytest.fixture(scope="module")
def taught(names):
    """Five images that differ, as a user would choose them: the first of each of five groups."""
    index = pd.read_csv(BBBC038 / "index.csv").set_index("name")["group"]
    groups = ("256x256_0", "256x256_1", "256x256_2", "256x256_4", "360x360_0")
    return [next(name for name in names if index[name] == group) for group in groups]


@pytest.fixture(scope="module")
def trained(taught):
    return train_pixel_classifier(
        (image, classes_from_labels(labels)) for image, labels in map(load, taught)
    )


def test_a_tree_answers_every_pixel_as_it_says(names):
    image, _ = load(names[0])
    probability = class_probabilities(image, stump(0.2))
    np.testing.assert_array_equal(probability[1] > 0.5, image[0] > 0.2)
    np.testing.assert_allclose(probability.sum(axis=0), 1, rtol=1e-6)


def test_bands_do_not_show(names, monkeypatch):
    image, _ = load(names[0])
    forest = stump()
    forest.feature[0] = 6  # the smoothed intensity at the larger scale
    forest.cut[0] = 0.1
    whole = class_probabilities(image, forest)
    expected = pixel_features(image, forest.sigmas)[6] > 0.1
    np.testing.assert_array_equal(whole[1] > 0.5, expected)
    monkeypatch.setattr("levelfield.segmentation.pixel_classifier.BAND", 17)
    np.testing.assert_array_equal(class_probabilities(image, forest), whole)


def test_a_saved_forest_is_the_same_and_holds_no_pickle(tmp_path, names):
    image, _ = load(names[0])
    stump(0.2).save(tmp_path / "forest.npz")
    with np.load(tmp_path / "forest.npz", allow_pickle=False) as content:
        assert set(content) == set(PixelClassifier.__dataclass_fields__)
    again = PixelClassifier.load(tmp_path / "forest.npz")
    expected = class_probabilities(image, stump(0.2))
    np.testing.assert_array_equal(class_probabilities(image, again), expected)
    np.savez(tmp_path / "other.npz", a=1)
    (tmp_path / "text.npz").write_text("no")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(ValueError, match="is not a pixel classifier"):
            PixelClassifier.load(tmp_path / name)


def test_it_segments_like_any_other_method(names):
    image, _ = load(names[0])
    given = {"classifier": stump(0.2)}
    result = segment_objects(image, "pixel_classifier", {}, given)
    smoothed = ndimage.gaussian_filter(class_probabilities(image, stump(0.2))[1], 1)
    overlap = (result.labels > 0) & (smoothed > 0.5)
    assert overlap.sum() > 0.95 * (result.labels > 0).sum() > 0
    with pytest.raises(ValueError, match="trained on 1 channels but was given 2"):
        segment_objects(np.concatenate([image, image]), "pixel_classifier", {}, given)


def test_scribbles_of_one_class_are_refused(names):
    image, labels = load(names[0])
    for scribbles in (np.zeros_like(labels), np.ones_like(labels), 2 * np.ones_like(labels)):
        with pytest.raises(ValueError, match="must hold 1"):
            train_pixel_classifier([(image, scribbles)])
    with pytest.raises(ValueError, match="must hold 1"):
        train_pixel_classifier([])


def test_training_is_reproducible(taught, trained):
    again = train_pixel_classifier(
        (image, classes_from_labels(labels)) for image, labels in map(load, taught)
    )
    np.testing.assert_array_equal(again.cut, trained.cut)
    np.testing.assert_array_equal(again.probability, trained.probability)


def test_the_compiled_forest_answers_as_scikit_learn(names):
    from sklearn.ensemble import RandomForestClassifier

    image, labels = load(names[0])
    plain = train_pixel_classifier([(image, classes_from_labels(labels))], normalise=False)
    features = pixel_features(image, plain.sigmas).reshape(21, -1).T
    chosen = np.random.default_rng(0).permutation(np.arange(labels.size))[:8000]
    forest = RandomForestClassifier(30, max_depth=12, min_samples_leaf=5, random_state=0)
    forest.fit(features[chosen], classes_from_labels(labels).ravel()[chosen])
    expected = forest.predict_proba(features).T.reshape(2, *labels.shape)
    found = class_probabilities(image, plain)
    assert (np.abs(found - expected) > 1e-5).mean() < 1e-4


def test_five_images_beat_the_best_global_threshold_on_others(names, taught, trained):
    forest, thresholds = [], {method: [] for method in GLOBAL_THRESHOLDS}
    for name in [name for name in names if name not in taught][:40]:
        image, labels = load(name)
        truth = labels > 0
        found = class_probabilities(image, trained)[0] < 0.5
        forest.append((found & truth).sum() / (found | truth).sum())
        smooth = ndimage.gaussian_filter(image[0], 1)
        for method, scores in thresholds.items():
            found = smooth > measure_threshold(smooth, method)
            scores.append((found & truth).sum() / (found | truth).sum())
    assert np.mean(forest) > max(np.mean(scores) for scores in thresholds.values())
