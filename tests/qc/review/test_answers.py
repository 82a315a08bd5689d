"""What answers of a review mean, and which of them count."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from review_cases import PLAN, PLATE, answered, candidates, only_objects, plate, review_of, row

from levelfield.qc.review.answers import OBJECT, read_answers
from levelfield.qc.review.sampling import drawn, object_risk


def test_answers_become_numbers_whose_mean_is_the_balance():
    objects = plate()
    sheet = (
        only_objects(answered(objects))
        .head(7)
        .assign(
            answer=[
                "correct",
                "split",
                "merged",
                "too_large",
                "too_small",
                "not_an_object",
                "cannot_tell",
            ],
            f=["", "3", "", "", "", "", ""],
            m=["", "", "4", "", "", "", ""],
        )
    )
    found = read_answers(sheet, PLATE, objects).objects
    keys = sheet[["well", "site", "object_number"]].astype({"site": int, "object_number": int})
    found = keys.merge(
        found, left_on=list(keys), right_on=[*OBJECT[1:3], OBJECT[4]], validate="one_to_one"
    )
    expected = {
        "balance": [0, 2 / 3, -3, 0, 0, 0],
        "splits": [0, 2 / 3, 0, 0, 0, 0],
        "merges": [0, 0, 1, 0, 0, 0],
        "invented": [0, 0, 0, 0, 0, 1],
        "agreement": [1, 0, 0, 0, 0, 0],
        "bias": [0, 0, 0, 1, -1, 0],
    }
    for measure, values in expected.items():
        assert found[measure].tolist()[:6] == pytest.approx(values)
    assert found.iloc[6][list(expected)].isna().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": "split", "f": ""}, "'split' needs f"),
        ({"answer": "merged", "m": "1"}, "'merged' needs m"),
        ({"answer": "correct", "object_number": "0"}, "whole field"),
        ({"answer": "missed", "m": "2"}, "whole field"),
    ],
)
def test_answers_that_mean_nothing_are_refused_with_their_line(change, words):
    sheet = answered(plate())
    for name, value in change.items():
        sheet.loc[4, name] = value
    with pytest.raises(ValueError, match=f"line 6 .*{words}"):
        read_answers(sheet, PLATE, plate())


def test_two_answers_of_one_person_for_one_object_are_refused():
    sheet = answered(plate())
    with pytest.raises(ValueError, match="earlier line"):
        read_answers(pd.concat([sheet, sheet.head(1)]), PLATE, plate())
    with pytest.raises(ValueError, match="no column answer"):
        read_answers(sheet.drop(columns="answer"), PLATE, plate())


def test_answers_on_changed_labels_and_lost_objects_do_not_count_and_are_named():
    objects = plate()
    sums = objects[OBJECT[:4]].drop_duplicates().assign(checksum="a" * 64)
    sheet = answered(objects, checksum="a" * 64)
    now = sums.copy()
    now.loc[(now["Metadata_Well"] == "A01"), "checksum"] = "b" * 64
    gone = objects[objects["Metadata_Well"] != "B02"]
    found = read_answers(sheet, PLATE, gone, now)
    left = set(found.objects["Metadata_Well"])
    assert "A01" not in left and "B02" not in left and "A02" in left
    assert any("changed since" in note and "well A01" in note for note in found.notes)
    assert any("not in the labels" in note and "well B02" in note for note in found.notes)
    assert read_answers(sheet, PLATE, objects, sums).notes == ()


def test_answers_for_objects_that_were_not_drawn_are_counted_where_they_do_not_count():
    objects = plate()
    sheet = answered(objects)
    own = objects[objects["Metadata_Well"].str[0] == "B"]
    rest = own[~drawn(own, PLAN)].head(3)
    outside = objects.head(2).assign(Metadata_Well="C01")
    more = pd.concat([rest, outside])[OBJECT].astype(str)
    more = more.set_axis(["plate", "well", "site", "object_set", "object_number"], axis=1)
    more = more.assign(answer="not_an_object", reviewer="A", f="", m="", checksum="")
    together = pd.concat([objects, outside], ignore_index=True)
    alone = review_of(together, sheet)
    found = review_of(together, pd.concat([sheet, more], ignore_index=True))
    assert repr([replace(each, notes="") for each in found]) == repr(alone)
    picked = "3 answers were given for objects of these wells"
    for scope in ("poscon", "difference"):
        assert picked in row(found, scope=scope).notes
    assert "not drawn" not in row(found, scope="negcon").notes
    stray = "2 answers were given for objects outside"
    assert all(stray in each.notes for each in found)


def test_rows_of_other_plates_and_rows_without_answer_are_passed_over():
    objects = plate()
    sheet = only_objects(answered(objects))
    sheet.loc[:9, "answer"] = ""
    other = sheet.assign(plate="P2")
    found = read_answers(pd.concat([sheet, other]), PLATE, objects)
    assert len(found.objects) == len(sheet) - 10
    assert len(read_answers(None, PLATE, objects).objects) == 0


def test_objects_that_were_picked_by_eye_do_not_count():
    objects = plate()
    worst = objects.iloc[np.argsort(-object_risk(objects))[:200]]
    names = ["plate", "well", "site", "object_set", "object_number"]
    sheet = worst[OBJECT].set_axis(names, axis=1).astype(str).assign(reviewer="A", answer="correct")
    found = row(review_of(objects, sheet))
    assert found.counts.state == "partial" and np.isnan(found.estimate.value)
    assert found.counts.n_reviewed < 200


def test_a_site_numbered_0_is_drawn_answered_and_counted():
    objects, found = plate(sites=(0, 1)), candidates(sites=(0, 1))
    sheet = answered(objects, found=found)
    assert set(sheet["site"]) == {"0", "1"}
    rows = review_of(objects, sheet, found=found)
    assert {each.counts.state for each in rows} == {"complete"}
    assert {each.notes for each in rows} == {""}
