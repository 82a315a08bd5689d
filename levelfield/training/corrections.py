"""What people said about objects, as labels to learn from."""

import numpy as np
import pandas as pd

from levelfield.arrays import Integers, Labels, Mask
from levelfield.labels.objects import expand, object_numbers

CORRECT, NOT_AN_OBJECT, CANNOT_TELL = "correct", "not_an_object", "cannot_tell"
ANSWERS = (CORRECT, "split", "merged", "too_large", "too_small", NOT_AN_OBJECT, CANNOT_TELL)
UNKNOWN = -1
RING = 3.0  # px around a correct object that are background, as its outline was found right


def agreed_answers(review: pd.DataFrame) -> pd.Series:
    """Return one answer per object: the one that all reviewers give who could tell.

    A review has a row per object and reviewer, with columns ``object`` (number) and ``answer`` (one
    of `ANSWERS`). Answers are by object number, ascending; `CANNOT_TELL` where reviewers differ.
    """
    return review.groupby("object", sort=True)["answer"].agg(_agree)


def _agree(answers: pd.Series) -> str:
    told = set(answers) - {CANNOT_TELL}
    return told.pop() if len(told) == 1 else CANNOT_TELL


def reviewed_labels(labels: Labels, answers: pd.Series, ring: float = RING) -> Labels:
    """Return what a review makes known of a label image.

    Parameters
    ----------
    labels, answers : (Y, X) int32, Series of str
        The labels that were reviewed, and what `agreed_answers` returned.
    ring : float
        Width in px of the known background around correct objects.

    Returns
    -------
    (Y, X) int32
        Correct objects with their numbers; 0 around them, as far as no other object lies there, and
        where something was not an object; `UNKNOWN` elsewhere. Of an object that is split, merged
        or mis-bounded nobody has said which pixels are right, so all of them are unknown.

    Raises
    ------
    ValueError
        If an object was reviewed that the labels do not have.
    """
    missing = answers.index.difference(object_numbers(labels))
    if len(missing):
        raise ValueError(
            f"object {missing[0]} was reviewed, but is not in the labels: they were made again "
            "since. Review the labels that are there now"
        )
    correct = _chosen(labels, answers.index[answers == CORRECT])
    false = _chosen(labels, answers.index[answers == NOT_AN_OBJECT]) > 0
    return _known_around(labels, correct, false, ring)


def edited_labels(labels: Labels, edited: Labels, ring: float = RING) -> Labels:
    """Return what is known if only that part of a field counts that a person changed.

    Objects that the person drew or changed, with their numbers; 0 in a ring (px) around them and
    where objects were taken away; `UNKNOWN` elsewhere.
    """
    changed = _chosen(edited, changed_objects(edited, labels))
    gone = (_chosen(labels, changed_objects(labels, edited)) > 0) & (edited == 0)
    return _known_around(edited, changed, gone, ring)


def changed_objects(labels: Labels, other: Labels) -> Integers:
    """Return the objects of `labels` that `other` does not have with just the same pixels."""
    area, other_area = np.bincount(labels.ravel()), np.bincount(other.ravel())
    inside = (labels > 0) & (other > 0)
    pairs, shared = np.unique(np.stack([labels[inside], other[inside]]), axis=1, return_counts=True)
    whole = (shared == area[pairs[0]]) & (shared == other_area[pairs[1]])
    return np.setdiff1d(object_numbers(labels), pairs[0][whole])


def count_edits(labels: Labels, edited: Labels) -> tuple[int, int]:
    """Count the objects of a field that a person looked at, and those that had to be corrected.

    All objects of the edited labels and those that were taken away; of these, the objects that were
    drawn, changed or taken away.
    """
    drawn = len(changed_objects(edited, labels))
    # A changed object has pixels under an edited one; it was counted there.
    overlap = labels[(labels > 0) & (edited > 0)]
    n_gone = len(np.setdiff1d(changed_objects(labels, edited), overlap))
    return len(object_numbers(edited)) + n_gone, drawn + n_gone


def _chosen(labels: Labels, numbers: Integers | pd.Index) -> Labels:
    return np.where(np.isin(labels, numbers), labels, 0).astype(np.int32)


def _known_around(labels: Labels, right: Labels, false: Mask, ring: float) -> Labels:
    known = np.full(labels.shape, UNKNOWN, np.int32)
    if right.any():
        known[(expand(right, ring) > 0) & (labels == 0)] = 0
    known[false] = 0
    known[right > 0] = right[right > 0]
    return known
