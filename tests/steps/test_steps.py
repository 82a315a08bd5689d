"""What a job keeps, what it does again, and how it tells of faults and progress."""

import logging

import numpy as np
import pandas as pd
import pytest
from conftest import DEMO_PATTERN

from levelfield.config.settings import Science
from levelfield.execution.field_cache import field_fingerprints, map_changed_fields
from levelfield.execution.logs import job_log
from levelfield.execution.progress import map_fields, progress_line
from levelfield.images.sites import SiteFault, check_pixels, read_site, sites_of
from levelfield.io.formats import index_plate
from levelfield.io.tables import read_csv, write_csv, write_parquet
from levelfield.steps.fit_illumination import fit_plate, spread_sample
from levelfield.steps.summarise_plate import excluded_sites, in_plate_order, plate_facts

CHANNELS = {"DNA": {"match": 2}, "FKHR": {"match": 1}}
IMAGES = {"format": "pattern", "pattern": DEMO_PATTERN, "time_point": 0, "bit_depth": None}


@pytest.fixture
def index(small_plate, small_layout):
    return index_plate(small_plate, "P", small_layout, IMAGES, CHANNELS)


def segmented(pixels=("x", "y")) -> pd.DataFrame:
    """The table of two fields with one object each."""
    return pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": ["A01", "A02"],
            "Metadata_Site": 1,
            "fault": "",
            "Count_Nuclei": 1,
            "checksum_Nuclei": pixels,
        }
    )


def compute(field):
    return {"Nuclei": pd.DataFrame({"Metadata_Well": [field[1]], "value": [len(field[1])]})}


def run(table, previous, parts="p"):
    """Run a job; return its tables and the wells that were computed."""
    done = []

    def noting(field):
        done.append(field[1])
        return compute(field)

    fields = field_fingerprints(table, {"parts": parts})
    tables = map_changed_fields(noting, fields, previous, dict, 1, "test")
    return {"Nuclei": pd.concat([one["Nuclei"] for one in tables], ignore_index=True)}, done


def test_fields_that_did_not_change_are_kept_and_others_computed():
    first, done = run(segmented(), {})
    assert done == ["A01", "A02"]
    again, done = run(segmented(), first)
    assert done == []
    pd.testing.assert_frame_equal(again["Nuclei"], first["Nuclei"])
    _, done = run(segmented(("x", "changed")), first)
    assert done == ["A02"]
    _, done = run(segmented(), first, parts="other config")
    assert done == ["A01", "A02"]


def test_fields_whose_rows_are_not_all_there_are_computed_again():
    first, _ = run(segmented(), {})
    _, done = run(segmented(), {"Nuclei": first["Nuclei"].iloc[1:]})
    assert done == ["A01"]


def test_results_keep_the_order_of_the_fields_in_any_number_of_processes():
    assert list(map_fields(abs, [-3, 1, -2], 2, "test")) == [3, 1, 2]


def test_the_progress_line_has_rate_and_time_left():
    line = progress_line("segment P pack1", 30, 120, 10.0)
    assert line == "segment P pack1: 30/120 fields, 3.0 fields/s, 30 s left"
    assert "2 min 30 s left" in progress_line("x", 10, 160, 10.0)


def test_sites_with_a_fault_in_the_index_are_not_read(index):
    index.loc[(index["well"] == "A12") & (index["channel"] == "DNA"), "fault"] = "torn"
    assert [site.well for site in sites_of(index, ["A01", "A12", "B01"])] == ["A01", "B01"]


def judge(index, change, saturated_percent=25.0):
    site = sites_of(index, ["A01"])[0]
    image = read_site(site, ["DNA", "FKHR"], {}).copy()
    change(image)
    check_pixels(site, image, ["DNA", "FKHR"], 255, saturated_percent)


def test_a_sound_site_passes(index):
    judge(index, lambda image: None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda image: image[0].fill(0), "DNA: every pixel is 0"),
        (lambda image: image[1].fill(9), "FKHR: every pixel is 9"),
        (lambda image: np.copyto(image[1], image[0]), "FKHR: holds the same image as channel DNA"),
        (lambda image: image[0, :300].fill(255), "DNA: 4. % of its pixels are saturated"),
        (lambda image: image[0, 400:].fill(0), "DNA: the last 240 of 640 rows are zero"),
    ],
)
def test_a_spoiled_site_is_told_with_channel_reason_and_file(index, change, says):
    with pytest.raises(SiteFault) as fault:
        judge(index, change)
    assert pd.Series([fault.value.reason]).str.match(says).all()
    assert "A-01.tif" in fault.value.path


def test_a_site_with_some_saturated_pixels_passes_if_the_config_allows_it(index):
    judge(index, lambda image: image[0, :300].fill(255), saturated_percent=60)


def test_the_illumination_is_fitted_to_an_even_sample():
    assert spread_sample(list(range(10)), 4) == [0, 3, 6, 9]
    assert spread_sample([1, 2], 4) == [1, 2]


def science(**illumination) -> dict:
    settings = {"correct": True, "sample_sites": 300} | illumination
    return {"images": IMAGES, "channels": CHANNELS, "illumination": settings}


def test_too_few_sites_leave_the_field_uncorrected_and_say_so(index):
    field = fit_plate(index, Science(science()), 1, "test")["DNA"]
    assert field.status == "off"
    assert (field.field == 1).all()
    assert "4" in field.reason


def test_a_config_without_correction_still_takes_the_known_offset_off(index):
    settings = science(correct=False)
    settings["channels"] = {"DNA": {"match": 2, "camera_offset": 3}, "FKHR": {"match": 1}}
    fields = fit_plate(index, Science(settings), 1, "test")
    assert fields["DNA"].camera_offset.counts == 3
    assert fields["FKHR"].camera_offset.counts == 0
    assert (fields["DNA"].field == 1).all()


def test_a_dark_frame_that_cannot_be_read_is_named(index, tmp_path):
    settings = science()
    settings["channels"] = {"DNA": {"match": 2, "camera_offset": str(tmp_path / "dark.tif")}}
    with pytest.raises(ValueError, match=r"dark\.tif"):
        fit_plate(index, Science(settings), 1, "test")


def test_a_plate_without_one_usable_site_is_told_the_first_fault(index):
    index["fault"] = "is truncated"
    with pytest.raises(ValueError, match=r"not one site is usable.*is truncated"):
        fit_plate(index, Science(science()), 1, "test")


def test_excluded_sites_join_what_the_index_and_the_pixels_told(index, small_layout):
    index.loc[index["well"] == "A12", "fault"] = "is torn"
    table = segmented().assign(Metadata_Well=["A01", "B01"], fault=["", "empty"], path="f.tif")
    excluded = excluded_sites(index, table)
    assert list(excluded["Metadata_Well"]) == ["A12", "B01"]
    assert list(excluded["rule"]) == ["index_plate", "segment"]
    assert excluded["reason"].tolist() == ["DNA: is torn", "empty"]
    facts = plate_facts("P", index, excluded, small_layout, 50.0).iloc[0]
    assert (facts["n_sites"], facts["n_excluded"], facts["excluded_percent"]) == (4, 2, 50.0)
    assert facts["within_limit"]
    assert facts["Metadata_Date"] == ""
    dated = plate_facts("P", index, excluded, small_layout, 50.0, "2026-11-25")
    assert dated.loc[0, "Metadata_Date"] == "2026-11-25"
    assert not plate_facts("P", index, excluded, small_layout, 49.0).iloc[0]["within_limit"]


def test_rows_stand_in_plate_order():
    table = pd.DataFrame({"Metadata_Well": ["B01", "A10", "A02"], "Metadata_Site": [1, 1, 1]})
    assert list(in_plate_order(table)["Metadata_Well"]) == ["A02", "A10", "B01"]


def test_text_stays_text_and_numbers_keep_every_digit_in_csv(tmp_path):
    table = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02"], "fault": ["", "x"], "value": [0.1 + 0.2, 1 / 3]}
    )
    write_csv(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), table)


def test_parquet_has_a_row_group_per_well(tmp_path):
    import pyarrow.parquet as pq

    table = pd.DataFrame({"Metadata_Well": ["A01", "A01", "A02"], "value": [1.0, 2.0, 3.0]})
    write_parquet(table, tmp_path / "t.parquet")
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 2
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)


def test_an_error_for_people_ends_a_job_without_a_traceback_on_the_terminal(tmp_path, capsys):
    path = tmp_path / "job.log"
    with pytest.raises(SystemExit), job_log(str(path)):
        raise ValueError("the plate has no wells")
    assert "levelfield: the plate has no wells" in capsys.readouterr().err
    assert "Traceback" in path.read_text()
    logging.getLogger("levelfield").handlers = []
