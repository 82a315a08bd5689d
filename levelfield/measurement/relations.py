"""Relations between object sets: which parent a child lies in, and how many children it has.

CellProfiler's RelateObjects: a child belongs to the parent that it overlaps most.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.arrays import AnyLabels
from levelfield.labels.objects import relate
from levelfield.measurement.features import features

FEATURES = features(
    "Parent",
    """
    {parent_set} | label | Number of the parent that the object overlaps most; 0 if it overlaps
        none.
    """,
) + features(
    "Children",
    "{child_set}_Count | count | Number of objects of the child set whose parent this object is.",
)


def parents(child_labels: AnyLabels, parent_labels: AnyLabels) -> pd.Series:
    """Return the parent of every child: the object with which it shares most pixels.

    Among equals the lowest, 0 if the child overlaps none; indexed by the child's label, ascending.

    Raises
    ------
    ValueError
        If the two images differ in size.
    """
    if child_labels.shape != parent_labels.shape:
        raise ValueError(
            f"Children have shape {child_labels.shape} and parents {parent_labels.shape}: objects "
            f"can only be related within one image. Segment both object sets on the same site."
        )
    found = relate(child_labels, parent_labels).set_index("child")["parent"]
    return found.astype(np.int32)


def child_counts(parent_of_child: pd.Series, parent_numbers: AnyLabels) -> NDArray[np.int32]:
    """Return how many children each of the given parents has, as (n,) int32."""
    counts = parent_of_child.value_counts()
    return counts.reindex(parent_numbers, fill_value=0).to_numpy().astype(np.int32)
