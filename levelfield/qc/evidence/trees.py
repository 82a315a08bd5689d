"""Gradient-boosted trees as plain arrays: nothing is executed or unpickled to apply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import ArrayLike

from levelfield.arrays import AnyArray, Floats, Integers

_ARRAYS = ("roots", "feature", "cut", "left", "right", "missing_left", "value")
_WALKED = ("roots", "feature", "cut", "missing_left", "value")


@dataclass(frozen=True)
class BoostedTrees:
    """A trained ensemble that gives the probability of one class.

    ``names`` are the columns that it reads, ``baseline`` the log odds before any tree. Among
    ``nodes``, ``roots``, (n_trees,) int32, are each tree's root; of every node, (n_nodes,):
    ``feature``, int32, place in `names` of the column to compare, -1 in leaves; ``cut``, float64:
    go left where the column is not above it; ``left, right``, int32, next node; ``missing_left``,
    bool, where NaN goes; ``value``, float64, what a leaf adds to the log odds.
    """

    names: tuple[str, ...]
    baseline: float
    nodes: Mapping[str, AnyArray]

    def probability(self, table: pd.DataFrame) -> Floats:
        """Return the probability of each row of a table that has the columns `names`: (n,)."""
        if len(table) == 0:
            return np.zeros(0)
        rows = np.ascontiguousarray(table[list(self.names)].to_numpy(np.float64))
        odds = np.zeros(len(rows))
        beside = np.stack([self.nodes["right"], self.nodes["left"]])
        _add_up(rows, tuple(self.nodes[name] for name in _WALKED), beside, odds)
        return 1 / (1 + np.exp(-(self.baseline + odds)))

    def arrays(self, prefix: str) -> dict[str, AnyArray]:
        """Return everything as arrays by name, for one `.npz` with other ensembles."""
        own = {"names": np.array(self.names), "baseline": np.array(self.baseline)}
        return {f"{prefix}/{name}": part for name, part in {**self.nodes, **own}.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray], prefix: str) -> BoostedTrees:
        """Read what `arrays` wrote."""
        names = tuple(str(name) for name in arrays[f"{prefix}/names"])
        nodes = {name: arrays[f"{prefix}/{name}"] for name in _ARRAYS}
        return cls(names, float(arrays[f"{prefix}/baseline"]), nodes)


_BINS = 200  # of each column in training; scikit-learn takes 255 at most


# numba: a walk through 160 trees per object; without it this is the slowest part of a verdict. Its
# way at a node is computed, not branched to, since a processor cannot guess it.
@njit(cache=True)
def _add_up(rows: Floats, trees: tuple[AnyArray, ...], beside: Integers, sums: Floats) -> None:
    """Add up the leaves of each row; `beside` (2, n_nodes) has the nodes right and left."""
    roots, feature, cut, missing_left, value = trees
    for row in range(len(rows)):
        for root in roots:
            node = root
            while feature[node] >= 0:
                seen = rows[row, feature[node]]
                goes_left = (seen <= cut[node]) | (np.isnan(seen) & missing_left[node])
                node = beside[int(goes_left), node]
            sums[row] += value[node]


def train_trees(
    table: pd.DataFrame,
    truth: ArrayLike,
    weight: ArrayLike,
    names: Sequence[str],
    *,
    n_trees: int = 160,
    leaves: int = 15,
    smallest_leaf: int = 60,
    share_of_columns: float = 0.3,
) -> BoostedTrees:
    """Train an ensemble (Friedman 2001; scikit-learn's histogram gradient boosting).

    Parameters
    ----------
    table, names : DataFrame and sequence of str
        The columns of these names are learned from; NaN is allowed and learned from.
    truth, weight : (n,) bool and (n,) float
        Class of each row, and how much it counts.
    n_trees, leaves, smallest_leaf : int
        Size of the ensemble, of its trees, and fewest rows in a leaf.
    share_of_columns : float
        Columns that each cut chooses from, drawn at random: seams of segmentations that rarely
        divide wrongly are ranked better so.
    """
    # Only training needs scikit-learn; trained trees are applied without it.
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=n_trees,
        max_leaf_nodes=leaves,
        min_samples_leaf=smallest_leaf,
        learning_rate=0.07,
        max_features=share_of_columns,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    )
    values = _coarse(table[list(names)].to_numpy(np.float64))
    model.fit(values, np.asarray(truth), np.asarray(weight))
    nodes = _as_arrays([trees[0].nodes for trees in model._predictors])
    return BoostedTrees(tuple(names), float(model._baseline_prediction.ravel()[0]), nodes)


def _coarse(values: Floats) -> Floats:
    """Round every column to the nearest of its quantiles; NaN stays."""
    # The ensemble cuts between bins anyway, and of values this few scikit-learn takes each for a
    # bin: bins that it makes with weights take longer than all trees. It cuts half-way between two,
    # where rounding divides them, so a value lies on the same side in training and in use.
    found = np.full(values.shape, np.nan)
    steps = np.linspace(0, 1, _BINS)
    for column in range(values.shape[1]):
        own = values[:, column]
        known = np.isfinite(own)
        if known.any():
            levels = np.unique(np.quantile(own[known], steps))
            middles = (levels[1:] + levels[:-1]) / 2
            found[known, column] = levels[np.searchsorted(middles, own[known])]
    return found


def _as_arrays(trees: Sequence[Any]) -> dict[str, AnyArray]:
    """Return the nodes of scikit-learn's trees, one tree after the other."""
    sizes = [len(tree) for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    shift = np.repeat(roots, sizes)
    joined = np.concatenate(trees)
    leaf = joined["is_leaf"].astype(bool)
    return {
        "roots": roots.astype(np.int32),
        "feature": np.where(leaf, -1, joined["feature_idx"]).astype(np.int32),
        "cut": joined["num_threshold"].astype(np.float64),
        "left": (joined["left"] + shift).astype(np.int32),
        "right": (joined["right"] + shift).astype(np.int32),
        "missing_left": joined["missing_go_to_left"].astype(bool),
        "value": np.where(leaf, joined["value"], 0.0).astype(np.float64),
    }
