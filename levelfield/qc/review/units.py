"""What the evidence says of objects and fields in place of a person's answer."""

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.columns import FIELD
from levelfield.qc.review.sampling import class_fields
from levelfield.qc.statistics.summary import DEAD_ZONE_PX, MISBOUNDED_SHARE

_EVIDENCE = {
    "agreement": "right_evidence",
    "invented": "invented_evidence",
    "balance": "balance_contribution",
    "splits": "split_evidence",
    "merges": "merge_evidence",
}


def object_evidence(objects: pd.DataFrame, measure: str) -> Floats:
    """Return what the evidence says in place of an answer; 0 where it says nothing.

    Parameters
    ----------
    objects : pandas.DataFrame
        Scored objects.
    measure : str
        One of `levelfield.qc.review.answers.PER_OBJECT`. The bias is 1 for an object whose
        outline is off by more than a fifth of its radius to the outside, −1 to the inside.
    """
    if measure == "bias":
        bias = objects["threshold_bias_px"].fillna(0).to_numpy(float)
        radius = np.sqrt(objects["area_px"].to_numpy(float) / np.pi)
        return np.sign(bias) * (np.abs(bias) > np.maximum(MISBOUNDED_SHARE * radius, DEAD_ZONE_PX))
    return np.nan_to_num(objects[_EVIDENCE[measure]].to_numpy(float))


def field_table(objects: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """List the fields of a class with what the evidence says of their missed objects.

    Parameters
    ----------
    objects, candidates : pandas.DataFrame
        Scored objects and possible missed objects of one class and object set.

    Returns
    -------
    pandas.DataFrame
        `FIELD`, ``n_labels``, ``true_labels`` (true objects behind the labels), ``found`` (missed
        objects) with its ``spread`` (variance), and ``size`` (true and missed objects together).
    """
    fields = class_fields(objects, candidates)
    excess = object_evidence(objects, "balance") + object_evidence(objects, "invented")
    labels = objects[FIELD].assign(n_labels=1, excess=excess).groupby(FIELD).sum().reset_index()
    chance = candidates["missed_evidence"].astype(float)
    missed = candidates[FIELD].assign(found=chance, spread=chance * (1 - chance))
    missed = missed.groupby(FIELD).sum().reset_index()
    for table in (labels, missed):
        fields = fields.merge(table, on=FIELD, how="left")
    numbers = ["n_labels", "excess", "found", "spread"]
    fields[numbers] = fields[numbers].astype(float).fillna(0.0)
    true = np.maximum(fields["n_labels"] - fields["excess"], 0.0)
    # A field in which nothing is seen counts as one object, so that a miss in it counts at all.
    size = np.maximum(true + fields["found"], 1.0)
    return fields.drop(columns="excess").assign(true_labels=true, size=size)
