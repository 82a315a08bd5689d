"""From images to trained evidence and back to a table of images, end to end on a few fields."""

import numpy as np
import pandas as pd
import pytest
from qc_training import (
    GROUPS,
    PLANTED,
    collect_task,
    prepared,
    small_model,
    small_tasks,
    small_trees,
    sources,
)

from levelfield.qc.columns import FIELD
from levelfield.qc.evidence.second_opinion import second_opinion
from levelfield.qc.train import collect, evidence, segmentations
from levelfield.qc.train.images import FOLDS, chosen_images
from levelfield.qc.train.plates import OF_ALL_VARIANTS, READ, with_measures
from levelfield.questions import MEASURES


@pytest.fixture(scope="module")
def judged():
    with small_trees():
        return {
            family: evidence.judge(prepared(), FOLDS[GROUPS[1]], family)
            for family in (None, "brightness")
        }


@pytest.fixture(scope="module")
def fields():
    parts = evidence.score(prepared().collected, small_model())
    return pd.concat([evidence.field_table(*part) for part in parts], ignore_index=True)


def test_what_is_collected_says_of_every_row_what_was_done():
    objects, _, candidates, fields = prepared().collected
    assert set(fields["planted"]) == {"none", *PLANTED}
    assert set(fields["phenotype"]) == {"none", "dim"}
    assert set(fields["setting"]) == {"default", "split", "reference"}
    assert fields["half"].isin([0, 1]).all() and set(fields["group"]) == set(GROUPS)
    assert not fields.duplicated(FIELD).any()
    assert objects.groupby(FIELD).size().sum() == fields["n"].sum()
    assert candidates["n_missed"].sum() <= fields["true_missed"].sum()
    reference = fields[fields["kind"] == "reference"]
    assert (reference["true_right"] == reference["true_n"]).all()
    assert (reference["true_missed"] == 0).all()


def test_planted_errors_are_the_truth():
    fields = prepared().collected.fields
    own = fields[(fields["setting"] == "default") & (fields["phenotype"] == "none")]
    sums = own.groupby("planted")[["n", "true_missed", "true_merges", "true_excess"]].sum()
    assert sums.loc["drops 0.4", "true_missed"] > sums.loc["none", "true_missed"] + 10
    assert sums.loc["splits 0.4", "true_excess"] > sums.loc["none", "true_excess"] + 10
    assert sums.loc["merges 0.4", "true_merges"] > sums.loc["none", "true_merges"]


def test_nothing_of_a_left_out_fold_or_family_is_trained_on_and_nothing_planted():
    objects = prepared().collected.objects
    rows = objects.iloc[evidence.chosen_rows(objects, FOLDS[GROUPS[0]], "brightness")]
    assert set(rows["group"]) == {GROUPS[1]}
    assert set(rows["phenotype"]) == {"none"} and set(rows["planted"]) == {"none"}
    every = objects.iloc[evidence.chosen_rows(objects, None, None)]
    assert set(every["group"]) == set(GROUPS) and set(every["phenotype"]) == {"none", "dim"}


def test_every_group_counts_the_same_in_training():
    objects = prepared().collected.objects
    own = objects.assign(weight=evidence.weights(objects))
    sums = own.groupby(["group", "kind"])["weight"].sum()
    assert sums.to_numpy() == pytest.approx(np.full(len(sums), len(objects) / len(sums)))


def test_the_table_of_images_has_all_that_plates_are_made_of(fields):
    table = with_measures(fields)
    looks = [name for name in table if name.startswith("look_")]
    assert {*READ, *OF_ALL_VARIANTS} <= set(table) and len(looks) > 10
    known = table[table["phenotype"] == "none"]
    assert known[[*READ, *OF_ALL_VARIANTS]].notna().all(axis=None)
    assert (table[[f"of_{name}" for name in MEASURES]] >= 0).all(axis=None)
    faultless = table[table["kind"] == "reference"]
    assert (faultless["true_agreement"] == faultless["true_of_agreement"]).all()
    assert set(table["beside"]) == {"none", "dim"}


def test_the_more_objects_are_dropped_the_more_are_missed_by_the_evidence(fields):
    own = fields[(fields["beside"] == "none") & (fields["setting"] == "default")]
    sums = own.groupby("planted")[["missed", "splits", "true_missed"]].sum()
    assert sums.loc["drops 0.4", "missed"] > sums.loc["none", "missed"] + 5
    assert sums.loc["splits 0.4", "splits"] > sums.loc["none", "splits"]
    # By construction the expected number is that of the objects that candidates hold.
    candidates = prepared().collected.candidates
    held = candidates.loc[candidates["planted"] == "none", "n_missed"].sum()
    plain = fields[(fields["planted"] == "none") & (fields["beside"] == fields["phenotype"])]
    assert plain["missed"].sum() == pytest.approx(held, rel=0.7, abs=5)


def test_what_is_judged_was_left_out_and_comes_beside_its_plain_images(judged):
    plain, changed = judged[None]["fields"], judged["brightness"]["fields"]
    assert set(plain["group"]) == set(changed["group"]) == {GROUPS[1]}
    assert set(plain["phenotype"]) == {"none"} and set(plain["planted"]) == {"none", *PLANTED}
    assert set(changed["phenotype"]) == {"none", "dim"} and set(changed["beside"]) == {"dim"}
    assert "ranks" in judged[None] and "ranks" not in judged["brightness"]
    assert {"evidence", "variant", "auc", "kind", "group"} <= set(judged[None]["ranks"])


def test_a_trained_model_is_saved_as_plain_arrays(tmp_path):
    small_model().save(tmp_path / "model.npz")
    again = evidence.EvidenceModel.load(tmp_path / "model.npz")
    assert again.missed_per_candidate == small_model().missed_per_candidate
    missed, known = (model.trees["missed"] for model in (again, small_model()))
    assert missed.names == known.names
    terms = prepared().candidates
    assert np.array_equal(missed.probability(terms), known.probability(terms))


def test_an_image_without_any_object_collects_nothing(monkeypatch):
    image = np.zeros((64, 64), np.float32)
    empty = image, image.astype(np.int32)
    monkeypatch.setattr(type(sources()), "read", lambda *_: empty)
    assert collect_task(small_tasks(GROUPS[0], 1)[0]) == {}


def test_the_middle_of_a_large_image_is_taken_from_image_and_reference_alike():
    labels = np.arange(30 * 40, dtype=np.int32).reshape(30, 40)
    image, cut = collect._middle(labels.astype(np.float32), labels, 10)
    assert image.shape == cut.shape == (10, 10)
    assert image[0, 0] == labels[10, 15] and cut[0, 0] == 1 and cut.max() == 100
    assert collect._middle(image, cut, 0)[0] is image
    assert collect._middle(image, cut, 640)[1].shape == (10, 10)


def test_every_group_has_an_amount():
    assert {group.split("_")[0] for group in FOLDS} == set(collect.AMOUNTS)


def test_both_halves_of_a_group_are_about_equal_and_always_the_same():
    index = pd.DataFrame(
        {"collection": "c", "name": [f"i{k:02d}" for k in range(40)], "group": "g"}
    )
    own = chosen_images(index, "g", 18)
    assert len(own) == 18 and sorted(own["half"].value_counts()) == [9, 9]
    pd.testing.assert_frame_equal(own, chosen_images(index, "g", 18))
    assert {"i00", "i39"} <= set(own["name"])


def test_a_network_is_asked_once_for_each_scale(monkeypatch):
    task = small_tasks(GROUPS[1], 1)[0]
    image, labels = collect._middle(*sources().read(task.collection, task.name), 96)
    asked = []

    def count(prediction, shape):
        asked.append(shape)
        return second_opinion(prediction, shape)

    monkeypatch.setattr(segmentations, "second_opinion", count)
    scene = segmentations.Scene(image, labels, None, sources().opinion_of(FOLDS[GROUPS[1]]))
    first, second = scene.opinion(labels), scene.opinion(np.where(labels == 1, 0, labels))
    assert first is second and len(asked) == len(scene.read)
