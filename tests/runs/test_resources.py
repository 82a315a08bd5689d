"""Memory and time of a segment job, from its plate."""

import pandas as pd
import pytest

from levelfield.runs.resources import Load, read_load, segment_megabytes, segment_minutes

USUAL, LARGE = Load(400, 3 * 1080**2), Load(400, 4 * 2160**2)


def test_fields_and_pixels_are_those_of_the_wells(tmp_path):
    rows = [
        (well, site, channel, z, 100, 200, fault)
        for well in ("A01", "A02", "B01")
        for site in (1, 2)
        for channel in ("DNA", "ER")
        for z in (0, 1)
        for fault in [""]
    ]
    rows.append(("A01", 3, "DNA", 0, 100, 200, "cannot be read"))
    columns = ["well", "site", "channel", "z", "size_y", "size_x", "fault"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "index.csv", index=False)
    assert read_load(tmp_path / "index.csv", ["A01", "B01"]) == Load(4, 2 * 100 * 200)
    assert read_load(tmp_path / "index.csv", ["H12"]) == Load(0, 0)
    with pytest.raises(FileNotFoundError):
        read_load(tmp_path / "none.csv", ["A01"])


def test_memory_grows_with_pixels_threads_and_networks():
    def of(load, methods, threads=4, gpu=True):
        return segment_megabytes(load, methods, threads, gpu=gpu)

    assert of(USUAL, []) < of(USUAL, ["network"]) <= of(USUAL, ["cellpose"])
    assert of(USUAL, ["cellpose"], 4) < of(USUAL, ["cellpose"], 8)
    # Four threads held 21 GB of images of 4 x 2160 x 2160 px once: now no more than of usual ones.
    assert of(LARGE, ["cellpose"]) - of(USUAL, ["cellpose"]) < 4 * 1200
    assert 8_000 < of(USUAL, ["cellpose"]) < 16_000
    assert of(USUAL, ["cellpose"], gpu=False) > of(USUAL, ["network"], gpu=False)


def test_time_grows_with_fields_and_is_shorter_on_a_gpu():
    def of(load, methods, gpu=True):
        return segment_minutes(load, methods, 4, gpu=gpu)

    few = Load(10, USUAL.pixels)
    assert 30 < of(few, ["cellpose"]) < of(USUAL, ["cellpose"]) < of(LARGE, ["cellpose"])
    assert of(USUAL, ["cellpose"]) < of(USUAL, ["network"], gpu=False) + 60
    assert of(USUAL, ["cellpose"], gpu=False) > 10 * of(USUAL, ["cellpose"])
