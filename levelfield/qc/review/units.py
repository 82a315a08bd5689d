"""What the evidence says of objects and fields in place of a person's answer."""

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.columns import FIELD
from levelfield.qc.review.sampling import class_fields
from levelfield.qc.statistics.field_sums import OF_OBJECTS
from levelfield.qc.statistics.summary import is_misbounded

_EVIDENCE = OF_OBJECTS | {"agreement": "right_evidence"}


def object_evidence(objects: pd.DataFrame, measure: str) -> Floats:
    """Return what the evidence says in place of an answer (n,); 0 where it says nothing.

    The measure is one of `levelfield.qc.review.answers.PER_OBJECT`. The bias is 1 for an object
    whose outline is too far outside (`levelfield.qc.statistics.summary.is_misbounded`), −1 inside.
    """
    if measure == "bias":
        bias = objects["threshold_bias_px"].fillna(0).to_numpy(float)
        return np.sign(bias) * is_misbounded(objects).to_numpy()
    return np.nan_to_num(objects[_EVIDENCE[measure]].to_numpy(float))


def field_table(objects: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """List the fields of a class (scored objects, candidates), with what is read of missed objects.

    Returns
    -------
    DataFrame
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
