"""Small models of every kind, trained once for all tests of this folder.

`make test-segmenters` builds the environments and runs them; `make test` does not come here.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from nuclei import held_out_images, training_images, write_training_images
from train_cellpose import train_cellpose

from levelfield.evaluation import evaluate_image
from levelfield.segmentation import segment_objects
from levelfield.segmentation.registry import forget_models, load_model
from levelfield.segmentation.workers.exchange import environment_python
from levelfield.training.kinds import KINDS
from levelfield.training.loop import train
from levelfield.training.samples import training_image

HERE = Path(__file__).parent


def run_in(environment: str, script: str, *arguments: object) -> None:
    """Run a script of this folder in an environment; what it says is shown if it fails."""
    done = subprocess.run(
        [environment_python(environment), HERE / script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"},
    )
    assert done.returncode == 0, done.stdout[-4000:]


def average_precision(method: str, model: object, **parameters: object) -> list[float]:
    """AP@0.5 of a method on each held-out image."""
    scores = []
    for image, truth in held_out_images():
        labels = segment_objects(image[None], method, parameters, {"model": model}).labels
        scores.append(evaluate_image(labels, truth).scores["ap_50"])
    print(f"{method}: AP@0.5 {np.round(scores, 3)}")
    return scores


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    return write_training_images(tmp_path_factory.mktemp("samples") / "samples.npz")


def trained_in(environment: str, samples: Path, tmp_path_factory) -> Path:
    """Train a small model in an environment of its own; return the folder that it lies in."""
    folder = tmp_path_factory.mktemp(environment)
    run_in(environment, f"train_{environment}.py", samples, folder)
    return folder


@pytest.fixture(scope="session")
def stardist_folder(samples, tmp_path_factory) -> Path:
    """A model's folder as StarDist wrote it; the weights of Keras 3 lie above."""
    return trained_in("stardist", samples, tmp_path_factory) / "small"


@pytest.fixture(scope="session")
def cellpose3_file(samples, tmp_path_factory) -> Path:
    return trained_in("cellpose3", samples, tmp_path_factory) / "models" / "small"


@pytest.fixture(scope="session")
def instanseg_file(samples, tmp_path_factory) -> Path:
    return trained_in("instanseg", samples, tmp_path_factory) / "small.pt"


@pytest.fixture(scope="session")
def cellpose_file(tmp_path_factory) -> Path:
    images, labels = zip(*training_images(), strict=True)
    path = tmp_path_factory.mktemp("cellpose") / "small"
    return train_cellpose(list(images), list(labels), path)


@pytest.fixture(scope="session")
def mask_rcnn_file(tmp_path_factory) -> Path:
    images = [
        training_image(str(number), "nuclei", image, labels)
        for number, (image, labels) in enumerate(training_images())
    ]
    kind = KINDS["mask_rcnn"]
    settings = kind.settings({"steps": 500}, fine_tuning=False)
    weights = train(images, [], settings, recipe=kind.recipe).weights
    path = tmp_path_factory.mktemp("mask_rcnn") / "small.safetensors"
    kind.write(path, weights, settings, {})
    return path


@pytest.fixture
def load():
    """Load a model; a worker ends with the test."""
    loaded = []

    def load_it(method: str, path: Path):
        loaded.append(load_model(method, path, "cpu"))
        return loaded[-1]

    yield load_it
    forget_models()
    for model in loaded:
        if hasattr(model, "close"):
            model.close()
