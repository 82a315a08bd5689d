"""Draw what the options of classical segmentation do to real nuclei, for ``docs/segmentation.md``.

Writes ``threshold.png`` and ``declump.png`` into ``docs/pictures`` from images of BBBC038 (CC0).

Run: ``python benchmarks/segmentation_pictures.py --data FOLDER`` with the folder of
``bbbc038_train``.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from levelfield.segmentation import segment_objects

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURES = REPOSITORY / "docs" / "pictures"
DATA = REPOSITORY.parent / "shared" / "data" / "bbbc038_train"
SCALE = 3  # screen pixels per image pixel, so that outlines are thin

OTSU = {"method": "otsu"}
THRESHOLDS = {
    "default: each object's own outline": {},
    "outline: 0.6 (smaller)": {"outline": 0.6},
    "outline: 0.25 (larger)": {"outline": 0.25},
    "outline: null, otsu": {"outline": None, "threshold": OTSU},
    "otsu_three_low (finds dim)": {"outline": None},
    "otsu_three_high (bright only)": {"outline": None, "threshold": {"method": "otsu_three_high"}},
    "otsu, correction 0.5 (larger)": {"outline": None, "threshold": OTSU | {"correction": 0.5}},
    "otsu, log (larger)": {"outline": None, "threshold": OTSU | {"log": True}},
}
DECLUMPS = {
    "default: shape_intensity": {},
    "depth 0.02 (splits more)": {"depth": 0.02},
    "depth 0.3 (splits less)": {"depth": 0.3},
    "lines: none (clumps)": {"lines": "none"},
    "centres, lines: shape": {"centres": "shape", "lines": "shape"},
    "centres, lines: intensity": {"centres": "intensity", "lines": "intensity"},
    "centres: log": {"centres": "log", "lines": "shape"},
    "suppression_distance 30": {"suppression_distance": 30},
}


def draw(image, panels, path):
    """Draw one panel of outlines per set of parameters."""
    figure, axes = plt.subplots(2, len(panels) // 2, figsize=(14, 7.4), layout="constrained")
    enlarged = np.kron(image, np.ones((SCALE, SCALE), np.float32))
    grey = np.clip(enlarged / np.percentile(image, 99.7), 0, 1) ** 0.6
    for axis, (title, parameters) in zip(axes.flat, panels.items(), strict=True):
        labels = segment_objects(image[None], "classical", parameters).labels
        picture = np.stack([grey] * 3, axis=-1)
        enlarged_labels = np.kron(labels, np.ones((SCALE, SCALE), np.int32))
        picture[find_boundaries(enlarged_labels, mode="thick")] = (1, 0.3, 0.1)
        axis.imshow(picture)
        axis.set_title(f"{title}: {labels.max()} objects", fontsize=9)
        axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    folder = parser.parse_args().data / "images"

    def crop(name):
        return np.asarray(Image.open(folder / f"{name}.png")).astype(np.float32)[:200, :200] / 255

    draw(crop("564fa390d9a9c26f"), THRESHOLDS, PICTURES / "threshold.png")
    panels = {title: {"declump": parameters} for title, parameters in DECLUMPS.items()}
    draw(crop("07fb37aafa662660"), panels, PICTURES / "declump.png")


if __name__ == "__main__":
    main()
