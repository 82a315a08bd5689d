"""Agreement between annotators, their consensus, and segmenters on the human scale."""

import evaluation_cases
import numpy as np
import pytest
from scipy import ndimage

from levelfield.evaluation import annotator_agreement, consensus_labels, evaluate_image, human_scale


def strip(*runs, length=30):
    labels = np.zeros((1, length), np.int32)
    for number, (first, last) in enumerate(runs, 1):
        labels[0, first : last + 1] = number
    return labels


@pytest.fixture(scope="module")
def people():
    """Five annotators of one real image: one kind of error each but the last, outlines moved."""
    _, reference = evaluation_cases.load(evaluation_cases.example_names()[0])
    rng = np.random.default_rng(7)
    none = {"split": 0.0, "merged": 0.0, "dropped": 0.0, "added": 0.0}
    habits = {"split": 0.1}, {"merged": 0.1}, {"dropped": 0.1}, {"added": 0.1}, {}
    drawn = [evaluation_cases.plant_errors(reference, rng, **{**none, **h})[0] for h in habits]
    shifts = (0, 0), (0, 1), (1, 0), (0, 0), (0, 1)
    return {
        name: ndimage.shift(labels, shift, order=0)
        for name, labels, shift in zip("abcde", drawn, shifts, strict=True)
    }, reference


def test_consensus_is_what_most_annotators_drew():
    drawn = strip((0, 9)), strip((2, 11)), strip((1, 8), (20, 24))
    # Columns 1 to 9 have two votes or more; the second object has one.
    assert consensus_labels(drawn).tolist() == strip((1, 9)).tolist()
    assert consensus_labels(drawn, minimum_votes=3).tolist() == strip((2, 8)).tolist()


def test_consensus_of_two_annotators_is_their_intersection():
    assert consensus_labels([strip((0, 9)), strip((2, 11))]).tolist() == strip((2, 9)).tolist()


def test_consensus_outvotes_a_merge_and_a_split():
    two, one = strip((0, 9), (10, 19)), strip((0, 19))
    assert consensus_labels([two, one, two]).tolist() == two.tolist()
    assert consensus_labels([one, two, one]).tolist() == one.tolist()


def test_consensus_is_numbered_in_raster_order_whatever_the_labels():
    labels = strip((0, 9), (10, 19))
    other = np.array([0, 9, 4])[labels]
    assert consensus_labels([other, labels, other]).tolist() == labels.tolist()


def test_consensus_of_people_is_nearer_to_the_truth_than_any_of_them(people):
    drawn, truth = people
    consensus = evaluate_image(consensus_labels(list(drawn.values())), truth).scores
    each = [evaluate_image(labels, truth).scores for labels in drawn.values()]
    assert consensus["ap_50"] == 1 > max(scores["ap_50"] for scores in each[:4])
    errors = "n_splits", "n_merges", "n_missed", "n_extra"
    assert [consensus[error] for error in errors] == [0] * 4
    assert all(any(scores[error] for error in errors) for scores in each[:4])


def test_annotators_meet_each_other_and_the_consensus_of_the_others(people):
    drawn, _ = people
    table = annotator_agreement(drawn)
    counts = table.groupby("comparison").size()
    assert counts.to_dict() == {"pairwise": 20, "consensus": 5, "consensus_of_others": 5}
    pairs = table[table["comparison"] == "pairwise"]
    assert (pairs["candidate"] != pairs["against"]).all()
    one = pairs.query("candidate == 'a' and against == 'b'").iloc[0]
    assert one["ap_50"] == evaluate_image(drawn["a"], drawn["b"]).scores["ap_50"]
    left_out = table.query("comparison == 'consensus_of_others' and candidate == 'a'").iloc[0]
    others = consensus_labels([drawn[name] for name in "bcde"])
    assert left_out["against"] == "all but a"
    assert left_out["seg"] == evaluate_image(drawn["a"], others).scores["seg"]


def test_a_segmenter_as_good_as_the_truth_is_above_people_and_a_bad_one_below(people):
    drawn, truth = people
    bad = np.zeros_like(truth)
    bad[:, : truth.shape[1] // 2] = truth[:, : truth.shape[1] // 2]
    table = annotator_agreement(drawn, {"good": truth, "bad": bad})
    assert len(table[table["kind"] == "segmenter"]) == 2 * (5 + 1 + 5)
    placed = human_scale(table).set_index(["candidate", "comparison", "score"])
    good = placed.loc[("good", "consensus_of_others", "ap_50")]
    assert good["relative_to_humans"] > 1
    assert good["share_of_annotators_reached"] == 1
    poor = placed.loc[("bad", "consensus_of_others", "ap_50")]
    assert poor["relative_to_humans"] < 0.8
    assert poor["share_of_annotators_reached"] == 0
    assert poor["human_min"] <= poor["human_mean"] <= poor["human_max"]


def test_people_who_agree_completely_agree_completely():
    labels = strip((0, 9), (12, 19))
    table = annotator_agreement({"a": labels, "b": labels.copy()})
    assert set(table["comparison"]) == {"pairwise", "consensus"}
    assert (table[["mean_ap", "seg", "det", "aggregated_jaccard"]] == 1).all(axis=None)


def test_people_who_drew_nothing_agree_on_nothing():
    empty = strip()
    assert not consensus_labels([empty, empty, empty]).any()
    assert annotator_agreement({"a": empty, "b": empty})["mean_ap"].isna().all()


def test_questions_that_have_no_answer_are_refused():
    one, two = strip((0, 9)), strip((0, 8))
    with pytest.raises(ValueError, match=r"1 annotation.*at least two"):
        annotator_agreement({"a": one})
    with pytest.raises(ValueError, match=r"minimum_votes is 1.*2 to 2"):
        consensus_labels([one, two], minimum_votes=1)
    with pytest.raises(ValueError, match="Crop"):
        consensus_labels([one, two[:, :-1]])
    with pytest.raises(ValueError, match=r"\['a'\] name an annotator and a segmenter"):
        annotator_agreement({"a": one, "b": two}, {"a": two})
