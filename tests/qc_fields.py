"""Synthetic fields of discs for tests of the QC, with a second opinion that needs no network."""

import numpy as np
from scipy import ndimage

from levelfield.qc.evidence.candidates import find_candidates
from levelfield.qc.evidence.features import field_features
from levelfield.qc.evidence.second_opinion import JURY, SecondOpinion
from levelfield.qc.train.truth import add_truth

SHAPE = (128, 128)


def discs(centres, radius=8, shape=SHAPE):
    """Label image with a disc around each centre."""
    labels = np.zeros(shape, np.int32)
    y, x = np.indices(shape)
    for number, (cy, cx) in enumerate(centres, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


def grid(rows=3, columns=3, step=36, start=24, radius=8):
    return discs(
        [(start + step * i, start + step * j) for i in range(rows) for j in range(columns)], radius
    )


def picture(labels, brightness=0.5, seed=0):
    """Smooth image of the objects on a noisy background."""
    noise = np.random.default_rng(seed).normal(0, 0.01, labels.shape)
    smooth = ndimage.gaussian_filter((labels > 0).astype(float), 1.0)
    return np.clip(0.1 + brightness * smooth + noise, 0, 1).astype(np.float32)


def opinion_of(seen):
    """Second opinion whose whole jury sees these objects."""
    inside = ndimage.gaussian_filter((seen > 0).astype(np.float32), 1.0)
    depth = ndimage.distance_transform_edt(seen > 0).astype(np.float32)
    edge = (ndimage.grey_dilation(seen, 3) != ndimage.grey_erosion(seen, 3)).astype(np.float32)
    return SecondOpinion(edge, edge, depth / max(depth.max(), 1), inside, dict.fromkeys(JURY, seen))


def truth_of(labels, reference, seen=None):
    """Features, candidates and truth of a segmentation; the second opinion sees the reference."""
    opinion = opinion_of(reference if seen is None else seen)
    image = picture(reference)
    features = field_features(labels, image, opinion=opinion)
    candidates = find_candidates(labels, image, opinion)
    return add_truth(features, candidates, labels, reference)
