"""The decoders as a jury: where they disagree about an object, the object is doubtful.

They read different outputs of one network, and fail differently: a seam that the flows overlook may
show in the affinities.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from levelfield.arrays import Labels
from levelfield.evaluation.errors import find_errors
from levelfield.labels.overlap import count_overlap, number_labels
from levelfield.qc.columns import NUMBER
from levelfield.segmentation.decoder_options import DECODING
from levelfield.segmentation.decoders import DECODERS
from levelfield.segmentation.small_network.prediction import Prediction

FOUND_ABOVE = 0.5  # intersection over union


def opinions(prediction: Prediction, members: Iterable[str] = tuple(DECODERS)) -> dict[str, Labels]:
    """Return what each member of the jury makes of a prediction: labels (Y, X) by name.

    Members are names in `levelfield.segmentation.decoders.DECODERS`.
    """
    return {name: DECODERS[name](prediction, DECODING[name]()) for name in members}


def jury(labels: Labels, given: Mapping[str, Labels]) -> pd.DataFrame:
    """Tell for each object how far the members of the jury agree about it, by their `opinions`.

    One row per object, ascending by ``Metadata_ObjectNumber``: ``agreement`` and
    ``lowest_agreement``, over the members, of the best intersection over union of the object with
    any of a member's, 0 where a member has nothing there; ``n_finding``, members with an object of
    at least 0.5; ``n_splitting, n_merging, n_missing``, members that split it, merge it with a
    neighbour, or have too little there (the definitions of `levelfield.evaluation.errors`, with the
    object as reference); ``n_members``. ValueError without opinions.
    """
    if not given:
        raise ValueError("no opinions were given, so nobody can agree; decode at least once")
    objects = number_labels(labels, "label image")
    best = np.zeros((len(given), len(objects.labels)))
    counts = np.zeros((3, len(objects.labels)), np.int64)
    for own, opinion in zip(best, given.values(), strict=True):
        overlap = count_overlap(number_labels(opinion, "opinion"), objects)
        np.maximum.at(own, overlap.reference, overlap.iou)
        errors = find_errors(overlap).reference
        counts += np.stack([errors[name] for name in ("is_split", "is_merged", "is_missed")])
    return pd.DataFrame(
        {
            NUMBER: objects.labels,
            "agreement": best.mean(axis=0),
            "lowest_agreement": best.min(axis=0),
            "n_finding": (best >= FOUND_ABOVE).sum(axis=0),
            **dict(zip(("n_splitting", "n_merging", "n_missing"), counts, strict=True)),
            "n_members": len(given),
        }
    )
