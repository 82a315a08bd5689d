"""The review sheet as a file, and the checksums that its answers are held against."""

import numpy as np
import pandas as pd
import pytest
from conftest import SCHEMAS

from levelfield.config.sheets import SheetError
from levelfield.io.tables import write_csv
from levelfield.qc.review.answers import check_answers, read_answers
from levelfield.qc.review.sampling import LIST_COLUMNS, ReviewPlan, choose_for_review
from levelfield.qc.statistics.comparison import Comparison
from levelfield.steps.check_review import label_checksums, log_review, read_review

SCHEMA = SCHEMAS / "review.yaml"
ROW = dict.fromkeys(LIST_COLUMNS, "") | {
    **{"order": 1, "plate": "P", "well": "A01", "site": 1, "object_set": "Nuclei"},
    **{"object_number": 7, "centre_y_px": 10.5, "centre_x_px": 3.0, "checksum": "a" * 64},
}


def written(tmp_path, **changes):
    path = tmp_path / "review.csv"
    write_csv(pd.DataFrame([ROW | changes]), path)
    return path


def test_a_row_of_the_list_is_a_row_of_the_sheet_before_and_after_it_is_filled_in(tmp_path):
    assert read_review(written(tmp_path), SCHEMA)["answer"].tolist() == [""]
    filled = written(tmp_path, answer="merged", m=3, reviewer="AB", comment="two cells?")
    assert read_review(filled, SCHEMA)["m"].tolist() == ["3"]
    field = written(tmp_path, object_number=0, centre_y_px=None, answer="missed", m=0)
    assert read_review(field, SCHEMA)["answer"].tolist() == ["missed"]


def test_a_site_numbered_0_is_taken_as_the_list_wrote_it(tmp_path):
    assert read_review(written(tmp_path, site=0, answer="correct"), SCHEMA)["site"].tolist() == [
        "0"
    ]
    with pytest.raises(SheetError, match="site"):
        read_review(written(tmp_path, site=-1), SCHEMA)


def test_a_list_of_site_0_goes_to_disk_is_filled_in_and_counts(tmp_path):
    objects = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": np.repeat(["A01", "A02", "B01", "B02"], 30),
            "Metadata_Site": 0,
            "object_set": "Nuclei",
            "Metadata_ObjectNumber": np.tile(np.arange(30) + 1, 4),
            "right_evidence": 0.9,
            **dict.fromkeys(["merge_evidence", "fragment_evidence", "invented_evidence"], 0.02),
        }
    )
    candidates = objects.head(0).assign(missed_evidence=0.0)
    controls = [Comparison("drug", "DMSO", ("B01", "B02"), ("A01", "A02"))]
    sheet = choose_for_review(objects, candidates, controls, ReviewPlan(20))
    whole_field = sheet["object_number"] == 0
    sheet["answer"] = np.where(whole_field, "missed", "correct")
    sheet["m"] = np.where(whole_field, "0", "")
    path = tmp_path / "review.csv"
    write_csv(sheet.assign(reviewer="A"), path)
    read = read_review(path, SCHEMA)
    check_answers(read, "P")
    answers = read_answers(read, "P", objects, None, candidates)
    assert len(answers.objects) == 40 and len(answers.missed) == 4 and not answers.notes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": "maybe"}, "holds 'maybe'"),
        ({"well": "a1"}, "a well as A01"),
        ({"f": "1"}, "2 or more"),
        ({"opinion": "x"}, "'opinion' is not known"),
    ],
)
def test_wrong_rows_are_refused_with_line_and_remedy(tmp_path, changes, words):
    with pytest.raises(SheetError, match=words):
        read_review(written(tmp_path, **changes), SCHEMA)


def test_without_a_sheet_there_is_no_review():
    assert read_review([], SCHEMA) is None


def test_checksums_of_sound_fields_by_object_set():
    fields = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": ["A01", "A02"],
            "Metadata_Site": 1,
            "fault": ["", "truncated"],
            "checksum_image": ["i", ""],
            "checksum_Nuclei": ["n", ""],
            "checksum_Cells": ["c", ""],
        }
    )
    table = label_checksums([fields, fields.iloc[:0]], ["Nuclei", "Cells"])
    assert table["checksum"].tolist() == ["n", "c"]
    assert table["object_set"].tolist() == ["Nuclei", "Cells"]


def test_the_log_says_how_far_objects_and_fields_are_and_what_does_not_count(caplog):
    head = {"object_set": "Nuclei", "scope": "poscon", "perturbation": "drug", "state": "partial"}
    rows = [
        head | {"measure": "balance", "n_drawn": 100, "n_reviewed": 40, "n_cannot_tell": 2},
        head | {"measure": "missed", "n_drawn": 5, "n_reviewed": 1, "n_cannot_tell": 0},
        head | {"measure": "merges", "n_drawn": 9, "n_reviewed": 9, "n_cannot_tell": 0},
        head | {"measure": "balance", "scope": "difference", "n_drawn": 0, "n_reviewed": 0},
    ]
    with caplog.at_level("INFO", logger="levelfield"):
        log_review("P", pd.DataFrame(rows).assign(notes=["", "2 answers were given.", "", ""]))
    words = [record.getMessage() for record in caplog.records]
    assert words == [
        "plate P, Nuclei, poscon drug: partial, 42 of 100 drawn objects reviewed",
        "plate P, Nuclei, poscon drug: partial, 1 of 5 drawn whole fields reviewed",
        "plate P: 2 answers were given.",
    ]
