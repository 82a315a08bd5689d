"""What the package stardist makes of some images; runs in the environment of that name.

Usage: reference_stardist.py FOLDER IMAGES.npz RESULTS.npz
"""

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import numpy as np
from csbdeep.utils import normalize
from stardist.models import Config2D, StarDist2D


def trained(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Labels and raw predictions of a trained model."""
    model = StarDist2D(None, name=folder.name, basedir=str(folder.parent))
    results = {}
    for number, image in enumerate(images):
        scaled = normalize(image, 1, 99.8)
        results[f"labels_{number}"] = model.predict_instances(scaled)[0]
        results[f"probability_{number}"], results[f"distances_{number}"] = model.predict(scaled)
    return results


def published(folder: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions of a network as large as 2D_versatile_fluo, with random weights."""
    config = Config2D(n_rays=32, grid=(2, 2), n_channel_in=1, net_conv_after_unet=128)
    model = StarDist2D(config, name="published", basedir=str(folder.parent))
    model.keras_model.save_weights(str(folder.parent / "published" / "weights_best.h5"))
    probability, distances = model.predict(image)
    return {"published_probability": probability, "published_distances": distances}


if __name__ == "__main__":
    place, given = Path(sys.argv[1]), np.load(sys.argv[2])["images"]
    np.savez(sys.argv[3], **trained(place, given), **published(place, given[0]))
