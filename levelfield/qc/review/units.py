"""What the evidence says of objects in place of a person's answer."""

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.statistics.field_sums import OF_OBJECTS
from levelfield.qc.statistics.summary import is_misbounded

_EVIDENCE = OF_OBJECTS | {"agreement": "right_evidence"}


def object_evidence(objects: pd.DataFrame, measure: str) -> Floats:
    """Return what the evidence says in place of an answer (n,); 0 where it says nothing.

    The measure is one of `levelfield.qc.review.answers.POSSIBLE`. The bias is 1 for an object whose
    outline is too far outside (`levelfield.qc.statistics.summary.is_misbounded`), −1 inside.
    """
    if measure == "bias":
        bias = objects["threshold_bias_px"].fillna(0).to_numpy(float)
        return np.sign(bias) * is_misbounded(objects).to_numpy()
    return np.nan_to_num(objects[_EVIDENCE[measure]].to_numpy(float))
