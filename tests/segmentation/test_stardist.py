"""StarDist's models without TensorFlow, with a small one that StarDist itself wrote."""

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from real_images import BBBC038

from levelfield.evaluation import evaluate_image
from levelfield.segmentation import segment_objects
from levelfield.segmentation.networks.stardist import load_stardist, read_weights

MODEL = Path(__file__).parents[1] / "data" / "stardist_small"
HELD_OUT = sorted(path.stem for path in MODEL.glob("*.png"))


def read(folder: str, name: str) -> np.ndarray:
    with Image.open(BBBC038 / folder / f"{name}.png") as image:
        return np.asarray(image)


def intensity(name: str) -> np.ndarray:
    return read("images", name).astype(np.float32)[None] / 255


@pytest.fixture(scope="module")
def model():
    return load_stardist(MODEL)


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(MODEL, tmp_path / "model"))


@pytest.mark.parametrize("name", HELD_OUT)
def test_labels_are_those_of_the_package(name, model):
    labels = segment_objects(intensity(name), "stardist", {}, {"model": model}).labels
    with Image.open(MODEL / f"{name}.png") as image:
        expected = np.asarray(image).astype(np.int32)
    assert evaluate_image(labels, expected).scores["ap_90"] == 1
    assert np.mean((labels > 0) != (expected > 0)) < 0.001


@pytest.mark.parametrize("name", HELD_OUT)
def test_nuclei_of_an_acquisition_it_never_saw_are_found(name, model):
    labels = segment_objects(intensity(name), "stardist", {}, {"model": model}).labels
    scores = evaluate_image(labels, read("labels", name).astype(np.int32)).scores
    assert scores["ap_50"] >= 0.7


def test_an_archive_is_as_good_as_a_folder(tmp_path, model):
    path = tmp_path / "python_2D_small.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "thresholds.json", "weights_best.h5"):
            archive.write(MODEL / name, f"2D_small/{name}")
    image = intensity(HELD_OUT[0])
    for one, other in zip(load_stardist(path).predict(image), model.predict(image), strict=True):
        np.testing.assert_array_equal(one, other)


def test_both_of_keras_formats_are_read(copied, model):
    stored = read_weights((MODEL / "weights_best.h5").read_bytes(), "")
    path = copied / "weights_best.h5"
    path.unlink()
    with h5py.File(path, "w") as file:
        for number, (kernel, bias) in enumerate(stored):
            group = file.create_group(f"layers/conv2d{f'_{number}' if number else ''}/vars")
            group["0"], group["1"] = kernel, bias
    image = intensity(HELD_OUT[0])
    np.testing.assert_array_equal(load_stardist(copied).predict(image)[0], model.predict(image)[0])


def test_an_enlarged_image_gives_objects_of_the_original_size(model):
    image = intensity(HELD_OUT[1])
    small = image[:, ::2, ::2]
    labels = segment_objects(small, "stardist", {"scale": 2.0}, {"model": model}).labels
    truth = read("labels", HELD_OUT[1]).astype(np.int32)[::2, ::2]
    assert labels.shape == truth.shape
    assert evaluate_image(labels, truth).scores["ap_50"] >= 0.6


def test_noise_is_not_stretched_until_it_looks_like_nuclei():
    class Recorder:
        n_channels, grid, thresholds = 1, (2, 2), {"prob": 0.5, "nms": 0.4}

        def predict_all(self, images):
            (self.seen,) = images
            return [(np.zeros((100, 110), np.float32), np.zeros((32, 100, 110), np.float32))]

    noise = np.random.default_rng(0).normal(0.1, 0.01, (1, 200, 220)).astype(np.float32)
    segment_objects(noise, "stardist", {}, {"model": (recorder := Recorder())})
    assert recorder.seen.std() == pytest.approx(1 / 8, rel=0.05)
    # Objects are stretched to the percentiles, as for the model's training.
    noise[0, :40, :40] += 0.5
    segment_objects(noise, "stardist", {}, {"model": recorder})
    assert np.percentile(recorder.seen, 99.8) == pytest.approx(1, rel=1e-3)


def test_wrong_channels_and_wrong_files_are_refused(model, copied, tmp_path):
    image = intensity(HELD_OUT[0])
    with pytest.raises(ValueError, match=r"sees 1 channel.*given 2"):
        segment_objects(np.concatenate([image, image]), "stardist", {}, {"model": model})
    with pytest.raises(ValueError, match="is no StarDist model"):
        load_stardist(tmp_path)
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"unet_n_filter_base": 16}))
    with pytest.raises(ValueError, match="belong to different models"):
        load_stardist(copied)
    (copied / "config.json").write_text(json.dumps(config | {"unet_batch_norm": True}))
    with pytest.raises(ValueError, match=r"unet_batch_norm is True.*method 'labels'"):
        load_stardist(copied)
