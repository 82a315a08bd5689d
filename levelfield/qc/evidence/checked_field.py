"""Check what the QC is given of a field."""

import numpy as np

from levelfield.arrays import Image, Labels


def checked_field(
    labels: Labels, image: Image, inner: Labels | None = None
) -> tuple[Labels, Image, Labels | None]:
    """Return labels, image and inner labels in the types that all of the QC computes with.

    ValueError when shapes differ, labels are not integers or negative, or pixels are not finite.
    """
    if labels.ndim != 2 or labels.shape != image.shape:
        raise ValueError(
            f"Labels of shape {labels.shape} and image of shape {image.shape}: the QC compares an "
            "object's outline with the pixels under it, so both must be (Y, X) of one shape. "
            "Pass the one channel in which the objects were segmented."
        )
    if inner is not None and inner.shape != labels.shape:
        raise ValueError(
            f"Labels of shape {labels.shape} and inner labels of shape {inner.shape}: nuclei and "
            "cells must come from the same field."
        )
    if not np.issubdtype(labels.dtype, np.integer) or (labels.size and labels.min() < 0):
        raise ValueError(
            f"Labels of type {labels.dtype} with minimum {labels.min()}: labels are whole numbers, "
            "0 for background. Convert the label image to int32."
        )
    if not np.isfinite(image).all():
        raise ValueError(
            "The image holds NaN or infinite pixels, which would spread into every number of the "
            "QC. Exclude the field or repair the illumination correction that made them."
        )
    # One type and memory layout, or numba would compile every kernel again for each.
    return (
        np.ascontiguousarray(labels, np.int32),
        np.ascontiguousarray(image, np.float32),
        None if inner is None else np.ascontiguousarray(inner, np.int32),
    )
