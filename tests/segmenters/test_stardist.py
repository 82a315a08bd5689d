"""The method `stardist` against the package, on a model that the package trained here."""

import numpy as np
import pytest
from conftest import average_precision, run_in
from nuclei import held_out_images

from levelfield.evaluation import evaluate_image
from levelfield.segmentation import segment_objects
from levelfield.segmentation.networks.stardist import load_stardist, read_weights

SHORTEST = 1e-3  # px, below which StarDist cuts distances off


@pytest.fixture(scope="module")
def reference(stardist_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    np.savez(folder / "images.npz", images=np.stack([image for image, _ in held_out_images()]))
    arguments = (stardist_folder, folder / "images.npz", folder / "results.npz")
    run_in("stardist", "reference_stardist.py", *arguments)
    return np.load(folder / "results.npz")


def test_the_network_predicts_what_the_package_predicts(stardist_folder, reference):
    model = load_stardist(stardist_folder)
    for number, (image, _) in enumerate(held_out_images()):
        low, high = np.percentile(image, (1, 99.8))
        likely, distances = model.predict((image[None] - low) / (high - low))
        np.testing.assert_allclose(likely, reference[f"probability_{number}"], atol=1e-4)
        distances = np.maximum(distances, SHORTEST).transpose(1, 2, 0)
        np.testing.assert_allclose(distances, reference[f"distances_{number}"], atol=1e-3)


def test_the_published_architecture_predicts_what_the_package_predicts(stardist_folder, reference):
    model = load_stardist(stardist_folder.parent / "published")
    likely, distances = model.predict(held_out_images()[0][0][None])
    np.testing.assert_allclose(likely, reference["published_probability"], atol=1e-4)
    distances = np.maximum(distances, SHORTEST).transpose(1, 2, 0)
    np.testing.assert_allclose(distances, reference["published_distances"], atol=1e-3)


def test_labels_are_those_of_the_package(stardist_folder, reference):
    model = load_stardist(stardist_folder)
    for number, (image, _) in enumerate(held_out_images()):
        labels = segment_objects(image[None], "stardist", {}, {"model": model}).labels
        expected = reference[f"labels_{number}"].astype(np.int32)
        assert evaluate_image(labels, expected).scores["ap_90"] >= 0.98


def test_nuclei_are_found(stardist_folder):
    assert min(average_precision("stardist", load_stardist(stardist_folder))) >= 0.5


def test_keras_two_file_formats_hold_the_same_weights(stardist_folder):
    old = read_weights((stardist_folder / "weights_last.h5").read_bytes(), "")
    new = read_weights((stardist_folder.parent / "keras3.weights.h5").read_bytes(), "")
    assert [kernel.shape for kernel, _ in old] == [kernel.shape for kernel, _ in new]
