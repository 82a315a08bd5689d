"""The method `network`: objects from one of many decoders of the small network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import expand_labels
from skimage.transform import resize

from levelfield.config.parameters import call_with, require_choice, require_number
from levelfield.labels.filtering import filter_objects
from levelfield.labels.objects import fill_object_holes, renumber
from levelfield.segmentation.decoders import DECODERS, READS
from levelfield.segmentation.result import Segmentation, single_channel
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.small_network.refinement import refine_outlines

Image = NDArray[np.float32]
Labels = NDArray[np.int32]
NOTHING: Mapping[str, Any] = {}


class Predictor(Protocol):
    """What predicts: `levelfield.segmentation.small_network.inference.NetworkModel`."""

    def predict(
        self, images: Sequence[Image], diameter: float | None = None, groups: Sequence[str] = ()
    ) -> list[Prediction]:
        """Predict images (Y, X) of one plate: what the raw outputs of these groups tell."""
        ...


def network(
    image: Image,
    model: Predictor,
    *,
    decoder: str = "flow",
    decoding: Mapping[str, Any] = NOTHING,
    outline: float | None = 0.4,
    diameter: float | None = None,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment what the small network sees.

    Parameters
    ----------
    image
        (1, Y, X).
    model
        The network with its weights.
    decoder
        How its prediction becomes objects: a name in
        `levelfield.segmentation.decoders.DECODERS`.
    decoding
        Parameters of the decoder, for instance ``foreground``: the probability from which a pixel
        is part of an object; higher makes smaller objects.
    outline
        Where the outline of each object lies between the background beside it (0) and its own
        brightness (1), as in the method `classical`; larger makes smaller objects; none: where the
        probability of foreground says.
    diameter
        Typical diameter of the objects in px, the same for all images of a plate; null measures
        it once on a sample of the plate. Images are scaled only if it is outside of what the
        network was trained on.
    minimum_diameter, maximum_diameter, border
        As in `levelfield.segmentation.methods.classical.classical`.
    """
    return segment_with_network(
        [image],
        [{"model": model}],
        decoder=decoder,
        decoding=decoding,
        outline=outline,
        diameter=diameter,
        minimum_diameter=minimum_diameter,
        maximum_diameter=maximum_diameter,
        border=border,
    )[0]


def segment_with_network(
    images: Sequence[Image],
    parents: Sequence[Mapping[str, Any]],
    *,
    decoder: str = "flow",
    decoding: Mapping[str, Any] = NOTHING,
    outline: float | None = 0.4,
    diameter: float | None = None,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> list[Segmentation]:
    """Segment many images (1, Y, X) at once; parameters are those of `network`."""
    require_choice("decoder", decoder, DECODERS)
    if diameter is not None:
        require_number("diameter", diameter, 1)
    planes = [single_channel(image, "network") for image in images]
    if outline is not None:
        require_number("outline", outline, 0.01, 0.99)
    predictions = parents[0]["model"].predict(planes, diameter, ("foreground", *READS[decoder]))
    filters = (minimum_diameter, maximum_diameter, border)
    return [
        decode(prediction, plane.shape, decoder, decoding, *filters, image=plane, outline=outline)
        for plane, prediction in zip(planes, predictions, strict=True)
    ]


def decode(
    prediction: Prediction,
    shape: tuple[int, ...],
    decoder: str = "flow",
    decoding: Mapping[str, Any] = NOTHING,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
    *,
    image: Image | None = None,
    outline: float | None = 0.4,
) -> Segmentation:
    """Turn one prediction into the objects of an image of a given shape (Y, X).

    Without the image (Y, X) itself, the outlines are those of the prediction alone.
    """
    where = f"decoder {decoder}"
    labels = call_with(DECODERS[decoder], prediction, parameters=decoding, where=where)
    foreground, threshold = prediction.foreground, decoding.get("foreground", 0.5)
    if labels.shape != shape:
        foreground = resize(foreground, shape, order=1, anti_aliasing=False)
        labels = _to_size(labels, foreground > threshold)
    if image is not None and outline is not None:
        labels = refine_outlines(image, labels, foreground, outline, threshold)
    labels, removed = filter_objects(labels, minimum_diameter, maximum_diameter, border)
    share = {"ForegroundProbability": float(prediction.foreground.mean())}
    return Segmentation(renumber(labels), share | removed)


def _to_size(labels: Labels, foreground: NDArray[np.bool_]) -> Labels:
    """Bring labels to the size of their image, whose foreground draws their outlines again."""
    shape = foreground.shape
    nearest = resize(labels, shape, order=0, preserve_range=True, anti_aliasing=False)
    # An outline that was found on coarser pixels may be off by one of those.
    reach = max(1.0, shape[0] / labels.shape[0])
    grown = expand_labels(nearest.astype(np.int32), reach)
    return fill_object_holes(np.where(foreground, grown, 0))
