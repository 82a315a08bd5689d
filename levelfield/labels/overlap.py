"""Which predicted object shares how many pixels with which reference object.

Every score of this package is derived from these sparse pairs: a field with 5,000 objects has
some 10,000 overlapping pairs, where a full matrix would have 25 million entries.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.sparse import csr_array

from levelfield.arrays import Floats, Integers, Labels

CRITERIA = ("iou", "boundary_iou", "intersection_over_reference")


@dataclass(frozen=True)
class NumberedLabels:
    """A label image (Y, X) with its objects renumbered 1..n in ascending order of their labels.

    ``labels[i - 1]`` is the original label of object ``i``, ``areas[i - 1]`` its area in px.
    """

    image: Labels
    labels: Integers
    areas: Integers


@dataclass(frozen=True)
class Overlap:
    """Overlapping pairs of a predicted and a reference object, (pairs,) each.

    ``prediction`` and ``reference`` are 0-based positions of the two objects, sorted by prediction,
    then reference; ``intersection`` is their shared pixels, at least 1. The areas, in px, are those
    of all objects, overlapping or not.
    """

    prediction: Integers
    reference: Integers
    intersection: Integers
    prediction_areas: Integers
    reference_areas: Integers

    @property
    def union(self) -> Integers:
        """Pixels of the union of each pair."""
        areas = self.prediction_areas[self.prediction] + self.reference_areas[self.reference]
        return areas - self.intersection

    @property
    def iou(self) -> Floats:
        """Intersection over union of each pair (mask IoU)."""
        return self.intersection / self.union

    @property
    def of_prediction(self) -> Floats:
        """Share of the predicted object that lies in the reference object."""
        return self.intersection / self.prediction_areas[self.prediction]

    @property
    def of_reference(self) -> Floats:
        """Share of the reference object that the prediction holds: intersection over reference."""
        return self.intersection / self.reference_areas[self.reference]


def number_labels(labels: ArrayLike, name: str) -> NumberedLabels:
    """Check a label image and renumber its objects 1..n; `name` says in an error which it is.

    ValueError if the array is not two-dimensional, not integer, or has negative labels.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(
            f"The {name} has {labels.ndim} dimensions (shape {labels.shape}), but a label image "
            "has two (Y, X). Evaluate stacks and channels one plane at a time."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"The {name} has dtype {labels.dtype}, but a label image holds integers, one number "
            "per object. Convert float labels with labels.astype('int32'); give a foreground mask "
            "its objects first, e.g. with skimage.measure.label."
        )
    if labels.size and labels.min() < 0:
        raise ValueError(
            f"The {name} holds the negative label {labels.min()}. Background is 0 and objects are "
            "positive: set ignored or background pixels to 0."
        )
    foreground = labels > 0
    numbers, values = pd.factorize(labels[foreground].astype(np.int64), sort=True)
    image = np.zeros(labels.shape, np.int32)
    image[foreground] = numbers + 1
    return NumberedLabels(image, values, np.bincount(numbers, minlength=len(values)))


def check_same_shape(prediction: ArrayLike, reference: ArrayLike) -> None:
    """Raise if two label images do not show the same field."""
    if np.shape(prediction) != np.shape(reference):
        raise ValueError(
            f"The prediction is {np.shape(prediction)} and the reference {np.shape(reference)} "
            "pixels, so their objects cannot be compared. Crop or rescale the labels (nearest "
            "neighbour) to the image that both describe."
        )


def count_overlap(prediction: NumberedLabels, reference: NumberedLabels) -> Overlap:
    """Count the pixels that each predicted object shares with each reference object."""
    shared = (prediction.image > 0) & (reference.image > 0)
    rows, columns = prediction.image[shared] - 1, reference.image[shared] - 1
    shape = (len(prediction.labels), len(reference.labels))
    counts = csr_array((np.ones(rows.size, np.int64), (rows, columns)), shape=shape)
    counts.sum_duplicates()
    pairs = counts.tocoo()
    return Overlap(
        prediction=pairs.coords[0].astype(np.int64),
        reference=pairs.coords[1].astype(np.int64),
        intersection=pairs.data,
        prediction_areas=prediction.areas,
        reference_areas=reference.areas,
    )


def boundary_iou(
    prediction: NumberedLabels, reference: NumberedLabels, overlap: Overlap, width: int
) -> Floats:
    """Boundary IoU of each overlapping pair (Cheng et al., CVPR 2021).

    The IoU of the two inner boundary bands: the pixels of an object whose chessboard distance to
    the outside is at most `width` px. The image frame counts as outside, as in the authors' code.
    Objects thinner than twice the width have no interior left, and their boundary IoU is their mask
    IoU.
    """
    bands = [_boundary_band(side, width) for side in (prediction, reference)]
    shared = count_overlap(*bands)
    shape = (len(prediction.labels), len(reference.labels))
    counts = csr_array((shared.intersection, (shared.prediction, shared.reference)), shape=shape)
    intersection = np.asarray(counts[overlap.prediction, overlap.reference]).ravel()
    areas = bands[0].areas[overlap.prediction] + bands[1].areas[overlap.reference]
    return intersection / (areas - intersection)


def _boundary_band(labels: NumberedLabels, width: int) -> NumberedLabels:
    window = 2 * width + 1
    lowest = minimum_filter(labels.image, size=window, mode="constant")
    highest = maximum_filter(labels.image, size=window, mode="constant")
    band = np.where(lowest == highest, 0, labels.image)
    areas = np.bincount(band.ravel(), minlength=len(labels.labels) + 1)[1:]
    return NumberedLabels(band, labels.labels, areas)
