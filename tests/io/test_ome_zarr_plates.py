"""OME-Zarr plates that others wrote are read where they lie, to the pixel."""

import warnings
from pathlib import Path

import ngio
import numpy as np
import pytest
import zarr
from conftest import DEMO_IMAGES
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr_cases import LAYOUT, WELLS, pixels, write_plate

from levelfield.images.planes import PlaneError, read_plane
from levelfield.images.sites import read_channel, sites_of
from levelfield.io.formats import list_plate
from levelfield.io.listing import list_files
from levelfield.io.recognition import recognise
from levelfield.io.store import NotInPlace, write_in_place
from levelfield.io.store.field import write_label
from levelfield.io.store.groups import group_version, ome_attributes, write_group
from levelfield.io.store.metadata import labels_attributes


@pytest.fixture(params=[(FormatV04(), "cyx"), (FormatV05(), "tczyx")], ids=["0.4", "0.5"])
def plate(tmp_path, request):
    return write_plate(tmp_path / "P.zarr", *request.param)


def first_array(plate):
    """The largest level of the first field, by what the plate itself says of it."""
    index = list_plate(plate, "P", LAYOUT, {}, {"DNA": {"match": 0}}).planes
    return Path(index["path"].iloc[0])


def test_every_plane_is_what_the_writer_was_given(plate):
    channels = {"DNA": {"match": 0}, "FKHR": {"match": 1}}
    index = list_plate(plate, "P", LAYOUT, {}, channels).planes
    assert (index["fault"] == "").all()
    assert set(index["pixel_size_um"]) == {0.325}
    for site in sites_of(index, list(WELLS)):
        expected = pixels(site.well, site.number)
        for number, name in enumerate(channels):
            assert np.array_equal(read_channel(site, name, None), expected[number])
    assert len(index) == 8


def test_a_plate_is_recognised_and_nothing_in_it_changes(plate):
    before = {path: path.read_bytes() for path in plate.rglob("*") if path.is_file()}
    assert recognise(list_files(plate), "P") == ("ome_zarr", ".")
    list_plate(plate, "P", LAYOUT, {}, {"DNA": {"match": 0}})
    after = {path: path.read_bytes() for path in plate.rglob("*") if path.is_file()}
    assert before == after


def test_a_field_that_is_damaged_is_a_fault_of_that_site(plate):
    names = ("zarr.json", ".zattrs")
    [meta] = [path for name in names if (path := plate / "A/01/1" / name).is_file()]
    meta.write_text("{")
    index = list_plate(plate, "P", LAYOUT, {}, {"DNA": {"match": 0}}).planes
    faulty = index[index["fault"] != ""]
    assert set(zip(faulty["well"], faulty["site"], strict=True)) == {("A01", 1)}
    assert faulty["fault"].str.contains("metadata are missing or damaged").any()
    assert len(index[index["fault"] == ""]) == 3


def test_a_torn_chunk_is_told_and_not_read_as_zero(plate):
    array = first_array(plate)
    assert read_plane(array, 1).max() > 0
    for path in array.rglob("*"):
        if path.is_file() and path.name not in ("zarr.json", ".zarray", ".zattrs"):
            path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PlaneError, match="cannot be decoded"):
        read_plane(array, 0)


def everything_but_labels(plate):
    return {
        path: path.read_bytes()
        for path in plate.rglob("*")
        if path.is_file() and "labels" not in path.relative_to(plate).parts
    }


def test_labels_written_in_place_touch_nothing_else(plate):
    before, folders = everything_but_labels(plate), {p for p in plate.rglob("*") if p.is_dir()}
    image = plate / "A/01/0"
    theirs = image / "labels" / "theirs"
    version = group_version(image)
    blobs = np.arange(640 * 640, dtype=np.int32).reshape(640, 640) // 40000
    write_label(theirs, blobs + 1, "theirs", {}, None, version)
    write_group(
        image / "labels", labels_attributes(["theirs"], version) | {"note": "keep"}, version
    )
    kept = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    write_in_place(first_array(plate), {"Nuclei": blobs, "Cells": blobs * 2}, 0.325)
    write_in_place(first_array(plate), {"Nuclei": blobs * 3}, 0.325)
    assert everything_but_labels(plate) == before
    assert kept == {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    assert all("labels" in p.parts for p in plate.rglob("*") if p.is_dir() and p not in folders)
    group = zarr.open_group(image / "labels", mode="r")
    assert group.attrs["note"] == "keep"
    assert ome_attributes(group.attrs)["labels"] == ["theirs", "Nuclei", "Cells"]
    assert np.array_equal(group["Nuclei/0"][...], blobs * 3)
    assert np.array_equal(group["Cells/0"][...], blobs * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        container = ngio.open_ome_zarr_plate(str(plate)).get_image("A", 1, "0")
    assert np.array_equal(np.squeeze(container.get_label("Nuclei").get_array()), blobs * 3)


def test_labels_that_others_wrote_are_never_replaced(plate):
    array, blank = first_array(plate), np.ones((640, 640), np.int32)
    write_label(plate / "A/01/0/labels/Nuclei", blank, "x", {}, None, "0.5")
    with pytest.raises(NotInPlace, match="Levelfield did not write"):
        write_in_place(array, {"Nuclei": blank})
    with pytest.raises(NotInPlace, match="no image of an OME-Zarr plate"):
        write_in_place(DEMO_IMAGES / "Channel1-01-A-01.tif", {})
