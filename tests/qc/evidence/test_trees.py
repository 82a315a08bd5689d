"""Boosted trees as plain arrays: the same answers as scikit-learn's, from a file without code."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from levelfield.qc.evidence.trees import BoostedTrees, train_trees

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(3000, 3)), columns=NAMES)
    table.loc[rng.random(3000) < 0.2, "b"] = np.nan
    truth = (table["a"] + table["b"].fillna(1.5) * table["c"] > 0.4).to_numpy()
    weight = rng.uniform(0.5, 2, 3000)
    return table, truth, weight, train_trees(table, truth, weight, NAMES, smallest_leaf=20)


def scikit_learns(table, truth, weight):
    size = {"max_iter": 160, "max_leaf_nodes": 15, "min_samples_leaf": 20, "max_features": 0.3}
    rates = {"learning_rate": 0.07, "l2_regularization": 1.0}
    model = HistGradientBoostingClassifier(**size, **rates, early_stopping=False, random_state=0)
    return model.fit(table.to_numpy(), truth, weight)


def unseen(rows=500):
    rng = np.random.default_rng(1)
    new = pd.DataFrame(rng.normal(size=(rows, 3)), columns=NAMES)
    new.loc[rng.random(rows) < 0.3, "b"] = np.nan
    return new


def test_probabilities_are_those_of_scikit_learn_missing_values_included():
    rng = np.random.default_rng(0)
    # So few values that both cut at the same places.
    table = pd.DataFrame(rng.integers(-40, 40, size=(3000, 3)) / 20, columns=NAMES)
    table.loc[rng.random(3000) < 0.2, "b"] = np.nan
    truth = (table["a"] + table["b"].fillna(1.5) * table["c"] > 0.4).to_numpy()
    weight = rng.uniform(0.5, 2, 3000)
    trees, model = (
        train_trees(table, truth, weight, NAMES, smallest_leaf=20),
        scikit_learns(table, truth, weight),
    )
    np.testing.assert_allclose(
        trees.probability(unseen()), model.predict_proba(unseen().to_numpy())[:, 1]
    )


def test_cuts_at_quantiles_hardly_change_what_is_said(trained):
    table, truth, weight, trees = trained
    model = scikit_learns(table, truth, weight)
    known = model.predict_proba(unseen().to_numpy())[:, 1]
    assert np.abs(trees.probability(unseen()) - known).mean() < 0.03


def test_what_trains_the_trees_is_cut_where_they_cut_what_they_judge():
    """A value on one side of a cut in training is on the same side when it is judged."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.exponential(size=4000)})
    truth = rng.random(4000) < (table["a"] > 1) * 0.8 + 0.1
    trees = train_trees(table, truth, np.ones(4000), ["a"], n_trees=1, leaves=2, smallest_leaf=20)
    chance = trees.probability(table)
    # One cut: its sides have exactly the rows that it was learned from.
    values = np.unique(chance)
    assert len(values) == 2
    shares = np.array([truth[chance == value].mean() for value in values])
    odds = np.log(values / (1 - values))
    base = np.log(truth.mean() / (1 - truth.mean()))
    numbers = np.array([(chance == value).sum() for value in values])
    gradient = numbers * (shares - truth.mean())
    hessian = numbers * truth.mean() * (1 - truth.mean())
    assert odds - base == pytest.approx(0.07 * gradient / (hessian + 1.0), rel=1e-4)


def test_columns_are_found_by_name_whatever_their_order(trained):
    table, _, _, trees = trained
    shuffled = table[["c", "a", "b"]].assign(other=1.0)
    assert np.array_equal(trees.probability(table), trees.probability(shuffled))
    with pytest.raises(KeyError, match="b"):
        trees.probability(table[["a", "c"]])


def test_a_saved_ensemble_answers_the_same(trained, tmp_path):
    table, _, _, trees = trained
    np.savez(tmp_path / "trees.npz", **trees.arrays("one"))
    with np.load(tmp_path / "trees.npz", allow_pickle=False) as file:
        again = BoostedTrees.from_arrays(file, "one")
    assert np.array_equal(trees.probability(table), again.probability(table))
    assert len(again.probability(table.head(0))) == 0
