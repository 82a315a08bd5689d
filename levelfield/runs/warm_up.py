"""Compile the numba kernels once, so that no job waits for it.

Kernels are kept in ``__pycache__`` beside their sources (or, where that cannot be written, in
numba's cache folder of the user; ``NUMBA_CACHE_DIR`` names another). The bytecode of the libraries
that jobs load is written too, where Python may. Run by the installation:
``python -m levelfield.runs.warm_up``.
"""

import gc
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
from scipy import ndimage

from levelfield import report, steps
from levelfield.io.store.pyramids import image_pyramid
from levelfield.labels.objects import renumber
from levelfield.measurement import FAMILIES
from levelfield.measurement import compile_kernels as compile_measurement
from levelfield.qc.evidence.candidates import find_candidates
from levelfield.qc.evidence.features import field_features
from levelfield.qc.evidence.scores import shipped_model
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.segmentation import segment_objects
from levelfield.segmentation.networks.cellpose.finishing import fill_holes

# Snakemake, and what jobs import only where they need it: bytecode of these is written too.
_LATE = (
    *("snakemake.cli", "snakemake.script", "ome_zarr_models.v05.hcs", "rocrate.rocrate"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg"),
)


def compile_kernels() -> None:
    """Run every stage on a small made-up field, as a job would, in a process per core."""
    # The longest first, so that no core waits for another at the end.
    families = sorted(FAMILIES, key=("Correlation", "AreaShape").__contains__, reverse=True)
    parts: list[Callable[[], None]] = [_describe, _ask, _load]
    parts += [partial(compile_measurement, [family]) for family in families]
    parts.append(_segment)
    # The compiler makes much and forgets little: looking for garbage takes a tenth of the time.
    with ProcessPoolExecutor(initializer=gc.disable) as pool:
        for done in [pool.submit(part) for part in parts]:
            done.result()
        pool.submit(_find_evidence).result()  # the few that need what the others compiled


def _load() -> None:
    """Import what jobs import, so that its bytecode is there."""
    for name in _LATE:
        import_module(name)
    for room in (steps, report):
        for module in iter_modules(room.__path__, f"{room.__name__}."):
            if module.name != "levelfield.steps.train_network":  # needs the extra for training
                import_module(module.name)


def _segment() -> None:
    image = _field()
    for dtype in (np.uint8, np.uint16):
        image_pyramid(np.zeros((1, 256, 256), dtype))
    nuclei = segment_objects(image[:1], "classical", {}).labels
    segment_objects(image[1:], "propagation", {}, {"parent": nuclei})
    fill_holes(nuclei, 15)


def _describe() -> None:
    image, nuclei, cells = _outlined()
    field_features(nuclei, image[0])
    field_features(cells, image[1], inner=nuclei)


def _ask() -> None:
    image, nuclei, _ = _outlined()
    ask_second_opinion(image[0], nuclei)


def _find_evidence() -> None:
    image, nuclei, _ = _outlined()
    opinion = ask_second_opinion(image[0], nuclei)
    features = field_features(nuclei, image[0], opinion=opinion)
    find_candidates(nuclei, image[0], opinion)
    trees = shipped_model().trees["right"]
    trees.probability(features.objects.reindex(columns=trees.names))


def _outlined() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image (2, Y, X), and labels (Y, X) of nuclei and of cells."""
    image = _field()
    nuclei, cells = (ndimage.label(plane > 0.2)[0].astype(np.int32) for plane in image)
    # Cut in two, as only objects that touch have seams.
    nuclei = renumber(np.where(nuclei > 0, 2 * nuclei - (np.arange(nuclei.shape[1]) < 48), 0))
    return image, nuclei, cells


def _field() -> np.ndarray:
    """Return an image (2, Y, X) with touching and separate blobs above noise."""
    noise = np.random.default_rng(0).normal(0.05, 0.003, (2, 160, 160))
    centres = np.zeros((160, 160))
    for y, x in ((40, 40), (40, 56), (110, 50), (90, 120)):
        centres[y, x] = 1
    blobs = [ndimage.gaussian_filter(centres, width) for width in (6, 9)]
    return (noise + [0.6 * blob / blob.max() for blob in blobs]).astype(np.float32)


if __name__ == "__main__":
    start = time.monotonic()
    print("Compiling the numerical kernels, once (half a minute on two cores) ...", flush=True)
    compile_kernels()
    print(f"Compiled in {time.monotonic() - start:.0f} s.")
