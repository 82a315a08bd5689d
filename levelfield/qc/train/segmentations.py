"""Segmentations with all kinds of errors, good and bad, by three kinds of segmenter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from levelfield.arrays import Image, Labels
from levelfield.labels.labelwise import median_diameter
from levelfield.labels.objects import renumber
from levelfield.qc.evidence.bias import threshold_bias
from levelfield.qc.evidence.opinion_network import load_opinion
from levelfield.qc.evidence.second_opinion import SecondOpinion, opinion_for, second_opinion
from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.methods.network import NetworkOptions, decode
from levelfield.segmentation.networks.cellpose.dynamics import find_objects
from levelfield.segmentation.registry import segment_objects
from levelfield.segmentation.small_network.inference import NetworkModel, predict, scale_for
from levelfield.segmentation.small_network.prediction import Prediction

_INTENSITY = {"centres": "intensity", "lines": "intensity"}
CLASSICAL: dict[str, Mapping[str, Any]] = {
    "default": {},
    "split": {"declump": {"depth": 0.0, "suppression_distance": 1.0, "smoothing": 0.5}},
    "split_by_intensity": {"declump": _INTENSITY | {"depth": 0.0}},
    "divide_little": {"declump": {"depth": 0.35}},
    "undivided": {"declump": {"centres": "none"}},
    "low": {"threshold": {"correction": 0.6}},
    "high": {"threshold": {"correction": 1.4}},
    "strict": {"threshold": {"correction": 2.4}},
}
NETWORK: dict[str, tuple[str, Mapping[str, Any], float | None]] = {
    # decoder, its parameters, and where the outline is drawn
    "flow": ("flow", {}, 0.4),
    "three_class": ("three_class", {}, 0.4),
    "flow_low": ("flow", {"minimum_foreground": 0.6}, 0.2),
    "flow_high": ("flow", {}, 0.6),
    "strict": ("flow", {"foreground": 0.9, "minimum_foreground": 0.97}, 0.4),
    "affinity_merging": ("affinity", {"dividing": 0.15}, 0.4),
    "affinity_splitting": ("affinity", {"dividing": 0.95}, 0.4),
}
CELLPOSE: dict[str, Mapping[str, Any]] = {
    "default": {},
    "keep_all": {"flow_threshold": 0.0, "cell_probability": -2.0},
    "strict": {"flow_threshold": 0.2, "cell_probability": 3.0},
}
KINDS = ("classical", "network", "cellpose")
METHODS = {"classical": "classical", "network": "network", "cellpose": "cellpose-like"}
"""By the name of the method in the config; Cellpose's own weights are calibrated by nothing."""
SETTINGS: dict[str, tuple[str, ...]] = {
    "classical": tuple(CLASSICAL),
    "network": tuple(NETWORK),
    "cellpose": tuple(CELLPOSE),
}
GOOD = (("classical", "default"), ("network", "flow"))
"""Segmentations into which errors are planted."""
OF_PHENOTYPES = (*GOOD, ("classical", "split_by_intensity"), ("cellpose", "default"))
"""Segmentations that images with phenotypes get."""
REFERENCE = "reference"


@dataclass
class Scene:
    """An image (Y, X), 0-1, with its reference, and what a network that never saw it says of it."""

    image: Image
    reference: Labels
    model: NetworkModel
    network: Path  # the same as an ONNX file, as the second opinion asks it
    read: dict[float, SecondOpinion] = field(default_factory=dict)  # what it said, by scale

    def opinion(self, labels: Labels) -> SecondOpinion:
        """Ask about a segmentation (Y, X) of the image as the QC does, once at every scale."""
        return opinion_for(labels, self._opinion_at)

    def _opinion_at(self, scale: float) -> SecondOpinion:
        if scale not in self.read:
            prediction = load_opinion(self.network).predict(self.image, scale)
            self.read[scale] = second_opinion(prediction, self.image.shape)
        return self.read[scale]

    @cached_property
    def prediction(self) -> Prediction:
        """What the network says, at the scale it segments at."""
        return predict(self.model, self.image, scale_for(median_diameter(self.reference)))

    @cached_property
    def reference_bias_px(self) -> float:
        """How far annotators draw outside of the visible edge, px: median over objects."""
        return float(pd.Series(threshold_bias(self.reference, self.image)).median())

    def labels(self, kind: str, setting: str) -> Labels:
        """Segment in one of the ways; (Y, X) int32."""
        if kind == "classical":
            return segment_objects(self.image[None], "classical", CLASSICAL[setting]).labels
        if kind == "network":
            names = ("decoder", "decoding", "outline")
            given = dict(zip(names, NETWORK[setting], strict=True))
            options = NetworkOptions.model_validate(given)
            return decode(self.prediction, self.image.shape, options, self.image).labels
        if kind == "cellpose":
            return cellpose_like(self.prediction, self.image.shape, CELLPOSE[setting])
        return self.reference


def cellpose_like(
    prediction: Prediction, shape: tuple[int, ...], options: Mapping[str, Any]
) -> Labels:
    """Decode the network's flows by Cellpose's own steps."""
    chosen = CellposeOptions(**options)
    likely = np.clip(np.asarray(prediction.cell_probability), 1e-4, 1 - 1e-4)
    logit = np.log(likely / (1 - likely))
    outputs = np.concatenate([5 * prediction.flow, logit[None]])[None]
    labels = find_objects(torch.from_numpy(np.ascontiguousarray(outputs)), chosen)[0].numpy()
    if labels.shape != shape:
        labels = ndimage.zoom(labels, np.divide(shape, labels.shape), order=0)
    areas = np.bincount(labels.ravel())
    return renumber(np.where(areas[labels] >= chosen.minimum_area, labels, 0).astype(np.int32))
