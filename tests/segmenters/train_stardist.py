"""Train a small model with the package stardist; runs in the environment of that name.

Usage: train_stardist.py SAMPLES.npz FOLDER
Writes FOLDER/small/ as StarDist writes any model, with the weights in the file formats of Keras 2
(``weights_best.h5``) and Keras 3 (``keras3.weights.h5``).
"""

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import numpy as np
import tensorflow as tf
from csbdeep.utils import normalize
from stardist.models import Config2D, StarDist2D

SEED = 7
EPOCHS, STEPS = 60, 16
RNG = np.random.default_rng(SEED)


def turned(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn and flip both alike, and vary the intensity."""
    turns, flip = RNG.integers(4), RNG.integers(2)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if flip:
        image, labels = image[::-1], labels[::-1]
    return image * RNG.uniform(0.7, 1.4) + RNG.uniform(-0.1, 0.1), labels


def main(samples: Path, folder: Path) -> None:
    tf.keras.utils.set_random_seed(SEED)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    arrays = np.load(samples)
    images = [normalize(image, 1, 99.8).astype(np.float32) for image in arrays["images"]]
    labels = list(arrays["labels"])
    config = Config2D(
        n_rays=32,
        grid=(2, 2),
        n_channel_in=1,
        unet_n_depth=2,
        unet_n_filter_base=8,
        net_conv_after_unet=32,
        train_patch_size=(128, 128),
        train_batch_size=8,
        train_epochs=EPOCHS,
        train_steps_per_epoch=STEPS,
        train_learning_rate=1e-3,
        train_tensorboard=False,
    )
    model = StarDist2D(config, name="small", basedir=str(folder))
    judged = (images[::6], labels[::6])
    learned = [position for position in range(len(images)) if position % 6]
    model.train(
        [images[position] for position in learned],
        [labels[position] for position in learned],
        validation_data=judged,
        augmenter=turned,
        seed=SEED,
    )
    model.keras_model.save_weights(str(folder / "keras3.weights.h5"))
    model.optimize_thresholds(*judged)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
