"""What people corrected becomes labels: exactly what they vouched for, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from levelfield.training.corrections import (
    agreed_answers,
    changed_objects,
    count_edits,
    edited_labels,
    reviewed_labels,
)
from levelfield.training.generations import generations


def four_objects() -> np.ndarray:
    """Objects 1 and 2 touch; 3 and 4 stand alone."""
    labels = np.zeros((40, 40), np.int32)
    labels[4:12, 4:12] = 1
    labels[4:12, 12:20] = 2
    labels[24:32, 4:12] = 3
    labels[24:32, 24:32] = 4
    return labels


def answers(**by_object: str) -> pd.Series:
    return pd.Series({int(name[1:]): answer for name, answer in by_object.items()})


def test_correct_objects_and_the_background_around_them_are_known():
    labels = four_objects()
    known = reviewed_labels(labels, answers(o1="correct"), ring=3)
    assert (known[labels == 1] == 1).all()
    assert (known[labels > 1] == -1).all()  # the neighbour may be wrong
    assert known[8, 1] == 0
    assert known[8, 0] == -1
    assert (known[14, 4:12] == 0).all()
    assert (known[20:] == -1).all()


def test_what_is_no_object_is_background():
    labels = four_objects()
    known = reviewed_labels(labels, answers(o3="not_an_object"))
    assert (known[labels == 3] == 0).all()
    assert (known[labels != 3] == -1).all()


@pytest.mark.parametrize("answer", ["split", "merged", "too_large", "too_small", "cannot_tell"])
def test_an_object_that_is_wrong_teaches_nothing(answer):
    assert (reviewed_labels(four_objects(), answers(o2=answer)) == -1).all()


def test_an_object_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="object 5 was reviewed, but is not in the labels"):
        reviewed_labels(four_objects(), answers(o1="correct", o5="split"))


def test_reviewers_who_differ_leave_an_object_unknown():
    review = pd.DataFrame(
        {
            "object": [1, 1, 2, 2, 3, 3, 4],
            "answer": ["correct", "correct", "correct", "split", "correct", *["cannot_tell"] * 2],
        }
    )
    agreed = agreed_answers(review)
    assert agreed.to_dict() == {1: "correct", 2: "cannot_tell", 3: "correct", 4: "cannot_tell"}


def edited() -> np.ndarray:
    """Take 1 away, join 3 with what is beside it, and draw a new object; 2 and 4 stay."""
    labels = four_objects()
    labels[labels == 1] = 0
    labels[24:32, 12:16] = 3
    labels[36:39, 36:39] = 9
    labels[labels == 2] = 7  # another number is no correction
    return labels


def test_only_changes_are_corrections():
    assert list(changed_objects(edited(), four_objects())) == [3, 9]
    assert list(changed_objects(four_objects(), edited())) == [1, 3]
    assert count_edits(four_objects(), edited()) == (5, 3)
    assert count_edits(four_objects(), four_objects()) == (4, 0)


def test_only_what_was_changed_is_known_where_the_rest_was_not_looked_at():
    known = edited_labels(four_objects(), edited(), ring=2)
    assert (known[24:32, 4:16] == 3).all()
    assert (known[36:39, 36:39] == 9).all()
    assert (known[4:12, 4:12] == 0).all()
    assert (known[4:12, 12:20] == -1).all()
    assert (known[24:32, 24:32] == -1).all()
    assert known[28, 17] == 0
    assert known[28, 19] == -1


def test_the_share_of_corrections_belongs_to_the_weights_that_made_the_objects():
    corrections = {
        1: pd.DataFrame({"n_judged": [40, 60], "n_corrected": [20, 10]}),
        2: pd.DataFrame({"n_judged": [50], "n_corrected": [0]}),
    }
    columns = ["n_images", "ap_50", "ap_70", "split_rate", "merge_rate", "missed_rate"]
    scores = [(0, "test", "all", 0.6), (1, "test", "all", 0.8), (1, "validation", "all", 0.9)]
    evaluation = pd.DataFrame(scores, columns=["generation", "role", "group", "ap_70"])
    evaluation = evaluation.reindex(
        columns=evaluation.columns.union(
            [*columns, "extra_rate", "balance_pp", "boundary_bias_px"], sort=False
        )
    )
    table = generations(corrections, evaluation, 2).set_index("generation")
    assert table["share_corrected"].tolist()[:2] == [0.3, 0.0]
    assert table["share_corrected"].isna().tolist() == [False, False, True]
    assert table["ap_70"].tolist()[:2] == [0.6, 0.8]
    assert 0.21 < table.loc[0, "share_low"] < 0.3 < table.loc[0, "share_high"] < 0.41
    assert 0 < table.loc[1, "share_high"] < 0.1
