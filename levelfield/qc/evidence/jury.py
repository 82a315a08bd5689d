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
from levelfield.segmentation.decoder_options import DECODING, DecodingOptions
from levelfield.segmentation.decoders import DECODERS
from levelfield.segmentation.small_network.prediction import Prediction

FOUND_ABOVE = 0.5  # intersection over union


def opinions(
    prediction: Prediction,
    members: Iterable[str] = tuple(DECODERS),
    shared: DecodingOptions | None = None,
) -> dict[str, Labels]:
    """Return what each member of the jury makes of a prediction: labels (Y, X) by name.

    Parameters
    ----------
    prediction : Prediction
        What the network says.
    members : iterable of str
        Who is asked: names in `levelfield.segmentation.decoders.DECODERS`.
    shared : DecodingOptions, optional
        What all members are told.
    """
    told = {} if shared is None else shared.model_dump()
    return {name: DECODERS[name](prediction, DECODING[name](**told)) for name in members}


def jury(labels: Labels, given: Mapping[str, Labels]) -> pd.DataFrame:
    """Tell for each object how far the members of the jury agree about it.

    Parameters
    ----------
    labels
        (Y, X), from any segmenter.
    given
        The opinions, see `opinions`.

    Returns
    -------
    DataFrame
        One row per object, ascending by number:

        ``Metadata_ObjectNumber``
            the object's label;
        ``agreement, lowest_agreement``
            mean and lowest, over the members, of the best intersection over union of the object
            with any of a member's; 0 where a member has nothing there;
        ``n_finding, n_splitting, n_merging, n_missing``
            members with an object of an intersection over union of at least 0.5; that split it;
            that merge it with a neighbour; and that have too little there (the definitions of
            `levelfield.evaluation.errors`, with the object as reference);
        ``n_members``
            how many were asked.

    Raises
    ------
    ValueError
        If there are no opinions.
    """
    if not given:
        raise ValueError("no opinions were given, so nobody can agree; decode at least once")
    objects = number_labels(labels, "label image")
    n_objects = len(objects.labels)
    best = np.zeros((len(given), n_objects))
    counts = np.zeros((3, n_objects), np.int64)
    for member, opinion in enumerate(given.values()):
        overlap = count_overlap(number_labels(opinion, "opinion"), objects)
        np.maximum.at(best[member], overlap.reference, overlap.iou)
        errors = find_errors(overlap).reference
        counts += np.stack([errors[name] for name in ("is_split", "is_merged", "is_missed")])
    return pd.DataFrame(
        {
            "Metadata_ObjectNumber": objects.labels,
            "agreement": best.mean(axis=0),
            "lowest_agreement": best.min(axis=0),
            "n_finding": (best >= FOUND_ABOVE).sum(axis=0),
            "n_splitting": counts[0],
            "n_merging": counts[1],
            "n_missing": counts[2],
            "n_members": len(given),
        }
    )
