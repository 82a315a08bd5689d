"""How good weights are on annotated images."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from levelfield.evaluation import evaluate_images, summarise
from levelfield.segmentation.small_network.targets import Labels
from levelfield.training.samples import Image, TrainingImage

MEANS = ("ap_50", "ap_70")
"""Scores of which every image counts the same."""

POOLED = (
    *("split_rate", "merge_rate", "missed_rate", "extra_rate"),
    *("balance_pp", "boundary_bias_px"),
)
"""Scores of all objects of the images together; see `levelfield.evaluation.score_objects`."""

COLUMNS = ("group", "n_images", "n_partly_known", "n_reference", *MEANS, *POOLED)
EVERY_GROUP = "all"


def score_segmenter(
    segment: Callable[[Image], Labels], images: Sequence[TrainingImage]
) -> pd.DataFrame:
    """Segment annotated images, at least one, and compare.

    Where parts of an image are unknown, segmented objects that lie mostly there are left out:
    nobody has said whether they are right.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row for `EVERY_GROUP` and then one per group of images.
    """
    objects, scores = evaluate_images(_compared(segment, images))
    parts = [_summary(objects, scores, []).assign(group=EVERY_GROUP)]
    if len({image.group for image in images}) > 1:
        parts.append(_summary(objects, scores, ["group"]))
    table = pd.concat(parts, ignore_index=True)
    partly = pd.Series({image.group: 0 for image in images})
    for image in images:
        partly[image.group] += bool((image.labels < 0).any())
    partly[EVERY_GROUP] = partly.sum()
    return table.assign(n_partly_known=partly[table["group"]].to_numpy())[list(COLUMNS)]


def _compared(
    segment: Callable[[Image], Labels], images: Sequence[TrainingImage]
) -> Iterator[tuple[dict[str, Any], Labels, Labels]]:
    for number, image in enumerate(images):
        found = segment(image.image)
        # A field may be there twice, as reviewed and as edited; its number tells them apart.
        description = {"group": image.group, "name": image.name, "number": number}
        yield description, known_objects(found, image.labels), np.maximum(image.labels, 0)


def known_objects(found: Labels, labels: Labels) -> Labels:
    """Leave out the objects of which more than half lies where the labels are unknown (-1)."""
    if not (labels < 0).any():
        return found
    area = np.bincount(found.ravel())
    unknown = np.bincount(found[labels < 0], minlength=len(area))
    return np.where((2 * unknown <= area)[found], found, 0).astype(np.int32)


def _summary(objects: pd.DataFrame, scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    table = summarise(objects, scores, by)
    table = table[table["size_class"] == "all"]
    means = table[table["statistic"] == "mean_of_images"].reset_index(drop=True)
    pooled = table[table["statistic"] == "pooled"].reset_index(drop=True)
    counts = pooled["n_reference"].astype(int)
    return pooled[[*by, "n_images", *POOLED]].join(means[list(MEANS)]).assign(n_reference=counts)
