"""The one door to all segmenters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.config.parameters import call_with, default_values, require_choice
from levelfield.images.preprocessing import apply_steps
from levelfield.segmentation.editing import edited, masked
from levelfield.segmentation.imported import labels
from levelfield.segmentation.methods.cellpose import cellpose, segment_with_cellpose
from levelfield.segmentation.methods.classical import classical
from levelfield.segmentation.methods.mask_rcnn import mask_rcnn
from levelfield.segmentation.methods.network import network, segment_with_network
from levelfield.segmentation.methods.segment_anything import (
    segment_anything,
    segment_anything_cells,
)
from levelfield.segmentation.methods.stardist import stardist
from levelfield.segmentation.other_environments import (
    cellpose3,
    instanseg,
    segment_with_cellpose3,
    segment_with_instanseg,
)
from levelfield.segmentation.pixel_classifier import pixel_classifier
from levelfield.segmentation.result import Segmentation
from levelfield.segmentation.secondary import expansion, propagation, subtraction, watershed
from levelfield.segmentation.threshold import find_threshold

# A segmenter's positional parameters are the image and what it builds on, by role; its keyword-only
# parameters are what the configuration may set.
SEGMENTERS: dict[str, Callable[..., Segmentation]] = {
    "classical": classical,
    "propagation": propagation,
    "watershed": watershed,
    "expansion": expansion,
    "subtraction": subtraction,
    "masked": masked,
    "edited": edited,
    "labels": labels,
    "pixel_classifier": pixel_classifier,
    "network": network,
    "stardist": stardist,
    "mask_rcnn": mask_rcnn,
    "segment_anything": segment_anything,
    "segment_anything_cells": segment_anything_cells,
    "cellpose": cellpose,
    "cellpose3": cellpose3,
    "instanseg": instanseg,
}
# Learned segmenters that see the images of many fields at once, to keep a GPU busy: a list of
# images, and one of what each builds on.
BATCH_SEGMENTERS: dict[str, Callable[..., list[Segmentation]]] = {
    "network": segment_with_network,
    "cellpose": segment_with_cellpose,
    "cellpose3": segment_with_cellpose3,
    "instanseg": segment_with_instanseg,
}


def parent_roles(method: str) -> list[str]:
    """Roles of what a method builds on besides the image, e.g. ``["parent", "minus"]``."""
    require_choice("method", method, SEGMENTERS)
    parameters = inspect.signature(SEGMENTERS[method]).parameters.values()
    positional = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return positional[1:]


def segment_objects(
    image: NDArray[np.float32],
    method: str,
    parameters: Mapping[str, Any],
    parents: Mapping[str, Any] | None = None,
    steps: Sequence[Mapping[str, Any]] = (),
) -> Segmentation:
    """Segment one image with one method.

    Parameters
    ----------
    image
        (C, Y, X) float32, corrected, intensity 0-1: the channels of this object set, in the order
        of the configuration.
    method
        A name in `SEGMENTERS`.
    parameters
        What the configuration sets for the method.
    parents
        What the method builds on, by role: label images as `parent`, `minus` and `within`; for
        the method `labels` the `imported` label image, for `pixel_classifier` the `classifier`,
        for learned methods the `model`.
    steps
        Image processing that only the segmenter sees, see
        `levelfield.images.preprocessing.apply_steps`.
        The image itself stays as it is, and so do all measurements on it.

    Raises
    ------
    ValueError
        If the method, a parameter or its value is unknown, a parent is missing or superfluous, or
        the image has a wrong shape or values that are not finite.
    """
    return segment_images([image], method, parameters, [parents or {}], steps)[0]


def segment_images(
    images: Sequence[NDArray[np.float32]],
    method: str,
    parameters: Mapping[str, Any],
    parents: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]] = (),
) -> list[Segmentation]:
    """Segment the images of many fields with one method.

    Results do not depend on which images are segmented together. Parameters and errors are those of
    `segment_objects`, with an image and what it builds on for every field.
    """
    roles = parent_roles(method)
    for image, given in zip(images, parents, strict=True):
        if sorted(given) != sorted(roles):
            raise ValueError(
                f"method {method} builds on [{', '.join(roles)}], but was given "
                f"[{', '.join(given)}]"
            )
        _check_image(image, given)
    seen = [apply_steps(image, steps) for image in images]
    where = f"method {method}"
    if method in BATCH_SEGMENTERS:
        return call_with(
            BATCH_SEGMENTERS[method], seen, parents, parameters=parameters, where=where
        )
    return [
        call_with(
            SEGMENTERS[method],
            image,
            *(given[role] for role in roles),
            parameters=parameters,
            where=where,
        )
        for image, given in zip(seen, parents, strict=True)
    ]


def threshold_input(
    image: NDArray[np.float32],
    method: str,
    parameters: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]] = (),
) -> NDArray[np.float32]:
    """Return the smoothed image (Y, X) that a method would threshold.

    For thresholds that are measured on many images at once
    (`levelfield.segmentation.threshold.measure_threshold`).

    Parameters
    ----------
    image, method, parameters, steps
        As for `segment_objects`.

    Raises
    ------
    ValueError
        If the method has no threshold.
    """
    defaults = _defaults_with_threshold(method)
    seen = apply_steps(image, steps)
    smoothing = parameters.get("smoothing", defaults["smoothing"])
    return ndimage.gaussian_filter(seen[0], smoothing) if smoothing else seen[0]


def threshold_settings(method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of the threshold that a method would use, with its own defaults.

    Parameters
    ----------
    method, parameters
        As for `segment_objects`.

    Raises
    ------
    ValueError
        If the method has no threshold.
    """
    given = parameters.get("threshold", _defaults_with_threshold(method)["threshold"])
    return default_values(find_threshold) | dict(given)


def _defaults_with_threshold(method: str) -> dict[str, Any]:
    require_choice("method", method, SEGMENTERS)
    defaults = default_values(SEGMENTERS[method])
    if defaults.get("threshold") is None:
        raise ValueError(f"method {method} has no threshold that could be measured beforehand")
    return defaults


def _check_image(image: NDArray[np.float32], parents: Mapping[str, Any]) -> None:
    if image.ndim != 3:
        raise ValueError(f"the image has shape {image.shape}; it must be (channel, y, x)")
    if not np.isfinite(image).all():
        n_bad = int(np.count_nonzero(~np.isfinite(image)))
        raise ValueError(
            f"{n_bad} pixels of the image are not finite numbers, so no threshold would mean "
            "anything; check the flat field that was applied"
        )
    for role in ("parent", "minus", "within"):
        if role in parents and parents[role].shape != image.shape[1:]:
            raise ValueError(
                f"the {role} labels are {parents[role].shape}, the image is {image.shape[1:]} px"
            )
