"""The truth beside the features: errors that are planted into synthetic labels are counted."""

import numpy as np
import pytest
from qc_fields import discs, grid, picture, truth_of

from levelfield.qc.columns import NUMBER
from levelfield.segmentation.planting import plant_growth

TRUE = grid()
TOUCHING = discs([(24, 24), (24, 39), (60, 60), (60, 75), (96, 30), (96, 96)])


def split_in_two(labels, number):
    """Cut one object along its middle row."""
    y = np.indices(labels.shape)[0]
    own = labels == number
    lower = own & (y > y[own].mean())
    return np.where(lower, labels.max() + 1, labels).astype(np.int32)


def test_faultless_labels_have_no_errors():
    truth = truth_of(TRUE, TRUE)
    errors = {name: value for name, value in truth.counts.items() if name.startswith("true_")}
    assert errors.pop("true_n") == errors.pop("true_right") == 9
    assert set(errors.values()) == {0.0}
    assert truth.objects["is_right"].all() and not truth.objects["is_merge"].any()
    assert truth.candidates.empty


def test_a_split_is_an_excess_fragment_with_a_false_seam():
    truth = truth_of(split_in_two(TRUE, 5), TRUE)
    assert truth.counts["true_excess"] == 1 and truth.counts["true_lacking"] == 0
    assert truth.pairs["is_false"].tolist() == [True]
    assert truth.objects["is_fragment"].sum() == 2 and truth.objects["is_right"].sum() == 8


def test_the_seam_of_two_objects_that_touch_is_not_false():
    truth = truth_of(TOUCHING, TOUCHING)
    assert len(truth.pairs) == 2 and not truth.pairs["is_false"].any()


def test_a_merge_lacks_an_object():
    labels = np.where(TOUCHING == 2, 1, TOUCHING)
    truth = truth_of(labels, TOUCHING)
    assert (truth.counts["true_merges"], truth.counts["true_lacking"]) == (1, 1)
    own = truth.objects.set_index(NUMBER)
    assert own.loc[1, "is_merge"] and own.loc[1, "n_parts"] == 2 and not own.loc[1, "is_right"]


def test_a_dropped_object_is_missed_and_has_a_candidate():
    truth = truth_of(np.where(TRUE == 5, 0, TRUE), TRUE)
    assert truth.counts["true_missed"] == 1 and truth.counts["true_n"] == 9
    assert truth.candidates["n_missed"].tolist() == [1]


def test_an_object_that_only_the_second_opinion_sees_is_a_candidate_without_a_missed_one():
    seen = discs([(42, 42)])
    truth = truth_of(TRUE, TRUE, seen=np.where(seen, TRUE.max() + 1, TRUE))
    assert truth.counts["true_missed"] == 0
    assert truth.candidates["n_missed"].tolist() == [0]


def test_an_invented_object_is_extra():
    labels = np.where(discs([(42, 42)]), 10, TRUE).astype(np.int32)
    truth = truth_of(labels, TRUE)
    assert truth.counts["true_invented"] == 1
    assert truth.objects.loc[truth.objects["is_extra"], NUMBER].tolist() == [10]


def test_without_any_label_everything_is_missed():
    truth = truth_of(np.zeros_like(TRUE), TRUE)
    assert truth.objects.empty and truth.pairs.empty
    assert truth.counts["true_missed"] == truth.candidates["n_missed"].sum() == 9
    assert truth.counts["true_right"] == truth.counts["true_excess"] == 0


def test_two_missed_objects_in_one_candidate_both_count():
    seen = np.where(TOUCHING == 2, 1, TOUCHING)
    truth = truth_of(np.where(seen == 1, 0, TOUCHING), TOUCHING, seen=seen)
    assert truth.candidates["n_missed"].tolist() == [2]


@pytest.mark.parametrize("moved", [-1.0, 2.0])
def test_a_moved_outline_is_measured_against_the_reference_and_against_the_edge(moved):
    truth = truth_of(plant_growth(TRUE, moved), TRUE)
    objects = truth.objects
    assert objects["boundary_bias_px"].median() == pytest.approx(moved, abs=0.4)
    shift = objects["threshold_bias_px"].median()
    plain = truth_of(TRUE, TRUE).objects["threshold_bias_px"].median()
    assert shift - plain == pytest.approx(moved, abs=0.5)
    assert picture(TRUE).max() <= 1
