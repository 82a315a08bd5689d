"""How good weights are on annotated images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from levelfield.evaluation import evaluate_images, summarise
from levelfield.segmentation.inference import NetworkModel, ready
from levelfield.segmentation.network import UNet
from levelfield.segmentation.network_segmenter import segment_with_network
from levelfield.segmentation.targets import Labels
from levelfield.training.samples import TrainingImage

MEANS = ("ap_50", "ap_70")
"""Scores of which every image counts the same."""

POOLED = (
    *("split_rate", "merge_rate", "missed_rate", "extra_rate"),
    *("balance_pp", "boundary_bias_px"),
)
"""Scores of all objects of the images together; see `levelfield.evaluation.score_objects`."""

COLUMNS = ("group", "n_images", "n_partly_known", "n_reference", *MEANS, *POOLED)
EVERY_GROUP = "all"


def score_weights(
    weights: Mapping[str, Tensor],
    images: Sequence[TrainingImage],
    diameter: float | None = None,
    device: str = "cpu",
    outline: float | None = 0.4,
) -> pd.DataFrame:
    """Segment annotated images with the default decoder and compare.

    Parameters
    ----------
    weights
        Of the network.
    images
        At least one. Where parts of an image are unknown, segmented objects that lie mostly there
        are left out: nobody has said whether they are right.
    diameter, outline
        Typical diameter of the objects in px, and what draws their outlines; see
        `levelfield.segmentation.network_segmenter.network`.
    device
        Of torch.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row for `EVERY_GROUP` and then one per group of images.
    """
    network = UNet()
    network.load_state_dict(dict(weights))
    chosen = torch.device(device)
    model = NetworkModel(ready(network, chosen), chosen, device, {})
    objects, scores = evaluate_images(_compared(model, images, diameter, outline))
    parts = [_summary(objects, scores, []).assign(group=EVERY_GROUP)]
    if len({one.group for one in images}) > 1:
        parts.append(_summary(objects, scores, ["group"]))
    table = pd.concat(parts, ignore_index=True)
    partly = pd.Series({one.group: 0 for one in images})
    for one in images:
        partly[one.group] += bool((one.labels < 0).any())
    partly[EVERY_GROUP] = partly.sum()
    return table.assign(n_partly_known=partly[table["group"]].to_numpy())[list(COLUMNS)]


def _compared(
    model: NetworkModel,
    images: Sequence[TrainingImage],
    diameter: float | None,
    outline: float | None,
) -> Iterator[tuple[dict, Labels, Labels]]:
    for number, one in enumerate(images):
        plane = [one.image[None]]
        given = {"diameter": diameter, "outline": outline}
        found = segment_with_network(plane, [{"model": model}], **given)[0].labels
        # A field may be there twice, as reviewed and as edited; its number tells them apart.
        description = {"group": one.group, "name": one.name, "number": number}
        yield description, known_objects(found, one.labels), np.maximum(one.labels, 0)


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
