"""The review sheet as a file, and the checksums that its answers are held against."""

import pandas as pd
import pytest
from conftest import REPOSITORY

from levelfield.pipeline.review import label_checksums, read_review
from levelfield.pipeline.tables import write_csv
from levelfield.qc.review.sampling import LIST_COLUMNS
from levelfield.sheets import SheetError

SCHEMA = REPOSITORY / "workflow" / "schemas" / "review.yaml"
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
