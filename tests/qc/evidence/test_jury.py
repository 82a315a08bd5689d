"""The decoders as a jury of objects."""

import numpy as np
import pytest
from perfect_predictions import perfect_prediction

from levelfield.qc.evidence.jury import jury, opinions


def test_the_jury_agrees_about_what_is_plain():
    labels = np.zeros((60, 80), np.int32)
    labels[5:25, 5:25], labels[30:50, 40:64] = 3, 7
    table = jury(labels, opinions(perfect_prediction(labels)))
    assert list(table["Metadata_ObjectNumber"]) == [3, 7]
    assert (table["agreement"] > 0.99).all() and (table["lowest_agreement"] > 0.97).all()
    assert (table["n_finding"] == table["n_members"]).all()
    assert not table[["n_splitting", "n_merging", "n_missing"]].to_numpy().any()


def test_the_jury_tells_what_each_member_does_to_an_object():
    labels = np.zeros((40, 60), np.int32)
    labels[5:25, 5:25], labels[5:25, 25:45] = 1, 2
    halved, joined = labels.copy(), np.minimum(labels, 1)
    halved[15:25, 5:25] = 3
    given = {"same": labels, "halved": halved, "joined": joined, "none": np.zeros_like(labels)}
    table = jury(labels, given)
    assert table["n_splitting"].tolist() == [1, 0]
    assert table["n_merging"].tolist() == [1, 1]
    assert table["n_missing"].tolist() == [1, 1]
    assert table["n_finding"].tolist() == [3, 3]
    assert table["agreement"].tolist() == pytest.approx([(1 + 0.5 + 0.5) / 4, (1 + 1 + 0.5) / 4])
    assert table["lowest_agreement"].tolist() == [0, 0]


def test_a_jury_without_members_or_objects():
    labels = np.zeros((8, 8), np.int32)
    assert len(jury(labels, {"one": labels})) == 0
    with pytest.raises(ValueError, match="no opinions"):
        jury(labels, {})
