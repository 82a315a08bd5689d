"""What answers of a review mean, and which of them count."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from review_cases import PLATE, answered, candidates, draws_of, plate, review_of, row

from levelfield.qc.review.answers import OBJECT, read_answers


def read(sheet, objects=None, checksums=None):
    objects = plate() if objects is None else objects
    samples = {name: draw.sample for name, draw in draws_of(objects).items()}
    return read_answers(sheet, PLATE, samples, objects, checksums)


def test_answers_become_numbers_whose_mean_is_the_balance():
    said = ["correct", "split", "merged", "too_large", "too_small", "not_an_object", "cannot_tell"]
    sheet = answered(plate())
    sheet = sheet[sheet["object_number"] != "0"].head(7)
    sheet = sheet.assign(answer=said, f=["", "3"] + [""] * 5, m=["", "", "4"] + [""] * 4)
    found = read(sheet).objects
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
        ({"answer": "correct", "object_number": "0"}, "whole crop"),
        ({"answer": "missed", "m": "2"}, "whole crop"),
        ({"reviewer": " "}, "no reviewer"),
    ],
)
def test_answers_that_mean_nothing_are_refused_with_their_line(change, words):
    sheet = answered(plate())
    for name, value in change.items():
        sheet.loc[4, name] = value
    with pytest.raises(ValueError, match=f"line 6 .*{words}"):
        read(sheet)


def test_two_answers_of_one_person_for_one_object_are_refused():
    sheet = answered(plate())
    with pytest.raises(ValueError, match="earlier line"):
        read(pd.concat([sheet, sheet.head(1)]))
    with pytest.raises(ValueError, match="no column answer"):
        read(sheet.drop(columns="answer"))


def test_answers_on_changed_labels_do_not_count_and_are_named():
    objects = plate()
    sums = objects[OBJECT[:4]].drop_duplicates().assign(checksum="a" * 64)
    sheet = answered(objects).assign(checksum="a" * 64)
    now = sums.copy()
    now.loc[(now["Metadata_Well"] == "A01"), "checksum"] = "b" * 64
    found = read(sheet, objects, now)
    left = set(found.objects["Metadata_Well"])
    assert "A01" not in left and "A02" in left
    assert any("changed since" in note and "well A01" in note for note in found.notes)
    assert read(sheet, objects, sums).notes == ()


def test_answers_to_another_sample_do_not_count_and_are_answered_in_words():
    objects, sheet = plate(), answered(plate())
    rows = review_of(objects.iloc[1:], sheet)
    assert row(rows).counts.state == "unreviewed"
    assert "on another sample" in row(rows).notes and "levelfield review" in row(rows).notes


def test_a_review_of_single_objects_of_an_earlier_version_is_answered_in_words():
    objects = plate()
    sheet = answered(objects).drop(columns=["crop", "sample"])
    sheet = sheet[sheet["object_number"] != "0"]
    found = row(review_of(objects, sheet))
    assert found.counts.state == "unreviewed" and np.isnan(found.estimate.value)
    assert "for single objects, as earlier versions asked for" in found.notes


def test_crops_after_an_open_one_do_not_count_and_are_counted():
    objects = plate()
    sheet = answered(objects)
    first = sheet["well"].str[0] == "A"
    key = sheet[["well", "site", "crop"]].agg("/".join, axis=1)
    third = list(dict.fromkeys(key[first]))[2]
    found = review_of(objects, sheet[key != third])
    assert row(found, scope="negcon").counts.n_reviewed == 2
    assert "37 finished crops do not count" in row(found, scope="negcon").notes
    assert row(found, scope="poscon").counts.n_reviewed == 40
    assert row(found, scope="poscon").notes == ""


def test_an_object_without_a_row_in_a_finished_crop_counts_as_cannot_tell():
    objects, sheet = plate(), answered(plate())
    left = sheet.drop(index=sheet.index[sheet["object_number"] != "0"][:5])
    found = row(review_of(objects, left))
    assert found.counts.n_cannot_tell == 5 and found.counts.state == "complete"


def test_rows_of_other_plates_and_rows_without_answer_are_passed_over():
    sheet = answered(plate())
    sheet.loc[:2, "answer"] = ""
    other = sheet.assign(plate="P2")
    found = read(pd.concat([sheet, other]))
    assert len(found.objects) == (sheet["object_number"] != "0").sum() - 3
    assert len(read(None).objects) == 0


def test_a_site_numbered_0_is_drawn_answered_and_counted():
    objects, found = plate(sites=(0, 1)), candidates(sites=(0, 1))
    sheet = answered(objects, found=found)
    assert set(sheet["site"]) == {"0", "1"}
    rows = review_of(objects, sheet, found=found)
    assert {each.counts.state for each in rows} == {"complete"}
    assert {each.notes for each in rows} == {""}


def test_the_order_of_rows_in_the_sheet_does_not_matter():
    objects, sheet = plate(), answered(plate())
    first, other = review_of(objects, sheet), review_of(objects, sheet.iloc[::-1])
    for one, same in zip(first, other, strict=True):
        assert replace(one, notes="").estimate == replace(same, notes="").estimate
