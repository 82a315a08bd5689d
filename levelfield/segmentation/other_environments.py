"""Methods that run in environments of their own: `cellpose3` and `instanseg`.

They see many images at once, because every request to another process costs some time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from levelfield.config.parameters import require_choice, require_number
from levelfield.segmentation.overlaps import finished
from levelfield.segmentation.result import Segmentation

Image = NDArray[np.float32]
Labels = NDArray[np.int32]

TARGETS = ("nuclei", "cells")


class Package(Protocol):
    """What segments: `segmentation.workers.exchange.Worker`, or whatever has its method."""

    def segment(self, images: Sequence[Image], parameters: Mapping[str, Any]) -> list[Labels]:
        """Segment images (C, Y, X)."""


def cellpose3(
    image: Image,
    model: Package,
    *,
    diameter: float | None = None,
    model_diameter: float | None = None,
    flow_threshold: float = 0.4,
    cell_probability: float = 0.0,
    iterations: int | None = None,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment with a model of Cellpose 1 to 3, such as `cyto3` and `nuclei`.

    Stringer & Pachitariu, Nature Methods 22, 592 (2025).

    Parameters
    ----------
    image
        (C, Y, X): 1 channel, or 2: cytoplasm and nuclei.
    model
        A worker in the environment ``cellpose3``.
    diameter
        Typical diameter of the objects in px, the same for all images; none: that of the objects
        which the model learned from. It is never measured per image, or it would drift between the
        controls.
    model_diameter
        To which the model's images were scaled in training, px; none: what its file says, else 30.
        Of the published model `nuclei` it is 17, which its file does not say.
    flow_threshold
        Objects whose flows differ more from what their shape would give are dropped; 0 keeps all.
    cell_probability
        Pixels of a higher one (a logit, 0 is even odds) are part of objects; higher makes smaller
        objects.
    iterations
        Steps that pixels follow the flow; none: as many as the diameter needs.
    minimum_diameter, maximum_diameter, border
        As in `levelfield.segmentation.methods.classical.classical`.
    """
    parameters = {name: value for name, value in locals().items() if name not in _INPUTS}
    return segment_with_cellpose3([image], [{"model": model}], **parameters)[0]


def segment_with_cellpose3(
    images: Sequence[Image],
    parents: Sequence[Mapping[str, Any]],
    *,
    diameter: float | None = None,
    model_diameter: float | None = None,
    flow_threshold: float = 0.4,
    cell_probability: float = 0.0,
    iterations: int | None = None,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> list[Segmentation]:
    """Segment many images at once; parameters are those of `cellpose3`."""
    if diameter is not None:
        require_number("diameter", diameter, 1)
    if model_diameter is not None:
        require_number("model_diameter", model_diameter, 1)
    if iterations is not None:
        require_number("iterations", iterations, 1)
    require_number("flow_threshold", flow_threshold, 0)
    require_number("cell_probability", cell_probability)
    sent = {
        "diameter": diameter,
        "model_diameter": model_diameter,
        "flow_threshold": flow_threshold,
        "cell_probability": cell_probability,
        "iterations": iterations,
    }
    found = parents[0]["model"].segment(images, sent)
    return [finished(one, {}, minimum_diameter, maximum_diameter, border) for one in found]


def instanseg(
    image: Image,
    model: Package,
    *,
    target: str = "nuclei",
    pixel_size: float | None = None,
    mask_threshold: float = 0.53,
    seed_threshold: float = 0.7,
    peak_distance: int = 5,
    overlap_threshold: float = 0.3,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment with an InstanSeg model.

    Goldsborough et al., arXiv:2408.15954 and bioRxiv 2024.09.04.611150; defaults are its own.

    Parameters
    ----------
    image
        (C, Y, X), as many channels as the model wants; published ones take any number.
    model
        A worker in the environment ``instanseg``.
    target
        `nuclei` or `cells`, where the model makes both.
    pixel_size
        Width of a pixel in µm; images are scaled to that of the model. None: not scaled.
    mask_threshold
        Probability from which a pixel is part of an object; higher makes smaller objects.
    seed_threshold
        What a pixel needs to be the seed of an object; higher finds fewer.
    peak_distance
        Seeds are at least so many px apart.
    overlap_threshold
        Seeds whose masks overlap more (IoU) are one object; higher splits more.
    minimum_diameter, maximum_diameter, border
        As in `levelfield.segmentation.methods.classical.classical`.
    """
    parameters = {name: value for name, value in locals().items() if name not in _INPUTS}
    return segment_with_instanseg([image], [{"model": model}], **parameters)[0]


def segment_with_instanseg(
    images: Sequence[Image],
    parents: Sequence[Mapping[str, Any]],
    *,
    target: str = "nuclei",
    pixel_size: float | None = None,
    mask_threshold: float = 0.53,
    seed_threshold: float = 0.7,
    peak_distance: int = 5,
    overlap_threshold: float = 0.3,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> list[Segmentation]:
    """Segment many images at once; parameters are those of `instanseg`."""
    require_choice("target", target, TARGETS)
    if pixel_size is not None:
        require_number("pixel_size", pixel_size, 0.01, 100)
    sent: dict[str, Any] = {
        "mask_threshold": mask_threshold,
        "seed_threshold": seed_threshold,
        "peak_distance": peak_distance,
        "overlap_threshold": overlap_threshold,
    }
    for name, value in sent.items():
        require_number(name, value, 0)
    found = parents[0]["model"].segment(images, sent | {"target": target, "pixel_size": pixel_size})
    return [finished(one, {}, minimum_diameter, maximum_diameter, border) for one in found]


_INPUTS = ("image", "model")
