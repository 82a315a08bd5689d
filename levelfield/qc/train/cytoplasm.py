"""What is not nuclei: the cytoplasmic stain of BBBC013, segmented as if it were nuclei.

Drugs move the stain into the nuclei, so only negative wells show a cytoplasm. Its plain nuclei come
along; without references, the classical labels take their place.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from levelfield.qc.columns import FIELD
from levelfield.qc.evidence.calibration import indicators
from levelfield.qc.evidence.features import field_features
from levelfield.qc.train.images import SHIPPED_FOLD, Sources
from levelfield.qc.train.range import BBBC013
from levelfield.qc.train.segmentations import GOOD, Scene
from levelfield.segmentation.registry import segment_objects
from levelfield.segmentation.small_network.inference import load_model


def collect(sources: Sources, images: int) -> pd.DataFrame:
    """Describe the appearance of cytoplasm and nuclei of BBBC013: a row per image and segmentation.

    About so many images of each are taken. The network that is shipped has not seen the plate.
    """
    folder, rows = sources.data / "bbbc013", []
    wells = pd.read_csv(folder / "platemap.csv")
    negative = set(wells.loc[wells["role"] == "negative", "well"])
    stain = [p for p in sorted(folder.rglob("Channel1-*.tif")) if _well_of(p) in negative]
    nuclei = sorted(folder.rglob("Channel2-*.tif"))
    for change, paths in (("cytoplasm", stain), ("none", nuclei)):
        for path in paths[:: max(1, len(paths) // images)]:
            rows += _appearance(path, change, sources)
    return pd.concat(rows, ignore_index=True)


def _well_of(path: Path) -> str:
    row, column = path.stem.split("-")[2:]
    return f"{row}{int(column):02d}"


def _appearance(path: Path, change: str, sources: Sources) -> list[pd.DataFrame]:
    image = np.asarray(Image.open(path), np.float32) / np.float32(255)
    own = segment_objects(image[None], "classical", {}).labels
    model = load_model(sources.weights_of(SHIPPED_FOLD))
    scene = Scene(image, own, model, sources.opinion_of(SHIPPED_FOLD))
    rows = []
    for kind, setting in GOOD:
        labels = scene.labels(kind, setting)
        if labels.max(initial=0) == 0:
            continue
        objects = field_features(labels, image, opinion=scene.opinion(labels)).objects
        field = dict(zip(FIELD, (BBBC013, path.stem, 1, "Nuclei"), strict=True))
        table = indicators(objects.assign(**field)).reset_index(drop=True)
        head = {"group": BBBC013, "image": path.stem, "kind": kind, "change": change}
        rows.append(table.assign(**head))
    return rows
