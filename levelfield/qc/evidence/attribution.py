"""What touching pairs say of their two objects."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree

from levelfield.arrays import Floats, Integers
from levelfield.qc.columns import FIELD, NEIGHBOUR, NUMBER


def attribute_seams(count: int, ends: Sequence[Integers], seams: Floats) -> tuple[Floats, Floats]:
    """Excess fragments and fragment evidence per object, over the maximum spanning forest.

    `ends` are the rows (p,) of the two objects of each touching pair, `seams` (p,) the
    probabilities that the seam between them is false.
    """
    split, fragment = np.zeros(count), np.zeros(count)
    if len(seams) == 0:
        return split, fragment
    # Minimum of 2 - evidence is maximum of evidence; an edge of weight 0 would not count as one.
    graph = sparse.coo_array((2 - seams, tuple(ends)), shape=(count, count))
    forest = minimum_spanning_tree(graph.tocsr()).tocoo()
    evidence = 2 - forest.data
    for end in (forest.row, forest.col):
        np.add.at(split, end, evidence / 2)
        np.add.at(fragment, end, np.log1p(-np.minimum(evidence, 1 - 1e-9)))
    return split, 1 - np.exp(fragment)


def rows_of_pairs(objects: pd.DataFrame, pairs: pd.DataFrame) -> tuple[Integers, Integers]:
    """Return the rows of each pair's two objects; ValueError for an object that is not there."""
    return _row_of_object(objects, pairs, NUMBER), _row_of_object(objects, pairs, NEIGHBOUR)


def _row_of_object(objects: pd.DataFrame, pairs: pd.DataFrame, column: str) -> Integers:
    key = [*FIELD, NUMBER]
    places = objects[key].assign(row=np.arange(len(objects)))
    wanted = pairs[[*FIELD, column]].rename(columns={column: NUMBER})
    rows = wanted.merge(places, on=key, how="left", sort=False, validate="many_to_one")["row"]
    if rows.isna().any():
        lost = wanted[rows.isna().to_numpy()].iloc[0].to_dict()
        raise ValueError(
            f"A touching pair names an object that the table of objects lacks: {lost}. The two "
            "tables come from different runs or one is incomplete; make both again."
        )
    return rows.to_numpy(np.int64)
