"""Splits, merges, missed and extra objects.

The definitions are those of this project's quality control, so that its estimates without a
reference can be compared with the truth; Caicedo's are counted beside them:

* *fragment*: a predicted object of which at least 50 % lies in one reference object and that
  covers at least 10 % of it; a *split* is a reference object with two or more fragments;
* *merge*: a predicted object that holds at least 50 % of each of two or more reference objects,
  each at least 10 % of the predicted object;
* *missed*: a reference object that is not split and of which less than 50 % is covered by
  predicted objects that each cover at least 10 % of it;
* *extra*: a predicted object of which less than 30 % lies in reference objects.

References
----------
Caicedo et al., "Evaluation of deep learning strategies for nucleus segmentation in fluorescence
images", Cytometry A 2019: a reference object that has an IoU above 0.1 with two or more predicted
objects is split, a predicted object with two or more such reference objects is a merge, and a
reference object without any IoU above 0.7 is missed.
"""

from typing import NamedTuple

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.labels.overlap import Overlap

MOSTLY_INSIDE = 0.5
NOTICEABLE_SHARE = 0.1
EXTRA_BELOW = 0.3
CAICEDO_TOUCHES_ABOVE = 0.1
CAICEDO_FOUND_ABOVE = 0.7

Columns = dict[str, AnyArray]


class ObjectErrors(NamedTuple):
    """Error flags and counts of the objects of one image, by the names of the object table.

    ``n_parts`` counts the fragments of a reference object, and the reference objects that a
    predicted object holds; ``is_merged`` marks the reference objects that a merge holds, and
    ``is_fragment`` the fragments of split reference objects.
    """

    prediction: Columns
    reference: Columns


def find_errors(overlap: Overlap) -> ObjectErrors:
    """Find splits, merges, missed and extra objects from the overlapping pairs."""
    n_prediction, n_reference = len(overlap.prediction_areas), len(overlap.reference_areas)

    def per_prediction(values: AnyArray) -> AnyArray:
        return np.bincount(overlap.prediction, values, minlength=n_prediction)

    def per_reference(values: AnyArray) -> AnyArray:
        return np.bincount(overlap.reference, values, minlength=n_reference)

    inside, covered = overlap.of_prediction, overlap.of_reference
    fragment = (inside >= MOSTLY_INSIDE) & (covered >= NOTICEABLE_SHARE)
    held = (covered >= MOSTLY_INSIDE) & (inside >= NOTICEABLE_SHARE)
    n_fragments = per_reference(fragment).astype(np.int64)
    n_held = per_prediction(held).astype(np.int64)
    is_split, is_merge = n_fragments >= 2, n_held >= 2
    touches = overlap.iou > CAICEDO_TOUCHES_ABOVE
    # Pixels are summed before dividing: a sum of shares can fall short of one half by rounding.
    pieces = per_reference(np.where(covered >= NOTICEABLE_SHARE, overlap.intersection, 0))
    well_covered = pieces / overlap.reference_areas >= MOSTLY_INSIDE
    shared = per_prediction(overlap.intersection)
    prediction = {
        "n_parts": n_held,
        "is_merge": is_merge,
        "is_fragment": per_prediction(fragment & is_split[overlap.reference]) > 0,
        "is_extra": shared / overlap.prediction_areas < EXTRA_BELOW,
        "caicedo_overlaps": per_prediction(touches).astype(np.int64),
    }
    reference = {
        "n_parts": n_fragments,
        "is_split": is_split,
        "is_merged": per_reference(held & is_merge[overlap.prediction]) > 0,
        "is_missed": ~is_split & ~well_covered,
        "caicedo_overlaps": per_reference(touches).astype(np.int64),
        "caicedo_missed": per_reference(overlap.iou > CAICEDO_FOUND_ABOVE) == 0,
    }
    return ObjectErrors(prediction, reference)
