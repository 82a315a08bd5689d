"""The review sheet as a file, and the checksums that its answers are held against."""

import pandas as pd
import pytest
from conftest import SCHEMAS
from review_cases import PLATE, answered, candidates, plate, review_of

from levelfield.config.sheets import SheetError
from levelfield.io.tables import write_csv
from levelfield.qc.review.answers import check_answers
from levelfield.steps.check_review import label_checksums, log_review, read_review

SCHEMA = SCHEMAS / "review.yaml"
ROW = {
    **{"plate": "P", "well": "A01", "site": 1, "object_set": "Nuclei", "crop": 3},
    **{"object_number": 7, "checksum": "a" * 64, "sample": "0" * 16, "reviewer": "AB"},
    **{"answer": "correct", "f": "", "m": "", "places": "", "seconds": 4.2},
}


def written(tmp_path, **changes):
    path = tmp_path / "review.csv"
    write_csv(pd.DataFrame([ROW | changes]), path)
    return path


def test_rows_of_the_page_and_of_earlier_versions_are_rows_of_the_sheet(tmp_path):
    assert read_review(written(tmp_path), SCHEMA)["answer"].tolist() == ["correct"]
    crop = written(tmp_path, object_number=0, answer="missed", m=2, places="1.5 20; 30 7.25")
    assert read_review(crop, SCHEMA)["m"].tolist() == ["2"]
    earlier = written(tmp_path, crop=None, sample=None, centre_y_px=10.5, order=1, comment="two?")
    assert read_review(earlier, SCHEMA)["sample"].tolist() == [""]


def test_a_site_numbered_0_is_taken_as_the_list_wrote_it(tmp_path):
    assert read_review(written(tmp_path, site=0, answer="correct"), SCHEMA)["site"].tolist() == [
        "0"
    ]
    with pytest.raises(SheetError, match="site"):
        read_review(written(tmp_path, site=-1), SCHEMA)


def test_a_review_goes_to_disk_is_checked_and_counts(tmp_path):
    objects, path = plate(sites=(0, 1)), tmp_path / "review.csv"
    found = candidates(sites=(0, 1))
    write_csv(answered(objects, found=found), path)
    read = read_review(path, SCHEMA)
    check_answers(read, PLATE)
    rows = review_of(objects, read, found=found)
    assert {each.counts.state for each in rows} == {"complete"}


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


def test_the_log_says_how_far_people_are_and_what_does_not_count(caplog):
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
        "plate P, Nuclei, poscon drug: partial, 40 of 100 crops reviewed",
        "plate P: 2 answers were given.",
    ]
